"""The reports that the golden files show, and one full of what others said."""

from collections.abc import Sequence
from dataclasses import replace

from membudget.analysis.measurement import Failure, FailureStage, Presence
from membudget.metrics import Metric, MetricValue
from membudget.report.report import Comparison, Report, RevisionReport
from tests.support.builders import budgets, image, report, side, trial

LOG = ("Traceback (most recent call last):", '  File "/app.py", line 3', "ConnectionError: no database")
BUILD = Failure(FailureStage.BUILD, "failed to solve: exit code: 1", ("#5 0.21 npm ERR! missing script: build",))
WORKLOAD = Failure(FailureStage.WORKLOAD, "not ready within 30 s: connection refused", LOG)
ENGINE = Failure(FailureStage.ENVIRONMENT, "a killed container still ran after 20 s")


def everything() -> Report:
    """Each outcome once."""
    grown = budgets(max_rss=64, rss_growth=(5, 2), max_size=200, size_growth=(5, 5))
    return report(
        image("api", base=side(trial(40)), head=side(trial(70)), allowed=grown),
        image("worker", base=side(trial(40)), head=side(trial(63.8, oom_kills=2)), limit=64),
        image("assets", base=side(trial(8)), head=side(trial(8), size=131.5), allowed=grown),
        image("search", presence=Presence.NEW, head=side(trial(48)), allowed=grown),
        image("legacy", presence=Presence.REMOVED),
        image("mail", base=side(trial(40)), head=side(failure=WORKLOAD), allowed=grown),
        image("web", base=side(trial(40)), head=side(failure=BUILD, size=None), allowed=grown),
        image("cron", base=side(trial(40)), head=side(failure=ENGINE), allowed=grown),
        image("docs", base=side(failure=BUILD, size=None), head=side(trial(12)), allowed=grown),
        image("fine", base=side(trial(40)), head=side(trial(40.1)), allowed=grown),
        notes=("1 file has uncommitted changes, which are not built: the head is HEAD",),
    )


def all_pass() -> Report:
    """Nothing to complain about."""
    allowed = budgets(max_rss=64, rss_growth=(5, 2))
    return report(
        image("api", base=side(trial(40)), head=side(trial(39)), allowed=allowed),
        image("worker", base=side(trial(20)), head=side(trial(20)), allowed=allowed),
    )


def no_base() -> Report:
    """A first commit."""
    allowed = budgets(max_rss=64, rss_growth=(5, 2))
    measured = image("api", presence=Presence.HEAD_ONLY, head=side(trial(40)), allowed=allowed)
    return report(measured, no_base="this is the first commit")


def said_by_others(texts: Sequence[str]) -> Report:
    """A report with `texts` in each place that is not ours."""
    subject, reason, log, note, surroundings = texts
    failure = Failure(FailureStage.WORKLOAD, reason, (log, subject))
    unmeasured = image("worker", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=64))
    assert unmeasured.head is not None
    unmeasured.head.metrics[Metric.PEAK_RSS] = MetricValue.absent(Metric.PEAK_RSS, reason)
    plain = report(
        replace(image("api", base=side(failure=failure), head=side(failure=failure)), workload=reason),
        unmeasured,
        notes=(note, log),
    )
    commits = {"head": RevisionReport(sha="b" * 40, subject=subject), "base": RevisionReport(sha="a" * 40, subject=log)}
    engine = dict.fromkeys(("engine", "platform", "kernel", "probe", "storage_driver"), surroundings)
    return plain.model_copy(
        update={
            "comparison": Comparison(**commits, no_base_reason=reason),
            "environment": plain.environment.model_copy(update=engine),
            "membudget_version": surroundings,
        }
    )


REPORTS = {"everything": everything, "all-pass": all_pass, "no-base": no_base}
