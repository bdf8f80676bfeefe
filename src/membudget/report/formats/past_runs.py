"""The last runs of a pull request, as the comment carries them on: a hidden record, and a folded table.

The comment is the only memory there is. Its record is read as what anybody may have written: by an exact form, a
few entries of known kinds, and whatever it says is quoted.
"""

import base64
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from membudget.core.untrusted_text import code_cell
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding
from membudget.report.formats.markdown import folded
from membudget.report.formats.tables import markdown_table
from membudget.report.report import ReportModel
from membudget.report.verdicts import verdict_mark

MOST_RUNS = 5
HEAD_CHARACTERS = 12
LONGEST_RESULT = 160
_LONGEST_RECORD = 6000
_RECORD = re.compile(r"<!-- membudget-runs:([A-Za-z0-9+/]*={0,2}) -->", re.ASCII)
"""Base64 has neither the dashes that would end an HTML comment nor anything that GitHub renders."""
_Number = Annotated[int, Field(ge=0, le=10**18)]


class PastRun(ReportModel):
    """A run of the check on this pull request, and what came of it."""

    head: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    """The start of the commit's id."""
    verdict: Verdict
    result: Annotated[str, Field(max_length=LONGEST_RESULT)]
    """The verdict in one line. It has names in it that are not ours."""
    id: _Number
    number: _Number
    attempt: _Number


_COLUMNS = (("head", ":--"), ("verdict", ":--"), ("result", ":--"), ("run", "--:"))
_RUNS = TypeAdapter(Annotated[tuple[PastRun, ...], Field(max_length=MOST_RUNS)])


def carried_on(earlier: Sequence[PastRun], now: PastRun) -> tuple[PastRun, ...]:
    """The runs to keep, the newest first: `now` once, however often it is told."""
    others = [one for one in earlier if (one.id, one.attempt) != (now.id, now.attempt)]
    return (now, *others)[:MOST_RUNS]


def encode(runs: Sequence[PastRun]) -> str:
    """The record, a hidden line."""
    return f"<!-- membudget-runs:{base64.b64encode(_RUNS.dump_json(tuple(runs))).decode()} -->"


def decode(line: str) -> tuple[PastRun, ...]:
    """The runs of a record; none of anything that is not exactly one."""
    found = _RECORD.fullmatch(line) if len(line) <= _LONGEST_RECORD else None
    if found is None:
        return ()
    with suppress(ValueError, ValidationError):  # ValueError: not base64
        return _RUNS.validate_json(base64.b64decode(found[1], validate=True), strict=True)
    return ()


def render(runs: Sequence[PastRun], link: Callable[[PastRun], str]) -> str:
    """The folded table, the newest first; empty where there is no other run than this one.

    `link` makes the address of a run.
    """
    if len(runs) < 2:
        return ""
    rows = [
        (
            f"`{one.head}`",
            str(verdict_mark(one.verdict)).replace(" ", "\N{NO-BREAK SPACE}"),
            code_cell(one.result, LONGEST_RESULT),
            f"[{one.number}{f', attempt {one.attempt}' if one.attempt > 1 else ''}]({link(one)})",
        )
        for one in runs
    ]
    title = Finding((f"The last {len(runs)} runs of this pull request",))
    return folded(title, "\n".join(markdown_table(_COLUMNS, rows)))
