"""`membudget fidelity production`, with a stand-in of Prometheus or a file of samples."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from membudget.cli.main import main
from membudget.core.quantities import MIB
from membudget.publish.report_file import write_report
from tests.support.builders import image, report, side
from tests.support.prometheus_api import Asked, prometheus_api, refusal, usual
from tests.unit.judge.test_production import sampled

COMMAND = ["fidelity", "production"]
FIGURES = {
    "peak_rss.max": str(100 * MIB),
    "peak_rss.p99": str(90 * MIB),
    "pods": "2",
    "containers": "2",
    "oom_kills": "0",
}
CSV = f"time,container,rss_bytes\n1,api,{100 * MIB}\n2,api,{90 * MIB}\n"
TOKEN = "glsa_0123456789abcdef"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a report, in which the command runs."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's
    monkeypatch.chdir(tmp_path)
    api = image("api", base=side(sampled(60, 0)), head=side(*(sampled(peak, 0) for peak in (61, 62, 63))))
    web = image("web", base=side(sampled(60, 0)), head=side(sampled(100, 0)))
    write_report(report(replace(api, scale=1.2), web), Path("report.json"))
    Path("samples.csv").write_text(CSV)
    return tmp_path


@pytest.fixture
def server() -> Iterator[Asked]:
    with prometheus_api(partial(usual, figures=FIGURES)) as asked:
        yield asked


def run(*arguments: str) -> int:
    return main([*COMMAND, "--report", "report.json", *arguments])


@pytest.mark.thorough
def test_each_image_is_compared(server: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--prometheus", server.url) == 0
    said = capsys.readouterr().out
    assert "reaches 62% (61% to 63%) of production's peak RSS, and 74% (73% to 76%) with" in said
    assert "CI's figure holds" in said
    assert {path for _, path, _ in server.requests} == {"/api/v1/query", "/api/v1/query_range"}
    assert all('{container="api",' in query or '{container="web",' in query for query in server.queries)


@pytest.mark.thorough
def test_the_budgets_file_says_where_an_image_is_and_its_scale(
    server: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("budgets.toml").write_text(
        'version = 1\n[images.api]\nlimit = "64MiB"\n'
        'production = { selector = \'{namespace="shop", container="server"}\', scale = 1.6 }\n'
    )
    assert run("--prometheus", server.url, "api", "--format", "json") == 0
    (one,) = json.loads(capsys.readouterr().out)["images"]
    assert (one["scale"], one["compared"][0]["reach"]) == (1.6, "holds")
    assert one["production"]["selector"] == '{namespace="shop",container="server",job!="membudget"}'
    assert all('{namespace="shop",container="server",' in query for query in server.queries)


@pytest.mark.thorough
def test_a_match_counts_before_the_budgets_file(server: Asked) -> None:
    Path("budgets.toml").write_text(
        'version = 1\n[images.api]\nlimit = "64MiB"\nproduction.selector = \'{container="other"}\'\n'
    )
    assert run("--prometheus", server.url, "api", "--match", 'api={pod=~"api-.*"}', "--days", "3") == 0
    assert all('{pod=~"api-.*",' in query for query in server.queries)
    assert any("[3d]" in query for query in server.queries)


@pytest.mark.thorough
def test_a_file_of_samples_does_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--samples", "samples.csv", "--format", "markdown") == 3, "it knows nothing of web"
    said = capsys.readouterr().out
    assert "| `api` | RSS | 62.0 MiB (3 trials) | 100.0 MiB |" in said
    assert "not compared: no sample of the file matched its selector" in said


@pytest.mark.thorough
def test_the_token_is_sent_and_never_told(server: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    Path("token").write_text(f"{TOKEN}\n")
    assert run("--prometheus", server.url, "--token-file", "token") == 0
    assert {login for _, _, login in server.requests} == {f"Bearer {TOKEN}"}
    with prometheus_api(lambda _: refusal(400, "bad_data", f"what is {TOKEN}?")) as other:
        assert run("--prometheus", other.url, "--token-file", "token") == 3
    captured = capsys.readouterr()
    assert "what is ***?" in captured.err
    assert TOKEN not in captured.out + captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--samples", "none.csv"], "none.csv: the samples cannot be read: No such file"),
        (["--samples", "."], "the samples cannot be read: Is a directory"),
        (["--samples", "samples.csv", "--token-file", "t"], "--token-file is for --prometheus"),
        (["--prometheus", "https://localhost", "--token-file", "none"], "none: the token cannot be read: No such file"),
        (["--prometheus", "localhost:9090"], "this is no address of a server"),
        (["--samples", "samples.csv", "db"], "there is no image db (there are: api, web)"),
        (["--samples", "samples.csv", "--match", "db={a='b'}"], "it names no image (there are: api, web)"),
        (["--samples", "samples.csv", "--match", "api"], "it names no image"),
        (["--samples", "samples.csv", "--match", "api=db"], "its selector cannot be read"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.thorough
def test_a_source_is_needed_and_only_one(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--samples", "a", "--prometheus", "b"]):
        with pytest.raises(SystemExit) as raised:
            run(*arguments)
        assert raised.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
