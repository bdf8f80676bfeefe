"""Whatever a command prints in a workflow, the runner obeys none of what others wrote."""

import json
from pathlib import Path

import pytest
from rich.text import Text

from membudget.cli.main import main
from membudget.publish.workflow import show, show_json, warn
from membudget.report.formats import terminal
from tests.support.workflow_log import HOSTILE, obeyed
from tests.unit.contents.archives import export, file, tar
from tests.unit.report.reports import said_by_others


@pytest.fixture(autouse=True)
def workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


@pytest.mark.thorough
@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_read_commands_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = said_by_others([text] * 5)
    show(Text(text))
    show(terminal.render(made.judged()))
    warn(f"no comment was posted: {text}")
    printed = capsys.readouterr()
    for log in (printed.out, printed.err):
        assert log.count("::stop-commands::") >= 1
        assert obeyed(log) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_programs_read_commands_nothing_and_is_what_it_was(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = {text: [text, "#" + text, "\\" + text]}
    show_json(json.dumps(document, indent=1, ensure_ascii=False))
    printed = capsys.readouterr().out
    assert obeyed(printed) == []
    assert json.loads(printed) == document


@pytest.mark.thorough
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_image_commands_nothing_by_its_file_names(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    name = "##[error]gotcha/\n::error::gotcha"
    base, head = (tmp_path / side for side in ("base.tar", "head.tar"))
    base.write_bytes(export([[tar([file("etc/os", b"d" * 300_000)])]]))
    head.write_bytes(export([[tar([file("etc/os", b"d" * 300_000), file(name, b"x" * 900_000)])]]))
    for command in (["inspect", str(head)], ["diff", str(base), str(head)]):
        assert main([*command, *options]) == 0
        printed = capsys.readouterr().out
        assert "gotcha" in printed
        assert obeyed(printed) == []
        if options:
            json.loads(printed)


def test_outside_of_a_workflow_nothing_stands_around_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    show(Text("::error::x"))
    warn("y\x1b[31m")
    assert capsys.readouterr() == ("::error::x\n", "membudget: y\n")
