"""A proven step in words: which commit, how much, why, and how sure that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membudget.build.revision import MainCommit
from membudget.core.definition import Better
from membudget.core.metric_words import format_value
from membudget.core.quantities import format_percent
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.history.step_line import StepLine, StepOutcome
from membudget.report.details import compared
from membudget.report.explanations import explanations
from membudget.report.findings import Finding
from membudget.report.steps_report import ProvenStep, SkippedRevision
from membudget.report.trial_counts import trials_in_words

_DIGITS = 12
_CHANGED = {Better.LESS: "grew", Better.MORE: "fell"}
_GROWTH = {Better.LESS: "growth", Better.MORE: "drop"}
_MOST_SKIPPED = 5
_MOST_OF_IT = 0.6
"""If a commit did a smaller part of what the history shows, other commits did the rest."""


@dataclass(frozen=True, slots=True)
class Link:
    """A commit that a format may link."""

    commit: MainCommit
    url: str | None = None

    @property
    def short(self) -> str:
        """The beginning of its ID."""
        return self.commit.sha[:_DIGITS]


StepPart = Part | Link
StepParts = tuple[StepPart, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about a step, and what it lists."""

    said: StepParts
    below: tuple[StepParts, ...] = ()


@dataclass(frozen=True, slots=True)
class ToldStep:
    """A proven step, with what this clone says about its commits."""

    proof: ProvenStep
    since: Link
    """The last commit before the step."""
    until: Link
    """The first commit with it."""
    suspected: int
    """The growth that the history shows, or the drop, in the metric's unit. Others may have written it."""
    between: Sequence[MainCommit] = ()
    """The commits between the two. Empty if the second alone did it."""
    skipped: Sequence[SkippedRevision] = ()
    """Those of them that could not be measured."""


def step_title(steps: Sequence[ToldStep]) -> str:
    """Return a title without text from outside: "api: peak RSS grew by 8.0 MiB with commit 1a2b3c4d5e6f".

    `steps` are of one image at one commit, each of another metric.
    """
    told = steps[0]
    where = (
        f"with commit {told.until.short}" if not told.between else f"between {told.since.short} and {told.until.short}"
    )
    others = ", ".join(_label(other) for other in steps[1:])
    also = f" (also {others})" if others else ""
    return f"{told.proof.image.name}: {_label(told)} {_changed(told)} by {_amount(told)}{also} {where}"


def step_sentence(told: ToldStep) -> StepParts:
    """Return which commit changed what, from which value to which."""
    row = told.proof.row
    before = row.base.value if row.base is not None and row.base.value is not None else 0
    change = f"{_label(told)} of "
    values = (
        f" {_changed(told)} from {format_value(row.metric, before)} to {format_value(row.metric, row.head.value or 0)}"
    )
    values += f" ({_percent(before, row.delta or 0)})"
    image = Quoted(told.proof.image.name)
    if not told.between:
        return (
            "With commit ",
            told.until,
            " ",
            Quoted(told.until.commit.subject),
            f", the {change}",
            image,
            f"{values}.",
        )
    since, until = (
        (told.since, " ", Quoted(told.since.commit.subject)),
        (told.until, " ", Quoted(told.until.commit.subject)),
    )
    return ("Between commit ", *since, " and commit ", *until, f", the {change}", image, f"{values}.")


def step_remarks(told: ToldStep) -> Iterator[Remark]:
    """Yield how sure that is, the cause, what was measured, and what to do."""
    yield Remark((_certainty(told),))
    for finding in explanations(told.proof.image, told.proof.judged):
        yield Remark(("Cause: ", *finding.parts))
    if told.between:
        yield _range_words(told)
    elif abs(told.proof.row.delta or 0) < _MOST_OF_IT * told.suspected:
        whole = format_value(told.proof.row.metric, told.suspected)
        yield Remark((f"The history shows {whole} in all near this commit. Other commits may have done the rest.",))
    yield Remark(_measured(told))
    yield Remark(("If the growth is intended, there is nothing to do. membudget tells each step once.",))


def step_details(told: ToldStep) -> Iterator[Finding]:
    """Yield what was compared, with the machine and its settings."""
    return compared(told.proof.result.report)


def _label(told: ToldStep) -> str:
    return told.proof.row.metric.definition.label


def _changed(told: ToldStep) -> str:
    return _CHANGED[told.proof.row.metric.definition.better]


def _amount(told: ToldStep) -> str:
    return format_value(told.proof.row.metric, abs(told.proof.row.delta or 0))


def _percent(before: int, delta: int) -> str:
    return format_percent(100 * delta / before, signed=True) if before else "from zero"


def _certainty(told: ToldStep) -> str:
    row, interval = told.proof.row, told.proof.interval
    growth = _GROWTH[row.metric.definition.better]
    if interval is None:
        exact = " The value is exact." if row.head.interval is None else ""
        return f"The {growth} is {_amount(told)}.{exact}"
    low, high = (format_value(row.metric, abs(round(end))) for end in (interval.low, interval.high))
    between = f"between {low} and {high}" if low != high else low
    return f"With 99 % confidence, the {growth} is {between}."


def _range_words(told: ToldStep) -> Remark:
    unmeasured = {one.sha for one in told.skipped}
    if not all(commit.sha in unmeasured for commit in told.between):
        return Remark((f"No single commit did it: the growth is spread over {len(told.between) + 1} commits.",))
    subjects = {commit.sha: commit.subject for commit in told.between}
    named: list[StepParts] = [
        (f"{one.sha[:_DIGITS]} ", Quoted(subjects[one.sha]), *((": ", Quoted(one.reason)) if one.reason else ()))
        for one in told.skipped[:_MOST_SKIPPED]
    ]
    more = len(told.skipped) - _MOST_SKIPPED
    if more > 0:
        named.append((f"and {more} more",))
    words = "The commits between the two do not build or do not run, so one of them may have done it as well:"
    return Remark((words,), tuple(named))


def _measured(told: ToldStep) -> StepParts:
    earlier = "its parent " if not told.between else ""
    environment = told.proof.result.report.environment
    return (
        "membudget built ", told.until, f" and {earlier}", told.since,
        " with today's budgets file, and ran both in turn on one machine: ",
        trials_in_words(told.proof.image), "; workload: ", Quoted(told.proof.image.workload), "; ",
        Quoted(environment.platform), f", {environment.cpus} CPUs.",
    )  # fmt: skip


OUTCOMES = {
    StepOutcome.CONFIRMED: "confirmed",
    StepOutcome.NOT_CONFIRMED: "not confirmed: noise",
    StepOutcome.NOT_MEASURED: "could not be measured",
    StepOutcome.NARROWED: "not finished: the next run continues",
}


def state_words(machine: str | None, line: StepLine | None) -> str:
    """Return what the history says about a suspected step. Others may have written that.

    `machine` is the class of machines that can measure it again. None: any machine can.
    """
    if line is None:
        return f"not measured again yet (needs {machine})" if machine is not None else "not measured again yet"
    if line.outcome is StepOutcome.CONFIRMED:
        return f"confirmed at {line.commit[:_DIGITS]}"
    if line.outcome is StepOutcome.NARROWED:
        return f"search not finished: {line.since[:_DIGITS]} to {line.commit[:_DIGITS]}"
    return OUTCOMES[line.outcome]


def outcome_words(outcome: StepOutcome, reason: str) -> Parts:
    """Return what came of a search that proved nothing."""
    return (OUTCOMES[outcome], ": ", Quoted(reason)) if reason else (OUTCOMES[outcome],)
