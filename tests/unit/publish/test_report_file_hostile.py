"""A hundred hostile reports through the whole reporter, as one workflow run after the other would bring them."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from membudget.core.errors import ConfigurationError
from membudget.publish.report_file import parse_report
from tests.support.github_server import Github
from tests.support.hostile_reports import SENTINEL, hostile_reports
from tests.support.workflow_log import obeyed, outputs_of
from tests.unit.report.reports import everything, guarded

TOP = Path(__file__).parents[3]
SHOP, FORK = "octo/shop", "mallory/shop"
MOST_MIB = 150
OURS = {
    *(
        "h3",
        "p",
        "ul",
        "li",
        "br",
        "strong",
        "em",
        "code",
        "pre",
        "blockquote",
        "details",
        "summary",
        "a",
        "div",
        "sub",
    ),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Shown(HTMLParser):
    """What of a comment is not code: elements, links, text."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.diagrams = ""
        """The source of diagrams, which GitHub obeys: that is no mere code."""
        self._code = 0
        self._draws = False
        options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_GITHUB_PRE_LANG
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._draws = self._draws or ("lang", "mermaid") in attrs
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self._code += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre")
        self._draws = self._draws and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._code else data
        self.diagrams += data if self._draws else ""


def reports() -> Iterator[tuple[str, bytes]]:
    """Half of them of one report, half of another: between them they have nearly everything that a report can have."""
    made = [list(hostile_reports(of.model_dump_json().encode())) for of in (everything(), guarded())]
    for number, (first, second) in enumerate(zip(*made, strict=True)):
        name, make = (first, second)[number % 2]
        yield name, make()


def is_valid(data: bytes) -> bool:
    try:
        parse_report(data, "a report")
    except ConfigurationError:
        return False
    return True


@pytest.mark.thorough
def test_nothing_is_posted_for_what_is_no_report_and_nothing_is_alive_of_what_is_one(
    github: Github, tmp_path: Path
) -> None:
    hostile = list(reports())
    assert len(hostile) == 100
    events = []
    for number, (_, data) in enumerate(hostile, start=1):
        head = f"{number:040x}"
        github.add_pull_request(SHOP, number, head, fork=FORK, branch=f"more-{number}")
        github.add_artifact(SHOP, number, _zipped(data))
        events.append(_event(tmp_path, number, head))
    done = _process(github, tmp_path, events)
    assert done.returncode == 0, done.stderr[-3000:]
    codes = re.findall(r"^exit code (\d+)$", done.stdout, re.MULTILINE)
    posted = {number for number in range(1, 101) if github.comments(SHOP, number)}

    valid = {number for number, (_, data) in enumerate(hostile, start=1) if is_valid(data)}
    assert posted == valid
    assert codes == ["0" if number in valid else "2" for number in range(1, 101)]
    assert len(valid) >= 40, "a test of the rendering needs something to render"
    holes = [f"{hostile[number - 1][0]}: {hole}" for number in valid for hole in _holes(github, number)]
    assert holes == []
    assert [name for name, _ in obeyed(done.stdout + done.stderr) if name != "error"] == []
    assert {*outputs_of(tmp_path / "outputs")} <= {"verdict", "report", "inconclusive", *_verdicts()}
    assert _peak(done.stdout) < MOST_MIB


def test_the_judge_of_comments_sees_holes() -> None:
    for text in (
        f"# {SENTINEL}",
        f"<b>{SENTINEL}</b>",
        "see http://evil.example",
        "<img src=x>",
        "hi @octo",
        "#1",
        f"```mermaid\n{SENTINEL}\n```",
    ):
        assert list(_seen(text)), text
    assert list(_seen(f"### fine\n\n`{SENTINEL} <b> @octo #1 http://evil.example`\n")) == []


def _holes(github: Github, number: int) -> Iterator[str]:
    (comment,) = github.comments(SHOP, number)
    assert len(comment.body) <= 60_000
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\x00\x1b\U000e0000-\U000e007f]", comment.body)
    yield from _seen(comment.body)
    (found,) = (check for check in github.check_runs(SHOP) if check.head_sha == f"{number:040x}")
    yield from _seen(found.output["summary"])


def _seen(markdown: str) -> Iterator[str]:
    shown = Shown(markdown)
    yield from sorted(shown.elements - OURS)
    yield from sorted(shown.attributes - {"align", "href", "class", "style", "lang"})
    yield from (link for link in shown.links if not link.startswith("https://github.com/octo/shop/actions/runs/"))
    if SENTINEL in shown.text:
        yield shown.text[max(0, shown.text.index(SENTINEL) - 40) :][:100]
    if SENTINEL in shown.diagrams:
        yield "in a diagram"
    yield from re.findall(r"(?:^|\W)@\w+|(?:^|\W)#\d+|https?:", shown.text)


def _verdicts() -> set[str]:
    return {f"verdict-{image.name}" for report in (everything(), guarded()) for image in report.images}


def _peak(output: str) -> int:
    found = re.search(r"^peak (\d+) MiB$", output, re.MULTILINE)
    assert found is not None
    print(found[0])
    return int(found[1])


def _zipped(data: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as into:
        into.writestr("report.json", data)
    return made.getvalue()


def _event(folder: Path, number: int, head: str) -> str:
    run = {
        "id": number,
        "run_number": number,
        "run_attempt": 1,
        "event": "pull_request",
        "head_sha": head,
        "head_branch": f"more-{number}",
        "head_repository": {"full_name": FORK, "owner": {"login": "mallory"}},
    }
    path = folder / f"event-{number}.json"
    path.write_text(json.dumps({"workflow_run": run}))
    return str(path)


def _process(github: Github, folder: Path, events: list[str]) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TOP),
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "workflow_run",
        "GITHUB_REPOSITORY": SHOP,
        "GITHUB_API_URL": github.url,
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_OUTPUT": str(folder / "outputs"),
        "INPUT_COMMENT": "always",
        "INPUT_STATUS": "check",
        "INPUT_REPORT": str(folder / "report.json"),
        "TOKEN": github.add_workflow_token(),
        "HOME": str(folder),
    }
    command = [sys.executable, "-m", "tests.support.reporting_process", *events]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


pytestmark = pytest.mark.timeout(600)
