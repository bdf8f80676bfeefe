"""All ways in which membudget can end.

Every error has an exit code, and says what failed, where, and what to do.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

LONGEST_REASON = 200
_FIX = "\n  fix: "
"""Separates what failed from what to do about it, in messages and in stored reasons."""


def with_fix(what: str, fix: str | None) -> str:
    """Return what failed, and what to do about it on a line of its own. `fix` is None if there is nothing to say."""
    return f"{what}{_FIX}{fix}" if fix else what


def what_and_fix(reason: str) -> tuple[str, str | None]:
    """Return the two parts of a stored reason, as `with_fix` joined them."""
    what, fix, remedy = reason.rpartition(_FIX)
    return (what, remedy) if fix else (reason, None)


def brief(reason: str) -> str:
    """Return a reason, shortened for storage: its first two lines, or one line and the fix.

    Each line is cut to 200 characters. Messages from containers, servers and files can have any length, and a report
    repeats a reason for each metric.
    """
    if len(reason) <= LONGEST_REASON and reason.isprintable():  # one short line, as nearly all are
        return reason
    what, fix = what_and_fix(reason)
    lines = (what or fix or "")[: 20 * LONGEST_REASON].splitlines()[: 2 if fix is None else 1]
    lines += [f"{_FIX.lstrip(chr(10))}{fix}"] if fix is not None else []
    return "\n".join(line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…" for line in lines)


class ExitCode(IntEnum):
    """The exit codes of the process. They are documented in the README, and scripts rely on them."""

    WITHIN_BUDGET = 0
    OVER_BUDGET = 1
    CONFIGURATION = 2
    UNMEASURED = 3
    """The environment failed, or the result is inconclusive. Never treat this as a pass."""
    BUG = 70
    INTERRUPTED = 130


class DoctorCheck(StrEnum):
    """The checks of `membudget doctor`, in order. The values are their names for `--only`."""

    ENGINE = "engine"
    BUILDX = "buildx"
    COMPOSE = "compose"
    CLOCK = "clock"
    DISK = "disk"
    CGROUPS = "cgroups"
    HELPER_IMAGE = "helper-image"
    PROBE = "probe"
    MEMORY = "memory"
    SWAP = "swap"
    PRESSURE = "pressure"
    SELF_TEST = "self-test"
    GIT = "git"
    BASE = "base"
    SUBMODULES = "submodules"
    LFS = "lfs"
    WORKFLOWS = "workflows"
    TRIGGERS = "triggers"
    FETCH_DEPTH = "fetch-depth"
    PERMISSIONS = "permissions"
    PINS = "pins"
    FORKS = "forks"
    TOKEN = "token"  # noqa: S105 - a name


class MembudgetError(Exception):
    """An expected failure. The user sees `str()` of it, without a traceback."""

    exit_code = ExitCode.BUG
    usual_check: DoctorCheck | None = None
    """The check of `membudget doctor` that explains failures of this class."""

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, check: DoctorCheck | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.check = check or self.usual_check
        """The check of `membudget doctor` that explains this failure. None if no check looks at its cause."""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        doctor = f"membudget doctor --only {self.check}" if self.check is not None else None
        parts = [part for part in (self.fix, doctor and (f"({doctor})" if self.fix else doctor)) if part]
        return with_fix(f"{place}{self.what}", " ".join(parts))


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file that the user wrote."""

    file: str
    """The name of the file, as the user gave it."""
    key: str
    """The path of the key in the file: "images.api.limit". Empty if the problem is about the whole file."""
    what: str
    found: str | None = None
    allowed: str | None = None
    guess: str | None = None
    """What the user probably meant."""
    line: int | None = None
    """Line and column count from 1. None if the place is not known."""
    column: int | None = None

    def __str__(self) -> str:
        allowed = f"\n    allowed: {self.allowed}" if self.allowed else ""
        return f"{self.where}: {self.message}{allowed}"

    @property
    def where(self) -> str:
        """The place and the key: "budgets.toml:3:9: images.api.limit"."""
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.key}" if self.key else place

    @property
    def message(self) -> str:
        """What is wrong, what was found, and what was probably meant."""
        found = f" (found: {shortened(self.found)})" if self.found is not None else ""
        guess = f"; did you mean {self.guess}?" if self.guess is not None else ""
        return f"{self.what}{found}{guess}"


def shortened(text: str, length: int = 80) -> str:
    """Return `text` on one line, cut to `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


class ConfigurationError(MembudgetError):
    """The user's input is invalid: the budgets file, the arguments, or the workflow."""

    exit_code = ExitCode.CONFIGURATION


class BudgetsFileError(ConfigurationError):
    """All problems of one budgets file."""

    def __init__(self, problems: list[Problem]) -> None:
        count = f"{len(problems)} problems" if len(problems) != 1 else "1 problem"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{count} in the budgets file\n{lines}")
        self.problems = problems


class EnvironmentFault(MembudgetError):
    """The environment is incomplete or broke: the engine, cgroups, the disk, or the network."""

    exit_code = ExitCode.UNMEASURED


class EngineLost(EnvironmentFault):
    """The engine answered before, but no longer does."""

    usual_check = DoctorCheck.ENGINE


class BuildFailed(MembudgetError):
    """The build of an image failed. That image gets no verdict; other images are not affected."""

    exit_code = ExitCode.UNMEASURED

    def __init__(self, what: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.log_tail = log_tail


class Interrupted(KeyboardInterrupt):
    """SIGTERM or SIGINT arrived. This is not an `Exception`, so that no handler swallows it before clean-up."""

    exit_code = ExitCode.INTERRUPTED


class UnreadableImage(EnvironmentFault):
    """The archive, a manifest or a layer of an image is invalid. The message says why."""


class ProgramFailed(Exception):
    """A program gave no answer. The message says why: its last line about an error, or which bound it exceeded."""

    def __init__(self, reason: str, *, lacked_memory: bool = False) -> None:
        super().__init__(reason)
        self.lacked_memory = lacked_memory
        """Whether the program said that it ran out of memory."""
