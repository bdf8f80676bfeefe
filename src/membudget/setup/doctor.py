"""The checks of `membudget doctor` as data: what each of them found, and what to do about it.

A check never stops the others. If it fails in a way that nobody foresaw, that is what it found.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from membudget.core.errors import DoctorCheck, ExitCode, MembudgetError
from membudget.core.untrusted_text import Part, Parts, Quoted


class CheckState(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """membudget works, with less than it could."""
    FAILED = "failed"
    """`check`, or what the check is about, will not work."""
    SKIPPED = "skipped"
    """There is nothing to look at, or it cannot be seen."""


class KnownTruth(StrEnum):
    """What the self-test knows beforehand."""

    HELD = "held"
    SPIKE = "spike"
    KILLS = "kills"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something known, and what was measured of it: bytes, or a number of OOM kills."""

    what: KnownTruth
    known: int
    measured: int | None
    """None if there is no figure."""
    kernel_peak: int | None = None
    """The kernel's own mark of the whole container, in bytes."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What one check found."""

    check: DoctorCheck
    state: CheckState
    seen: Parts
    """What was seen, or why nothing was."""
    fix: Parts = ()
    """What to do about it. Empty if there is nothing to do."""
    figures: tuple[Figure, ...] = ()
    blocked_by: DoctorCheck | None = None
    """The failed check without which this one cannot be made."""


class CannotLook(Exception):
    """There is nothing to look at, or it cannot be seen."""

    def __init__(self, *reason: Part, blocked_by: DoctorCheck | None = None) -> None:
        super().__init__()
        self.reason = reason if blocked_by is None else (*reason, f", see {blocked_by}")
        self.blocked_by = blocked_by


CheckLook = Callable[[], CheckFinding]
"""Makes one check. May raise anything."""


def ok(check: DoctorCheck, *seen: Part) -> CheckFinding:
    """Return the finding that all is well."""
    return CheckFinding(check, CheckState.OK, seen)


def warning(check: DoctorCheck, *seen: Part, fix: Part | Parts = ()) -> CheckFinding:
    """Return the finding that something could be better."""
    return CheckFinding(check, CheckState.WARNING, seen, fix if isinstance(fix, tuple) else (fix,))


def failed(check: DoctorCheck, *seen: Part, fix: Part | Parts = ()) -> CheckFinding:
    """Return the finding that something does not work."""
    return CheckFinding(check, CheckState.FAILED, seen, fix if isinstance(fix, tuple) else (fix,))


def refused(check: DoctorCheck, error: MembudgetError, state: CheckState = CheckState.FAILED) -> CheckFinding:
    """Return the finding that an error explains. Its texts may quote an engine, git or a file."""
    place = f"{error.where}: " if error.where else ""
    return CheckFinding(check, state, (Quoted(f"{place}{error.what}"),), (Quoted(error.fix),) if error.fix else ())


def examined(check: DoctorCheck, look: CheckLook) -> CheckFinding:
    """Make a check. Never raises, except for signals."""
    try:
        return look()
    except CannotLook as nothing:
        return CheckFinding(check, CheckState.SKIPPED, nothing.reason, blocked_by=nothing.blocked_by)
    except MembudgetError as error:
        return refused(check, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return failed(check, Quoted(f"{place}{error.strerror or type(error).__name__}"))
    except Exception as error:  # noqa: BLE001 - one check must not stop the others
        what = Quoted(f"{type(error).__name__}: {error}")
        return failed(check, "the check itself broke: ", what, fix="this is a bug in membudget: please report it")


def is_healthy(findings: Iterable[CheckFinding]) -> bool:
    """Return whether no check failed, and none could not be made because another one would fail."""
    return not any(finding.state is CheckState.FAILED or finding.blocked_by is not None for finding in findings)


def exit_code(findings: Iterable[CheckFinding]) -> ExitCode:
    """Return 0 if all is well, otherwise 3."""
    return ExitCode.WITHIN_BUDGET if is_healthy(findings) else ExitCode.UNMEASURED
