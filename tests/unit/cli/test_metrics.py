from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.cli.main import main
from membudget.core.errors import ExitCode
from membudget.core.sharding import Shard
from membudget.publish.report_file import write_report
from tests.support.builders import image, report, side, trial
from tests.unit.web.test_push import TOKEN, Receiver


@pytest.fixture(autouse=True)
def outside_of_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "report.json"
    write_report(report(image("api", base=side(trial(30)), head=side(trial(40)))), file)
    return str(file)


@pytest.fixture
def token(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return str(file)


@pytest.mark.thorough
def test_a_pushgateway_gets_prometheus_own_text(
    receiver: Receiver, path: str, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--pushgateway", receiver.url, "--token-file", token]
    assert main(["metrics", "push", path, *where, "--label", "team=shop"]) == 0
    ((method, asked, content, login),) = receiver.seen
    assert (method, asked, login) == ("PUT", "/metrics/job/membudget/team/shop", f"Bearer {TOKEN}")
    assert b'\nmembudget_peak_rss_bytes{image="api",side="head"} 41943040\n' in content
    assert b"# EOF" not in content
    printed = capsys.readouterr()
    count = sum(not line.startswith(b"#") for line in content.splitlines())
    assert printed.out == f"{count} figures were pushed to {receiver.url}\n"
    assert "https" not in printed.err


@pytest.mark.thorough
def test_remote_write_goes_to_exactly_the_given_address(receiver: Receiver, path: str) -> None:
    assert main(["metrics", "push", path, "--remote-write", f"{receiver.url}/api/v1/write"]) == 0
    ((method, asked, content, _),) = receiver.seen
    assert (method, asked) == ("POST", "/api/v1/write")
    assert b"membudget_peak_rss_bytes" in content


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("value", "in_path"),
    [("shop", "shop"), ("shop/api", None), ("..", None), ("ü", None), ("a b", None), ("a_b-c.d", "a_b-c.d")],
)
def test_labels_are_in_the_path_as_the_pushgateway_wants_it(
    receiver: Receiver, path: str, value: str, in_path: str | None
) -> None:
    assert main(["metrics", "push", path, "--pushgateway", receiver.url, "--label", f"team={value}"]) == 0
    asked = receiver.seen[0][1]
    assert asked.startswith("/metrics/job/membudget/team/" if in_path else "/metrics/job/membudget/team@base64/")
    assert in_path is None or asked.endswith(f"/{in_path}")


@pytest.mark.thorough
def test_a_repository_of_a_job_has_its_own_group(
    receiver: Receiver, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "shop/api")
    assert main(["metrics", "push", path, "--pushgateway", receiver.url]) == 0
    assert main(["metrics", "push", path, "--pushgateway", receiver.url, "--label", "repository=mine"]) == 0
    assert [asked for _, asked, _, _ in receiver.seen] == [
        "/metrics/job/membudget/repository@base64/c2hvcC9hcGk=", "/metrics/job/membudget/repository/mine",
    ]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("team", "is not NAME=VALUE"),
        ("1team=shop", "is not NAME=VALUE"),
        ("__name__=cats", "is not NAME=VALUE"),
        ("team=", "the value of team is empty"),
        ("team=a\nb", "not printable"),
        (f"team={'x' * 300}", "longer than 200 characters"),
        ("image=shop", "the figures have a label image already"),
        ("job=shop", "the figures have a label job already"),
    ],
)
def test_an_impossible_label_is_refused(
    receiver: Receiver, path: str, capsys: pytest.CaptureFixture[str], label: str, says: str
) -> None:
    where = ["--pushgateway", receiver.url, "--label", label]
    assert main(["metrics", "push", path, *where]) == ExitCode.CONFIGURATION
    assert says in capsys.readouterr().err
    assert receiver.seen == []


@pytest.mark.parametrize("option", ["--pushgateway", "--remote-write"])
def test_a_token_that_others_could_read_is_not_sent(
    path: str, token: str, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert (
        main(["metrics", "push", path, option, "http://push.example", "--token-file", token]) == ExitCode.CONFIGURATION
    )
    assert f"{option}: a login over http can be read on its way" in capsys.readouterr().err


def test_a_token_file_that_is_not_there_is_named(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--pushgateway", "http://localhost:1", "--token-file", "none"]
    assert main(["metrics", "push", path, *where]) == ExitCode.CONFIGURATION
    assert "none: the token cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_part_of_a_check_is_refused(
    receiver: Receiver, path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = report(image("api", head=side(trial(40))))
    part = tmp_path / "part.json"
    write_report(made.model_copy(update={"shard": Shard(1, 2)}), part)
    assert main(["metrics", "push", str(part), "--pushgateway", receiver.url]) == ExitCode.CONFIGURATION
    assert receiver.seen == []


def test_a_destination_is_needed(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["metrics", "push", path])
    assert "--pushgateway --remote-write is required" in capsys.readouterr().err
