"""The last runs of a pull request, which the comment keeps as a hidden record and shows as a folded table.

There is no other memory than the comment. Anybody may have written its record. So it must have an exact form with few
entries, and its texts are quoted.
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
"""Base64 contains no dashes, which would end an HTML comment, and nothing that GitHub renders."""
_Number = Annotated[int, Field(ge=0, le=10**18)]


class PastRun(ReportModel):
    """A run of the check on this pull request, with its result."""

    head: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    """The beginning of the commit's ID."""
    verdict: Verdict
    result: Annotated[str, Field(max_length=LONGEST_RESULT)]
    """The verdict on one line. It contains names from strangers."""
    id: _Number
    number: _Number
    attempt: _Number


_COLUMNS = (("head", ":--"), ("verdict", ":--"), ("result", ":--"), ("run", "--:"))
_RUNS = TypeAdapter(Annotated[tuple[PastRun, ...], Field(max_length=MOST_RUNS)])


def carried_on(earlier: Sequence[PastRun], now: PastRun) -> tuple[PastRun, ...]:
    """Return the runs to keep, newest first. `now` is included once, even if it was there before."""
    others = [one for one in earlier if (one.id, one.attempt) != (now.id, now.attempt)]
    return (now, *others)[:MOST_RUNS]


def encode(runs: Sequence[PastRun]) -> str:
    """Return the record as a hidden line."""
    return f"<!-- membudget-runs:{base64.b64encode(_RUNS.dump_json(tuple(runs))).decode()} -->"


def decode(line: str) -> tuple[PastRun, ...]:
    """Return the runs of a record. Empty if the line is not exactly a record."""
    found = _RECORD.fullmatch(line) if len(line) <= _LONGEST_RECORD else None
    if found is None:
        return ()
    with suppress(ValueError, ValidationError):  # ValueError: not base64
        return _RUNS.validate_json(base64.b64decode(found[1], validate=True), strict=True)
    return ()


def render(runs: Sequence[PastRun], link: Callable[[PastRun], str]) -> str:
    """Return the folded table, newest first. Empty if there is only one run.

    `link` returns the address of a run.
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
