"""Trials that use memory in the ways that rules are about, and what is found in them."""

from dataclasses import replace

from membudget.budgets.cost import CostSettings, Deployment
from membudget.budgets.memory_rules import MemoryRule
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.larger_bodies import BodySize, LargerBodies
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.memory_rules import MemoryFinding, judge_memory
from membudget.measure.probe.file_pages import FilePages
from membudget.measure.probe.messages import Series
from membudget.measure.trial import SidecarUse, Trial
from tests.support import builders

LIMIT_MIB = 256
COST = CostSettings(replicas=100)


def with_metrics(trial: Trial, **mib: float) -> Trial:
    """The trial with other metrics, in MiB."""
    values = {one: MetricValue.of(one, round(mib[one.value] * MIB)) for one in Metric if one.value in mib}
    return replace(trial, metrics={**trial.metrics, **values})


def plain(rss: float = 60) -> Trial:
    """A trial that keeps every rule: it holds what it holds from its start to its end."""
    return with_metrics(builders.trial(rss), settled_rss=rss - 2, peak_working_set=rss + 3)


def with_sidecars(pod: float = 110, own: float = 60, *names: str) -> Trial:
    """A trial whose pod peaked at `pod` MiB, and its container at `own`."""
    sizes = {name: (pod - own) / (number + 1) for number, name in enumerate(names or ("proxy",))}
    absent = MetricValue.of(Metric.OOM_KILLS, 0)
    sidecars = tuple(
        SidecarUse(name, peak := MetricValue.of(Metric.PEAK_RSS, round(size * MIB)), peak, absent)
        for name, size in sizes.items()
    )
    return replace(with_metrics(plain(own), pod_peak_rss=pod), sidecars=sidecars)


def with_pages(*, usage: float = 210, clean: float = 0, dirty: float = 0, working_set: float = 60) -> Trial:
    """A trial with page cache."""
    pages = FilePages(round(usage * MIB), round(clean * MIB), round(dirty * MIB))
    return replace(with_metrics(plain(working_set - 5), peak_working_set=working_set), file_pages=pages)


def with_processes(rss: float = 60, count: int = 4, together: float = 90, *, has_maps: bool = True) -> Trial:
    """A trial with processes of `rss` MiB each, which hold `together` MiB."""
    each = together / count if has_maps else None
    processes = [builders.process("worker", rss=rss, pss=each, pid=100 + number) for number in range(count)]
    return replace(plain(together), snapshot=builders.snapshot(*processes, rss=together))


def with_load(before: float = 40, peak: float = 120, settled: float = 115) -> Trial:
    """A service that holds `before` MiB when its load begins."""
    rss = [round(one * MIB) for one in (before / 2, before, peak, settled)]
    series = Series([0, 100_000, 200_000, 900_000], rss, rss, rss, rss)
    phases = (builders.phase("start-up", 0, 150, before), builders.phase("steady", 150, 600, peak),
              builders.phase("settle", 750, 200, settled))  # fmt: skip
    return replace(with_metrics(plain(peak), settled_rss=settled), series=series, phases=phases)


def with_huge_pages(huge: float = 120, rss: float = 130) -> Trial:
    """A trial that has huge pages."""
    seen = builders.snapshot(builders.process("app", rss=rss, pss=rss), rss=rss)
    return replace(plain(rss), snapshot=replace(seen, huge_bytes=round(huge * MIB)))


BREAKING: dict[MemoryRule, Trial] = {
    MemoryRule.SIDECAR_SHARE: with_sidecars(),
    MemoryRule.PAGE_CACHE: with_pages(clean=150),
    MemoryRule.DIRTY_PAGES: with_pages(dirty=60),
    MemoryRule.SHARED_PAGES: with_processes(),
    MemoryRule.MEMORY_KEPT: with_load(),
    MemoryRule.MEMORY_RETURNED: with_load(before=40, peak=200, settled=50),
    MemoryRule.HUGE_PAGES: with_huge_pages(),
}
"""A trial for each rule that breaks this rule only. The documentation shows what is said of them."""
LARGER = LargerBodies((BodySize("POST /upload", False, 4 * MIB, 40 * MIB),), (132 * MIB, 135 * MIB))
"""What breaks the rule for bodies, after trials of 60 MiB."""


def broken(rule: MemoryRule, where: Deployment | None = None) -> tuple[MemoryFinding, ...]:
    """What is found if this rule is broken."""
    if rule is MemoryRule.BUFFERED_BODIES:
        return judge_memory([replace(image_of(plain(), where=where), larger=LARGER)], tuple(MemoryRule))
    return found(BREAKING[rule], where=where)


def image_of(*trials: Trial, limit: float = LIMIT_MIB, where: Deployment | None = None) -> ImageMeasurement:
    """An image whose head had these trials."""
    return replace(builders.image("api", head=builders.side(*trials), limit=limit), deployment=where)


def found(*trials: Trial, limit: float = LIMIT_MIB, where: Deployment | None = None) -> tuple[MemoryFinding, ...]:
    """What they break."""
    return judge_memory([image_of(*trials, limit=limit, where=where)], tuple(MemoryRule))
