"""The reports that the golden files show, and one full of what others said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.loosening import Approval, Loosening
from membudget.budgets.rules import EffectiveBudget, Tolerance, WarnLevels
from membudget.contents.diff import ImageDiff, LayerChange, LayerDetail
from membudget.contents.file_diff import ChangeKind
from membudget.contents.origin import OriginSource
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage, Presence
from membudget.judge.whole import GroupMeasurement
from membudget.measure.probe.messages import HostSettings, KilledProcess, Series
from membudget.measure.probe.process_use import FileUse
from membudget.measure.profiling.heap_profile import Frame, PairProfile, SourceLine
from membudget.measure.trial import LimitContact, OomKills, PhaseName, Trial
from membudget.report.report import Comparison, Report, RevisionReport
from tests.support import profiles
from tests.support.builders import (
    budgets,
    certificate,
    image,
    phase,
    process,
    report,
    side,
    snapshot,
    throughput,
)
from tests.support.builders import trial as plain_trial

LOG = ("Traceback (most recent call last):", '  File "/app.py", line 3', "ConnectionError: no database")
BUILD = Failure(FailureStage.BUILD, "failed to solve: exit code: 1", ("#5 0.21 npm ERR! missing script: build",))
WORKLOAD = Failure(FailureStage.WORKLOAD, "not ready within 30 s: connection refused", LOG)
ENGINE = Failure(FailureStage.ENVIRONMENT, "a killed container still ran after 20 s")


def trial(rss: float, *, oom_kills: int = 0) -> Trial:
    """A service that starts, works for a second, and gives back half of what it took; killed, it ends at its peak."""
    rising = [rss * MIB * step // 15 for step in range(16)]
    working = [rss * MIB * share // 100 for share in (90, 94, 91, 97, 93, 100, 95, 98, 92, 96)] * 3
    rested = [rss * MIB // 2] * 30
    seen = [round(value) for value in (rising if oom_kills else rising + working + rested)]
    times = [20_000 * number for number in range(len(seen))]
    more = [value + 3 * MIB for value in seen]
    return replace(plain_trial(rss, oom_kills=oom_kills), series=Series(times, seen, seen, more, more))


def everything() -> Report:
    """Each outcome once."""
    grown = budgets(max_rss=64, rss_growth=(5, 2), max_size=200, size_growth=(5, 5))
    return report(
        image("api", base=side(in_phases(40)), head=side(in_phases(70)), allowed=grown),
        image("worker", base=side(trial(40)), head=side(killed()), limit=64),
        image("gateway", base=side(trial(40)), head=side(with_a_missed_spike()), allowed=budgets(max_rss=64)),
        image("assets", base=side(trial(8)), head=side(trial(8), size=131.5), allowed=grown),
        image("search", presence=Presence.NEW, head=side(trial(48)), allowed=grown),
        image("legacy", presence=Presence.REMOVED),
        image("mail", base=side(trial(40)), head=side(failure=WORKLOAD), allowed=grown),
        image("web", base=side(trial(40)), head=side(failure=BUILD, size=None), allowed=grown),
        image("cron", base=side(trial(40)), head=side(failure=ENGINE), allowed=grown),
        image("docs", base=side(failure=BUILD, size=None), head=side(trial(12)), allowed=grown),
        image("fine", base=side(trial(40)), head=side(thrashing()), allowed=grown),
        notes=("1 file has uncommitted changes, but membudget used the version of HEAD",),
    )


def in_phases(rss: float) -> Trial:
    """A pre-forking server that starts, works, meets a burst and settles."""
    words = ("/usr/bin/python3", "/usr/bin/gunicorn", "-w4")
    workers = [process(*words, rss=rss / 3, pss=rss / 5, file=rss / 24) for _ in range(4)]
    master = process("/usr/sbin/crond", rss=rss / 4, pss=rss / 8, pid=1)
    return replace(
        trial(rss),
        phases=(
            phase(PhaseName.START_UP, 0, 310, rss / 2, rss / 2 + 4),
            phase(PhaseName.STEADY, 310, 1800, rss - 8, rss - 4),
            phase(PhaseName.BURST, 2110, 640, rss, rss + 4),
            phase(PhaseName.SETTLE, 2750, 1000, rss / 2),
        ),
        snapshot=snapshot(master, *workers, rss=rss, files=(FileUse("/usr/lib/libtorch.so", round(rss / 6 * MIB)),)),
    )


def killed() -> Trial:
    """Two processes were OOM-killed."""
    names = (KilledProcess(41, "python3", 60 * MIB, MIB, 0, 64 * MIB), KilledProcess(42, "sort", 2 * MIB, 0, 0))
    return replace(trial(63.8, oom_kills=2), oom=OomKills(names, None))


def with_a_missed_spike() -> Trial:
    """Sampled within its budget, and the kernel saw more."""
    seen = trial(38)
    peak = MetricValue.of(Metric.PEAK_RSS, 38 * MIB, "lower bound: a spike was missed", at_most=90 * MIB)
    return replace(
        seen, metrics={**seen.metrics, Metric.PEAK_RSS: peak}, certificate=certificate(44, 90, repeated=True)
    )


def thrashing() -> Trial:
    """It works, but at its limit."""
    return replace(trial(40.1), at_limit=LimitContact(1874, 96 * MIB, 640, is_thrashing=True))


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


def guarded() -> Report:
    """Budgets that are loosened, excepted, summed, warned of and lost in noise."""
    allowed = budgets(max_rss=64, rss_growth=(5, 2))
    warned = {**allowed, Metric.PEAK_RSS: replace(allowed[Metric.PEAK_RSS], warn=WarnLevels(38 * MIB))}
    noisy = [trial(rss) for rss in (30, 62, 35, 58, 44)]
    excepted = ExceptionInForce(80 * MIB, date(2026, 12, 1), "the index is loaded twice", "#17", ends_soon=True)
    made = report(
        image("api", base=side(*three(66)), head=side(*three(70)), allowed=allowed),
        image("gateway", base=side(*three(39)), head=side(*three(40)), allowed=warned),
        image("threads", base=side(*noisy), head=side(*reversed(noisy), trial(60)), allowed=allowed),
        image("web", base=side(*three(40)), head=side(*three(40)), allowed=allowed),
    )
    api, gateway, threads, web = made.images
    images = (
        replace(api, exceptions={Metric.PEAK_RSS: excepted}), gateway, threads, replace(web, is_unchanged=True),
    )  # fmt: skip
    return made.model_copy(
        update={
            "images": images,
            "groups": (GroupMeasurement("all", tuple(one.name for one in images), budgets(max_size=350)),),
            "approval": Approval.MISSING,
            "loosened": (
                Loosening("api", is_group=False, key="budgets.peak_rss.max", before="60.0 MiB", after="64.0 MiB"),
                Loosening("all", is_group=True, key="total.image_size.growth.percent", before="5 %", after="none"),
            ),
        }
    )


def three(rss: float) -> list[Trial]:
    """Trials that differ a little."""
    return [trial(rss + more) for more in (0, 0.1, 0.3)]


def said_by_others(texts: Sequence[str]) -> Report:
    """A report with `texts` in each place that is not ours."""
    subject, reason, log, note, surroundings = texts
    failure = Failure(FailureStage.WORKLOAD, reason, (log, subject))
    unmeasured = image("worker", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=64))
    assert unmeasured.head is not None
    unmeasured.head.metrics[Metric.PEAK_RSS] = MetricValue.absent(Metric.PEAK_RSS, reason)
    said = killed()
    said = replace(
        said,
        oom=OomKills((KilledProcess(1, reason, 0, 0, 0), KilledProcess(2, log, 0, 0, 0)), note),
        snapshot=snapshot(process(reason, log, rss=9, pss=9), files=(FileUse(f"/{subject}", 9 * MIB),)),
        snapshot_reason=reason,
        settings=HostSettings(surroundings, 0, 60, surroundings),
    )
    nameless = replace(said, oom=OomKills((), reason))
    layer = LayerChange(
        ChangeKind.GROWN, 9 * MIB, 1, 1, log, (1, 2), OriginSource.HISTORY, None, is_upstream=False,
        details=(LayerDetail(reason, True, 8 * MIB),),
    )  # fmt: skip
    fat = image("fat", base=side(trial(40)), head=side(trial(40), size=200), allowed=budgets(max_size=100))
    heap = profiles.heap([((Frame(text[:200], log[:200], 1),), 9) for text in texts])
    source = SourceLine(log[:200], 1, surroundings, is_in_diff=True)
    held = PairProfile(profiles.profiled(None, reason=note), profiles.profiled(heap), (source,))
    tall = image("tall", base=side(trial(40)), head=side(trial(80)), allowed=budgets(max_rss=64))
    plain = report(
        image("shouter", base=side(said), head=side(said)),
        replace(tall, profile=held),
        replace(tall, name="unprofiled", profile=PairProfile(None, profiles.profiled(None, reason=reason))),
        image("nameless", base=side(nameless), head=side(nameless)),
        replace(image("api", base=side(failure=failure), head=side(failure=failure)), workload=reason),
        replace(
            image("excepted", head=side(trial(70)), allowed=budgets(max_rss=64)),
            exceptions={Metric.PEAK_RSS: ExceptionInForce(80 * MIB, date(2026, 12, 1), reason, note, ends_soon=False)},
        ),
        unmeasured,
        replace(fat, dockerfile=note, contents_diff=ImageDiff(9 * MIB, 1, (layer,), (), (), ())),
        image("failed", base=side(trial(40)), head=side(failure=failure), allowed=budgets(max_size=100)),
        notes=(note, log),
    )
    commits = {"head": RevisionReport(sha="b" * 40, subject=subject), "base": RevisionReport(sha="a" * 40, subject=log)}
    engine = dict.fromkeys(("engine", "platform", "kernel", "probe", "storage_driver", "log_driver"), surroundings)
    return plain.model_copy(
        update={
            "comparison": Comparison(**commits, no_base_reason=reason),
            "environment": plain.environment.model_copy(update=engine),
            "membudget_version": surroundings,
            "approval": Approval.MISSING,
            "approval_label": note,
            "loosened": (Loosening("api", is_group=False, key=subject, before=reason, after=log),),
        }
    )


def served() -> Report:
    """Services under load: too few requests a second, a drop, a drop that noise explains, answers that come late."""
    least = {Metric.REQUESTS_PER_SECOND: EffectiveBudget(min=1_500_000, tolerance=Tolerance(5, 50_000))}
    dense = {Metric.REQUESTS_PER_GIB: EffectiveBudget(min=30_000_000, tolerance=Tolerance(5, 0))}
    quick = {Metric.LATENCY_P95: EffectiveBudget(25_000, Tolerance(20, 2000))}
    fast, slow = (side(*(throughput(rate + step) for step in range(5))) for rate in (1900, 1400))
    return report(
        image("gateway", base=fast, head=slow, allowed=least),
        image("search", base=fast, head=side(*(throughput(1900, 70) for _ in range(5))), allowed=dense),
        image("orders", base=fast, head=side(*(throughput(1900, p95_ms=28) for _ in range(5))), allowed=quick),
        image("mail", base=fast, head=side(*map(throughput, (2300, 1500, 1950, 1700, 2100))), allowed=least),
        image("events", base=fast, head=side(*map(throughput, (1901, 1902, 1480, 1903, 1904))), allowed=least),
        replace(
            image("legacy", base=slow, head=slow, allowed=least),
            exceptions={
                Metric.REQUESTS_PER_SECOND: ExceptionInForce(
                    1_300_000, date(2099, 12, 1), "moves to the new disks", None, ends_soon=False
                )
            },
        ),
        image("web", base=slow, head=fast, allowed=least | dense | quick),
    )


REPORTS = {
    "everything": everything, "all-pass": all_pass, "no-base": no_base, "guarded": guarded, "served": served,
}  # fmt: skip
