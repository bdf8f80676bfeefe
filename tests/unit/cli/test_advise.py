"""`membudget advise`, as people and scripts call it."""

import json
from pathlib import Path

import pytest

from membudget.cli.main import main
from membudget.publish.report_file import write_report
from tests.support.builders import image, report, side, trial


@pytest.fixture(autouse=True)
def outside_of_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's


@pytest.fixture
def path(tmp_path: Path) -> str:
    api = image("api", base=side(trial(60)), head=side(trial(75)))
    killed = image("killed", base=side(trial(60)), head=side(trial(128, oom_kills=1)))
    file = tmp_path / "report.json"
    write_report(report(api, killed), file)
    return str(file)


def test_every_image_of_a_report_is_advised(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--report", path]) == 3, "one has no figures"
    said = capsys.readouterr().out
    assert "limit 90Mi: the largest peak RSS of 75.0 MiB + 11.2 MiB" in said
    assert "no advice" in said


@pytest.mark.thorough
def test_named_images_alone_are_advised(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--report", path, "--format", "json", "api"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["images"]] == ["api"]
    assert main(["advise", "--report", path, "--format", "yaml", "api"]) == 0
    assert "memory: 90Mi" in capsys.readouterr().out
    assert main(["advise", "--report", path, "--format", "markdown", "api"]) == 0
    assert capsys.readouterr().out.startswith("| image |")


def test_the_target_of_the_autoscaler_counts(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["advise", "--report", path, "--format", "json", "--hpa-target", "200", "api"])
    assert json.loads(capsys.readouterr().out)["images"][0]["can_scale_down"] is True


@pytest.mark.parametrize("wrong", ["0", "501", "80%", "-1", "x"])
def test_a_target_that_cannot_be_is_refused(path: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["advise", "--report", path, f"--hpa-target={wrong}"])
    assert ended.value.code == 2
    assert "--hpa-target" in capsys.readouterr().err


def test_an_image_that_is_not_in_the_report_is_named(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--report", path, "apy"]) == 2
    assert "the report has no image apy (it has: api, killed)" in capsys.readouterr().err


def test_without_a_report_the_command_to_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--report", str(tmp_path / "none.json")]) in {2, 3}
    assert "membudget check" in capsys.readouterr().err
