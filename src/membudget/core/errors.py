"""Every way membudget can end: one class per exit code, each saying what failed, where, and what to do."""

from dataclasses import dataclass
from enum import IntEnum

LONGEST_REASON = 200


def brief(reason: str) -> str:
    """An error or a reason as it is kept: its first two lines, or one and the fix, each cut to 200 characters.

    What containers, servers and files say may be of any length; a reason stands in a report once for each metric.
    """
    text, fix, remedy = reason.rpartition("\n  fix: ")
    lines = (text or remedy)[: 20 * LONGEST_REASON].splitlines()[: 1 if fix else 2]
    lines += [f"  fix: {remedy}"] if fix else []
    return "\n".join(line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…" for line in lines)


class ExitCode(IntEnum):
    """What the process tells its caller. Documented in the README; scripts rely on it."""

    WITHIN_BUDGET = 0
    OVER_BUDGET = 1
    CONFIGURATION = 2
    UNMEASURED = 3
    """The environment failed us, or the answer is inconclusive: never to be read as a pass."""
    BUG = 70
    INTERRUPTED = 130


class MembudgetError(Exception):
    """An expected failure. `str()` is what the user reads; there is no traceback."""

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file the user wrote."""

    where: str
    """The file, and the key path inside it."""
    what: str
    found: str | None = None
    allowed: str | None = None

    def __str__(self) -> str:
        found = f" (found: {shortened(self.found)})" if self.found is not None else ""
        allowed = f"\n    allowed: {self.allowed}" if self.allowed else ""
        return f"{self.where}: {self.what}{found}{allowed}"


def shortened(text: str, length: int = 80) -> str:
    """`text` on one line, cut to `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


class ConfigurationError(MembudgetError):
    """The user's input cannot be used: budgets file, arguments, workflow."""

    exit_code = ExitCode.CONFIGURATION


class BudgetsFileError(ConfigurationError):
    """Everything that is wrong with one budgets file, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        count = f"{len(problems)} problems" if len(problems) != 1 else "1 problem"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{count} in the budgets file\n{lines}")
        self.problems = problems


class EnvironmentFault(MembudgetError):
    """What membudget needs around it is missing or broke: engine, cgroups, disk, network."""

    exit_code = ExitCode.UNMEASURED


class EngineLost(EnvironmentFault):
    """The engine answered before and does not any more."""


class BuildFailed(MembudgetError):
    """An image could not be built. Costs that image its verdict, and no other image anything."""

    exit_code = ExitCode.UNMEASURED

    def __init__(self, what: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.log_tail = log_tail


class Interrupted(KeyboardInterrupt):
    """SIGTERM or SIGINT arrived. Not an `Exception`, so that nothing swallows it on the way to clean-up."""

    exit_code = ExitCode.INTERRUPTED


class UnreadableImage(EnvironmentFault):
    """An image whose archive, manifest or layer is not what it has to be; the message says in which way."""
