"""`membudget doctor` where no engine answers: everything else is told all the same."""

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from membudget.cli import main
from membudget.core.errors import DoctorCheck, EnvironmentFault, ExitCode
from membudget.version import VERSION
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough

WORKFLOW = """\
on: {pull_request: {types: [opened, synchronize, labeled]}}
jobs:
  memory:
    permissions: {contents: read, pull-requests: write}
    steps:
      - uses: actions/checkout@v6
      - uses: membudget/membudget@v0.1.0
"""
OF_THE_ENGINE = ("clock", "cgroups", "helper-image", "probe", "memory", "swap", "pressure", "self-test")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A repository with a workflow and without an engine."""
    for name in ("GITHUB_ACTIONS", "GITHUB_TOKEN", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr("membudget.cli.doctor_tools.connect", no_engine)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's
    repository = Repository.new(tmp_path / "shop")
    repository.commit("Begin", {".github/workflows/memory.yml": WORKFLOW})
    repository.commit("More", {"more": "1"})
    monkeypatch.chdir(repository.folder)


def no_engine() -> NoReturn:
    raise EnvironmentFault("no container engine answers at unix:///nowhere", fix="start it", check=DoctorCheck.ENGINE)


def checks(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_a_dead_engine_is_told_with_all_that_does_not_need_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--json"]) == ExitCode.UNMEASURED

    found = checks(capsys)
    assert list(found) == [check.value for check in DoctorCheck]
    assert found["engine"]["state"] == "failed"
    assert found["engine"]["seen"] == "no container engine answers at unix:///nowhere"
    assert found["engine"]["fix"] == "start it"
    for name in OF_THE_ENGINE:
        assert (found[name]["state"], found[name]["seen"]) == ("skipped", "no engine can be used, see engine")
    assert found["disk"]["seen"].startswith("temporary files (")
    assert found["git"]["state"] == found["base"]["state"] == "ok"
    assert found["fetch-depth"]["state"] == "failed"
    assert found["pins"]["state"] == "ok"


def test_one_line_a_check_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--only", "base", "--only", "git"]) == ExitCode.WITHIN_BUDGET

    git, base, empty, count = capsys.readouterr().out.splitlines()
    assert git.startswith("✓ git           ok       git ")
    assert base.startswith("✓ base          ok       the merge base is ")
    assert (empty, count) == ("", f"membudget {VERSION}: 2 ok")


def test_outside_of_a_repository_the_rest_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main.main(["doctor", "--json", "--only", "git", "--only", "base", "--only", "disk", "--only", "pins"]) == 3

    found = checks(capsys)
    assert found["git"]["state"] == "failed"
    assert (found["base"]["state"], found["base"]["seen"]) == ("skipped", "there is no repository, see git")
    assert found["pins"]["state"] == "skipped"
    assert found["disk"]["state"] == "ok"


def test_a_check_that_needs_another_one_fails_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for the self-test alone must not read an engine that is dead as one that measures well."""
    assert main.main(["doctor", "--json", "--only", "self-test"]) == ExitCode.UNMEASURED

    output = json.loads(capsys.readouterr().out)
    assert output["healthy"] is False
    assert [check["state"] for check in output["checks"]] == ["skipped"]


def test_the_base_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--json", "--only", "base", "--base", "nowhere"]) == ExitCode.UNMEASURED

    assert "nowhere, which is not a commit" in checks(capsys)["base"]["seen"]


def test_an_unknown_check_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["doctor", "--only", "health"])

    assert ended.value.code == ExitCode.CONFIGURATION
    assert "self-test" in capsys.readouterr().err


def test_the_token_leaves_the_environment_and_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_geheimnis")
    monkeypatch.setenv("GITHUB_API_URL", "http://localhost:1")
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)

    assert main.main(["doctor", "--json", "--only", "token"]) == ExitCode.UNMEASURED

    output = capsys.readouterr()
    assert "GITHUB_REPOSITORY" in output.out
    assert "geheimnis" not in output.out + output.err
