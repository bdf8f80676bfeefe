"""What `membudget doctor` prints: one line a check, or JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from membudget.core.closed_model import ClosedModel
from membudget.core.errors import DoctorCheck
from membudget.core.untrusted_text import Parts, in_plain_text, printable, raw
from membudget.setup.doctor import CheckFinding, CheckState, KnownTruth, is_healthy

if TYPE_CHECKING:
    from rich.console import RenderableType

SIGNS = {CheckState.OK: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.SKIPPED: "-"}
_STYLES = {CheckState.OK: "green", CheckState.WARNING: "yellow", CheckState.FAILED: "red", CheckState.SKIPPED: "dim"}
_NAME_WIDTH = max(len(check) for check in DoctorCheck)
_STATE_WIDTH = max(len(state) for state in CheckState)


def line(finding: CheckFinding) -> str:
    """Return one line for a check, whatever its length."""
    fix = f" (fix: {_text(finding.fix)})" if finding.fix else ""
    head = f"{SIGNS[finding.state]} {finding.check:<{_NAME_WIDTH}}  {finding.state:<{_STATE_WIDTH}}"
    return f"{head}  {_text(finding.seen)}{fix}"


def renderable(finding: CheckFinding) -> "RenderableType":
    """Return the same for a terminal: in colour, and wrapped beside the check's name."""
    from rich.table import Table  # JSON needs no rich
    from rich.text import Text

    style = _STYLES[finding.state]
    said = Text(_text(finding.seen), style="dim" if finding.state is CheckState.SKIPPED else "")
    if finding.fix:
        said.append(f"\nfix: {_text(finding.fix)}", style="bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(width=_NAME_WIDTH)
    table.add_column(width=_STATE_WIDTH)
    table.add_column(overflow="fold")
    sign, state = Text(SIGNS[finding.state], style=style), Text(finding.state, style=style)
    table.add_row(sign, Text(finding.check), state, said)
    return table


def summary(findings: Sequence[CheckFinding], version: str) -> str:
    """Return the last line: which membudget this is, and how many checks had which result."""
    counts = {state: sum(finding.state is state for finding in findings) for state in CheckState}
    blocked = sum(finding.blocked_by is not None for finding in findings)
    parts = (
        (counts[CheckState.FAILED], "check failed", "checks failed"),
        (counts[CheckState.WARNING], "warning", "warnings"),
        (counts[CheckState.OK], "ok", "ok"),
        (blocked, "blocked by a failure", "blocked by a failure"),
        (counts[CheckState.SKIPPED] - blocked, "skipped", "skipped"),
    )
    told = [f"{count} {one if count == 1 else several}" for count, one, several in parts if count]
    return f"membudget {version}: {', '.join(told)}"


def _text(parts: Parts) -> str:
    return "".join(map(in_plain_text, parts))


class FigureModel(ClosedModel):
    """Something known, and what was measured of it."""

    what: KnownTruth
    known: int
    """Bytes, or a number of OOM kills."""
    measured: int | None
    kernel_peak_bytes: int | None


class CheckModel(ClosedModel):
    """What one check found."""

    check: DoctorCheck
    state: CheckState
    seen: str
    fix: str | None
    figures: tuple[FigureModel, ...]


class DoctorModel(ClosedModel):
    """The output of `membudget doctor --json`."""

    version: str
    healthy: bool
    """Whether no check failed, and none could not be made because another one would fail."""
    checks: tuple[CheckModel, ...]


_LONGEST = 2000


def document(findings: Sequence[CheckFinding], version: str) -> str:
    """Return the findings as JSON."""
    checks = tuple(
        CheckModel(
            check=finding.check,
            state=finding.state,
            seen=printable(raw(finding.seen), _LONGEST),
            fix=printable(raw(finding.fix), _LONGEST) or None,
            figures=tuple(
                FigureModel(what=one.what, known=one.known, measured=one.measured, kernel_peak_bytes=one.kernel_peak)
                for one in finding.figures
            ),
        )
        for finding in findings
    )
    return DoctorModel(version=version, healthy=is_healthy(findings), checks=checks).model_dump_json(indent=1)
