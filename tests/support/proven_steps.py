"""Steps that were measured again, and the branch that they are on."""

from dataclasses import replace

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.step_line import StepOutcome, places_of
from membudget.measure.trial import Trial
from membudget.publish.steps import told_step
from membudget.report.report import Report, RevisionReport
from membudget.report.step_words import ToldStep
from membudget.report.steps_report import STEPS_VERSION, SkippedRevision, StepReport, StepsReport
from tests.support.builders import image, process, report, side, snapshot, trial
from tests.support.history import MACHINE

HOSTILE = "@octo fixes #1 ![x](http://localhost:1/x) </details><script>1</script> `rm` \u202e ::error::x"


def commits(subject: str = "Load the whole catalogue", count: int = 8) -> list[MainCommit]:
    """A branch, oldest first. The subject is that of the sixth commit."""
    made = [MainCommit(f"{number:040x}", 1_700_000_000 + number, f"Commit {number}") for number in range(count)]
    made[5] = replace(made[5], subject=subject)
    return made


def comparison(since: int = 4, until: int = 5, mib: float = 8, *, trials: int = 5) -> Report:
    """The comparison of two commits, of which the second needs so much more."""

    def run(rss: float, held: float) -> Trial:
        return replace(trial(rss), snapshot=snapshot(process("python", "shop.py", rss=held, pss=held), rss=rss))

    base = side(*(run(38 + number / 20, 30) for number in range(trials)))
    head = side(*(run(38 + mib + number / 20, 30 + mib) for number in range(trials)))
    allowed = {Metric.PEAK_RSS: EffectiveBudget(tolerance=Tolerance(0.0, 2 * MIB))}
    made = report(image(base=base, head=head, allowed=allowed))
    names = [RevisionReport(sha=f"{number:040x}", subject=f"Commit {number}") for number in (since, until)]
    return made.model_copy(
        update={"comparison": made.comparison.model_copy(update={"base": names[0], "head": names[1]})}
    )


def step(since: int = 4, until: int = 5, mib: float = 8, *, skipped: tuple[int, ...] = ()) -> StepReport:
    """A confirmed step."""
    return StepReport(
        image="api",
        metric=Metric.PEAK_RSS,
        growth=8 * MIB,
        outcome=StepOutcome.CONFIRMED,
        since=f"{since:040x}",
        until=f"{until:040x}",
        skipped=tuple(SkippedRevision(sha=f"{number:040x}", reason="build failed: `x`") for number in skipped),
        report=comparison(since, until, mib),
    )


def unproven(outcome: StepOutcome = StepOutcome.NOT_CONFIRMED, reason: str = "") -> StepReport:
    """A step of which nothing was proven."""
    return StepReport(
        image="web",
        metric=Metric.PEAK_RSS,
        growth=8 * MIB,
        outcome=outcome,
        since=f"{1:040x}",
        until=f"{6:040x}",
        reason=reason,
    )


def steps(*found: StepReport, left: int = 0) -> StepsReport:
    """The report of a run."""
    return StepsReport(steps_version=STEPS_VERSION, membudget_version="0.1.0", machine=MACHINE, steps=found, left=left)


def told(one: StepReport, subject: str = "Load the whole catalogue") -> ToldStep:
    """A step as it is told."""
    branch = commits(subject)
    link = "https://github.com/octo/shop/commit/{}".format
    found = told_step(one, branch, places_of([commit.sha for commit in branch]), link)
    assert found is not None
    return found
