"""The checks of `membudget doctor` as data: what each of them found, and what to do about it.

A check never stops the others. If it fails in a way that nobody foresaw, that is what it found.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from membudget.core.errors import DoctorCheck, ExitCode, MembudgetError
from membudget.core.untrusted_text import Part, Parts, Quoted


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """membudget works, with less than it could."""
    FAILED = "failed"
    """`check`, or what the check is about, will not work."""
    SKIPPED = "skipped"
    """There is nothing to look at, or it cannot be seen."""


class Known(StrEnum):
    """What the self-test knows beforehand."""

    HELD = "held"
    SPIKE = "spike"
    KILLS = "kills"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something known, and what was measured of it: bytes, or a number of OOM kills."""

    what: Known
    known: int
    measured: int | None
    """None if there is no figure."""
    kernel_peak: int | None = None
    """The kernel's own mark of the whole container, in bytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: DoctorCheck
    state: State
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


Look = Callable[[], Finding]
"""Makes one check. May raise anything."""


def ok(check: DoctorCheck, *seen: Part) -> Finding:
    """Return the finding that all is well."""
    return Finding(check, State.OK, seen)


def warning(check: DoctorCheck, *seen: Part, fix: Part | Parts = ()) -> Finding:
    """Return the finding that something could be better."""
    return Finding(check, State.WARNING, seen, fix if isinstance(fix, tuple) else (fix,))


def failed(check: DoctorCheck, *seen: Part, fix: Part | Parts = ()) -> Finding:
    """Return the finding that something does not work."""
    return Finding(check, State.FAILED, seen, fix if isinstance(fix, tuple) else (fix,))


def refused(check: DoctorCheck, error: MembudgetError, state: State = State.FAILED) -> Finding:
    """Return the finding that an error explains. Its texts may quote an engine, git or a file."""
    place = f"{error.where}: " if error.where else ""
    return Finding(check, state, (Quoted(f"{place}{error.what}"),), (Quoted(error.fix),) if error.fix else ())


def examined(check: DoctorCheck, look: Look) -> Finding:
    """Make a check. Never raises, except for signals."""
    try:
        return look()
    except CannotLook as nothing:
        return Finding(check, State.SKIPPED, nothing.reason, blocked_by=nothing.blocked_by)
    except MembudgetError as error:
        return refused(check, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return failed(check, Quoted(f"{place}{error.strerror or type(error).__name__}"))
    except Exception as error:  # noqa: BLE001 - one check must not stop the others
        what = Quoted(f"{type(error).__name__}: {error}")
        return failed(check, "the check itself broke: ", what, fix="this is a bug in membudget: please report it")


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Return whether no check failed, and none could not be made because another one would fail."""
    return not any(finding.state is State.FAILED or finding.blocked_by is not None for finding in findings)


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """Return 0 if all is well, otherwise 3."""
    return ExitCode.WITHIN_BUDGET if is_healthy(findings) else ExitCode.UNMEASURED
