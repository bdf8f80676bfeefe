"""The verdict on the whole check: all images, sums of groups, coverage, and the exit code."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.budgets.rules import EffectiveBudget
from membudget.budgets.runtimes import RuntimeRule
from membudget.core.errors import ExitCode
from membudget.core.files import Stored
from membudget.core.intervals import median_interval
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.core.sharding import MOST_SHARDS
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.manifest_rules import judge_manifests
from membudget.judge.manifests import CheckedManifests, ManifestJudgement
from membudget.judge.measurement import ImageMeasurement, Presence, SideMeasurement
from membudget.judge.memory_rules import MemoryFinding
from membudget.judge.metric import Inconclusive, Row, Verdict, gravest, judge_metric, worst
from membudget.judge.reasons import Excuse, GrowthNotJudged, NotMeasured
from membudget.judge.rows import growth_excuse
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.judge.runtimes import judge_runtimes
from membudget.judge.values import trial_samples

LONGEST_FILE_NAME = 1000
MOST_LEFT_OUT = 1000
"""The most parts that are named. No more than this are merged."""
_Names = Annotated[tuple[ImageName, ...], Field(max_length=MOST_IMAGES)]


class PartDifference(StrEnum):
    """How a part differs from the others, so that it belongs to another check. The values appear in report.json."""

    WHOLE = "it is no shard"
    HEAD = "head commit"
    BASE = "base commit"
    VERSION = "version of membudget"
    BUDGETS = "budgets"
    APPROVAL = "approval of looser budgets"
    SHARDS = "number of shards"
    OPTIONS = "options"
    """Only parts of a fit differ in this."""


@dataclass(frozen=True, slots=True)
class LeftOut(Stored):
    """A part that was not merged."""

    file: Annotated[str, Field(max_length=LONGEST_FILE_NAME)]
    """The name of its file, which is text from outside."""
    differs_in: PartDifference


@dataclass(frozen=True, slots=True)
class Coverage(Stored):
    """The images and shards that a report has to cover."""

    planned: _Names
    """The images to check. For a shard, those that `plan` assigned to it."""
    known: _Names
    """All images of the head's budgets file, followed by those that only the base's has."""
    missing_shards: Annotated[tuple[int, ...], Field(max_length=MOST_SHARDS)] = ()
    """The shards without a report when the parts were merged."""
    checked_twice: _Names = ()
    """The images that more than one part checked."""
    left_out: Annotated[tuple[LeftOut, ...], Field(max_length=MOST_LEFT_OUT)] = ()

    @classmethod
    def of_all(cls, names: Collection[str]) -> "Coverage":
        """Return the coverage of a check of all images."""
        return cls(tuple(names), tuple(names))


class GapKind(StrEnum):
    """Kinds of gaps: something is missing, or there too often."""

    IMAGE = "not-checked"
    TWICE = "checked-twice"
    SHARD = "shard-missing"
    PART = "left-out"


@dataclass(frozen=True, slots=True)
class Gap:
    """A reason why a report does not cover everything that it has to."""

    kind: GapKind
    subject: str
    """The image, the number of the shard, or the file of the part. This is text from outside."""
    differs_in: PartDifference | None = None
    """How a part that was left out differs. None for other kinds."""

    @property
    def image(self) -> str | None:
        """The name of the image. None if the gap is about a part."""
        return self.subject if self.kind in (GapKind.IMAGE, GapKind.TWICE) else None


def gaps(coverage: Coverage, measured: Collection[str]) -> Iterator[Gap]:
    """Yield what `measured` lacks of `coverage`, parts first."""
    found = set(measured)
    yield from (Gap(GapKind.SHARD, str(number)) for number in coverage.missing_shards)
    yield from (Gap(GapKind.PART, part.file, part.differs_in) for part in coverage.left_out)
    yield from (Gap(GapKind.IMAGE, name) for name in coverage.planned if name not in found)
    yield from (Gap(GapKind.TWICE, name) for name in coverage.checked_twice)


@dataclass(frozen=True, slots=True)
class GroupMeasurement(Stored):
    """A group of images, with the budgets of its sums."""

    name: ImageName
    images: tuple[ImageName, ...]
    budgets: dict[Metric, EffectiveBudget]


@dataclass(frozen=True, slots=True)
class GroupJudgement:
    """The verdict on the sums of one group of images."""

    name: str
    verdict: Verdict | None
    """None if there is nothing to judge by, or if not all of its images were checked here."""
    rows: tuple[Row, ...]
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive. None for other verdicts."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the whole check."""

    verdict: Verdict
    images: tuple[ImageJudgement, ...]
    groups: tuple[GroupJudgement, ...] = ()
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive. None for other verdicts."""
    gaps: tuple[Gap, ...] = ()
    """What the check should have covered but does not."""
    manifests: ManifestJudgement = ManifestJudgement()
    runtimes: tuple[RuntimeFinding, ...] = ()
    """What is wrong with the settings of runtimes. It never changes the verdict."""
    memory: tuple[MemoryFinding, ...] = ()
    """What memory is used for without need. It never changes the verdict."""

    @property
    def has_warnings(self) -> bool:
        """Whether anything has a warning, for any verdict on the whole."""
        rows = [row for image in self.images for row in image.rows]
        rows += [row for group in self.groups for row in group.rows]
        verdicts = [self.verdict, *(image.verdict for image in self.images), *(row.verdict for row in rows)]
        return Verdict.WARN in [*verdicts, *(finding.verdict for finding in self.manifests.findings)]


def judge(
    images: Sequence[ImageMeasurement],
    groups: Iterable[GroupMeasurement] = (),
    coverage: Coverage | None = None,
    manifests: CheckedManifests | None = None,
    runtime_rules: Collection[RuntimeRule] = (),
) -> Judgement:
    """Judge everything that was measured.

    One broken budget fails the whole check. A check without measurements does not pass. `coverage` says what the check
    has to cover. None means exactly `images`.
    """
    by_name = {image.name: image for image in images}
    wanted = coverage if coverage is not None else Coverage.of_all(by_name)
    judged = tuple(judge_image(image) for image in images)
    elsewhere = frozenset(wanted.known).difference(wanted.planned)
    sums = tuple(_judge_group(group, by_name, elsewhere) for group in groups)
    missing = tuple(gaps(wanted, by_name))
    verdicts = [image.verdict for image in judged] + [group.verdict for group in sums if group.verdict is not None]
    verdicts += [Verdict.INCONCLUSIVE] if missing else []
    deployed = judge_manifests(manifests, images)
    verdicts += [deployed.verdict] if deployed.verdict is not Verdict.PASS else []
    reasons = [image.inconclusive for image in judged] + [group.inconclusive for group in sums]
    verdict = worst(verdicts)
    why = gravest(reasons) if judged and not missing and not deployed.faults else Inconclusive.NOT_MEASURED
    why = why if verdict is Verdict.INCONCLUSIVE else None
    runtimes = judge_runtimes(images, runtime_rules)
    return Judgement(verdict, judged, sums, why, missing, deployed, runtimes)


def _judge_group(
    group: GroupMeasurement, images: Mapping[str, ImageMeasurement], elsewhere: frozenset[str]
) -> GroupJudgement:
    rows = tuple(_sums(group, images, elsewhere))
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    verdict = worst(verdicts) if verdicts else None
    why = gravest(row.inconclusive for row in rows) if verdict is Verdict.INCONCLUSIVE else None
    return GroupJudgement(group.name, verdict, rows, why)


_SUM_CONFIDENCE = 0.95


def _sums(group: GroupMeasurement, images: Mapping[str, ImageMeasurement], elsewhere: frozenset[str]) -> Iterator[Row]:
    """Yield a row for each sum that has a budget.

    If a member should have been measured but is missing, the sum is inconclusive.
    `elsewhere` are the images that other parts of the check measure.
    """
    absent = [name for name in group.images if name not in images]
    missing = [name for name in absent if name not in elsewhere]
    for metric, budget in group.budgets.items():
        if missing:
            value = MetricValue.absent(metric, f"{missing[0]}: it was not checked")
            yield judge_metric(metric, None, value, budget)
        elif absent:
            value = MetricValue.absent(metric, f"{absent[0]} is not among the images of this check")
            yield Row(metric, None, value, None, budget, None, None, (NotMeasured(value.reason),))
        else:
            yield from _judge_sum(metric, budget, [images[name] for name in group.images])


def _judge_sum(metric: Metric, budget: EffectiveBudget, members: Sequence[ImageMeasurement]) -> Iterator[Row]:
    """Yield one row, or two if the maximums of a member come from another run than its growth."""
    present = [image for image in members if image.presence is not Presence.REMOVED]
    if metric in IMAGE_METRICS or not any(image.own is not None and image.own.counts for image in present):
        yield _compared_sum(metric, budget, present)
        return
    if budget.growth_alone.is_set and not any(image.fails_with_base_settings for image in present):
        yield _compared_sum(metric, budget.growth_alone, present)
    if budget.maximum_alone.is_set:
        total = _sum(metric, ((image.name, image.side_for_maximums) for image in present))
        yield replace(judge_metric(metric, None, total, budget.maximum_alone), is_own=True)


def _compared_sum(metric: Metric, budget: EffectiveBudget, present: Sequence[ImageMeasurement]) -> Row:
    # New images add to a sum. The figures of a removed image are unknown.
    compared = [image for image in present if image.presence is not Presence.NEW]
    return judge_metric(
        metric,
        _sum(metric, ((image.name, image.base) for image in compared)) if compared else None,
        _sum(metric, ((image.name, image.head) for image in present)),
        budget,
        excuse=_sum_excuse(metric, present),
    )


def _sum_excuse(metric: Metric, members: Sequence[ImageMeasurement]) -> Excuse | GrowthNotJudged | None:
    """Return why the growth of a sum need not be judged if a base has no value. None if it must be judged."""
    excuses = [growth_excuse(image) for image in members if not _has_figure(metric, image)]
    first = excuses[0] if excuses else Excuse.NO_BASE_VALUE
    if first is None or None in excuses:
        return None
    return GrowthNotJudged(first, len(excuses)) if excuses else first


def _has_figure(metric: Metric, image: ImageMeasurement) -> bool:
    return image.base is not None and image.base.metrics[metric].value is not None


def _sum(metric: Metric, sides: Iterator[tuple[str, SideMeasurement | None]]) -> MetricValue:
    total, at_most, low, high = 0, 0, 0, 0
    for name, side in sides:
        value = side.metrics[metric] if side is not None else MetricValue.absent(metric, "it was not measured")
        if side is None or value.value is None:
            return MetricValue.absent(metric, f"{name}: {value.reason}")
        total += value.value
        at_most += value.at_most or value.value
        least, most = _bounds(metric, side)
        low, high = low + least, high + most
    interval = (low, high) if low < high else None
    more = at_most if at_most > total else None
    precision = "lower bound: a spike was missed" if more else None
    return replace(MetricValue.of(metric, total, precision, more), interval=interval)


def _bounds(metric: Metric, side: SideMeasurement) -> tuple[int, int]:
    samples = trial_samples(metric, None, side).head
    if not samples:
        value = side.metrics[metric].value or 0
        return value, value
    interval = median_interval(samples, _SUM_CONFIDENCE)
    return int(interval.low), int(interval.high)


class FailOn(StrEnum):
    """The mildest verdict that fails the check."""

    FAIL = "fail"
    WARN = "warn"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """How verdicts translate to the exit code."""

    fail_on: FailOn = FailOn.FAIL
    allows_inconclusive: bool = False
    """Whether an answer that is inconclusive because of noise passes. Missing measurements never pass."""

    def exit_code(self, judgement: Judgement) -> ExitCode:
        """Return the exit code of a check with this judgement."""
        if self.fail_on is FailOn.NEVER:
            return ExitCode.WITHIN_BUDGET
        if judgement.verdict is Verdict.INCONCLUSIVE and not self._lets_through(judgement):
            return ExitCode.UNMEASURED
        fails = judgement.verdict is Verdict.FAIL or (self.fail_on is FailOn.WARN and judgement.has_warnings)
        return ExitCode.OVER_BUDGET if fails else ExitCode.WITHIN_BUDGET

    def _lets_through(self, judgement: Judgement) -> bool:
        return self.allows_inconclusive and judgement.inconclusive is Inconclusive.NOISE
