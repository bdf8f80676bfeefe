"""The verdict on the whole: every image, the sums of groups, what a check had to cover, and the exit code."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.budgets.rules import EffectiveBudget
from membudget.core.errors import ExitCode
from membudget.core.files import Stored
from membudget.core.intervals import median_interval
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.judge.image import ImageJudgement, judge_image
from membudget.judge.measurement import ImageMeasurement, Presence, SideMeasurement
from membudget.judge.metric import Inconclusive, Row, Verdict, gravest, judge_metric, worst
from membudget.judge.reasons import Excuse, GrowthNotJudged, NotMeasured
from membudget.judge.rows import growth_excuse
from membudget.judge.values import trial_samples

LONGEST_FILE_NAME = 1000
MOST_LEFT_OUT = 1000
"""Parts that are named: more are not merged either."""
_MOST_SHARDS = 256
_Names = Annotated[tuple[ImageName, ...], Field(max_length=MOST_IMAGES)]


class Difference(StrEnum):
    """In what a part differs from the others, so that it is none of this check. The values stand in report.json."""

    WHOLE = "it is no shard"
    HEAD = "head commit"
    BASE = "base commit"
    VERSION = "version of membudget"
    BUDGETS = "budgets"
    APPROVAL = "approval of looser budgets"
    SHARDS = "number of shards"


@dataclass(frozen=True, slots=True)
class LeftOut(Stored):
    """A part that was not merged."""

    file: Annotated[str, Field(max_length=LONGEST_FILE_NAME)]
    """Its file, which is text from outside."""
    differs_in: Difference


@dataclass(frozen=True, slots=True)
class Coverage(Stored):
    """What a report has to cover."""

    planned: _Names
    """The images that it was to check: of a shard, those that `plan` gave it."""
    known: _Names
    """All images of the head's budgets file, then those that only the base's has."""
    missing_shards: Annotated[tuple[int, ...], Field(max_length=_MOST_SHARDS)] = ()
    """Parts of which no report was there when they were merged."""
    checked_twice: _Names = ()
    """Images that more than one part checked."""
    left_out: Annotated[tuple[LeftOut, ...], Field(max_length=MOST_LEFT_OUT)] = ()

    @classmethod
    def of_all(cls, names: Collection[str]) -> "Coverage":
        """Of a check of everything there is."""
        return cls(tuple(names), tuple(names))


class GapKind(StrEnum):
    """What is missing, or there once too often."""

    IMAGE = "not-checked"
    TWICE = "checked-twice"
    SHARD = "shard-missing"
    PART = "left-out"


@dataclass(frozen=True, slots=True)
class Gap:
    """One reason why a report does not cover what it has to."""

    kind: GapKind
    subject: str
    """The image, the number of the shard, or the file of the part: text from outside."""
    differs_in: Difference | None = None
    """Of a part that was left out."""

    @property
    def image(self) -> str | None:
        """The image that it is about; None where it is about a part."""
        return self.subject if self.kind in (GapKind.IMAGE, GapKind.TWICE) else None


def gaps(coverage: Coverage, measured: Collection[str]) -> Iterator[Gap]:
    """What of `coverage` the images `measured` leave open, parts first."""
    found = set(measured)
    yield from (Gap(GapKind.SHARD, str(number)) for number in coverage.missing_shards)
    yield from (Gap(GapKind.PART, part.file, part.differs_in) for part in coverage.left_out)
    yield from (Gap(GapKind.IMAGE, name) for name in coverage.planned if name not in found)
    yield from (Gap(GapKind.TWICE, name) for name in coverage.checked_twice)


@dataclass(frozen=True, slots=True)
class GroupMeasurement(Stored):
    """A group, and what its sums may be."""

    name: ImageName
    images: tuple[ImageName, ...]
    budgets: dict[Metric, EffectiveBudget]


@dataclass(frozen=True, slots=True)
class GroupJudgement:
    """The verdict on the sums of one group of images."""

    name: str
    verdict: Verdict | None
    """None: nothing to judge by, or not all of its images were checked here."""
    rows: tuple[Row, ...]
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the whole."""

    verdict: Verdict
    images: tuple[ImageJudgement, ...]
    groups: tuple[GroupJudgement, ...] = ()
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive; None where it is not."""
    gaps: tuple[Gap, ...] = ()
    """What was to be covered, and is not."""

    @property
    def has_warnings(self) -> bool:
        """Whether anything is warned of, whatever the verdict on the whole."""
        rows = [row for image in self.images for row in image.rows]
        rows += [row for group in self.groups for row in group.rows]
        return Verdict.WARN in [self.verdict, *(image.verdict for image in self.images), *(row.verdict for row in rows)]


def judge(
    images: Sequence[ImageMeasurement],
    groups: Iterable[GroupMeasurement] = (),
    coverage: Coverage | None = None,
) -> Judgement:
    """Judge everything that was measured. One broken budget fails the whole; nothing measured is no pass.

    `coverage`: what it has to be; None: `images` are all that there is.
    """
    by_name = {image.name: image for image in images}
    wanted = coverage if coverage is not None else Coverage.of_all(by_name)
    judged = tuple(judge_image(image) for image in images)
    elsewhere = frozenset(wanted.known).difference(wanted.planned)
    sums = tuple(_judge_group(group, by_name, elsewhere) for group in groups)
    missing = tuple(gaps(wanted, by_name))
    verdicts = [image.verdict for image in judged] + [group.verdict for group in sums if group.verdict is not None]
    verdicts += [Verdict.INCONCLUSIVE] if missing else []
    reasons = [image.inconclusive for image in judged] + [group.inconclusive for group in sums]
    verdict = worst(verdicts)
    why = gravest(reasons) if judged and not missing else Inconclusive.NOT_MEASURED
    return Judgement(verdict, judged, sums, why if verdict is Verdict.INCONCLUSIVE else None, missing)


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
    """A row for each sum that has a budget. A member that was to be measured and is missing leaves the sum open.

    `elsewhere`: the images that other parts of the check measure.
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
    """One row; where a member's maximums are of another run than its growth, one for each."""
    present = [image for image in members if image.presence is not Presence.REMOVED]
    if metric in IMAGE_METRICS or not any(image.own is not None and image.own.counts for image in present):
        yield _compared_sum(metric, budget, present)
        return
    if budget.growth_alone.is_set and not any(image.lacks_old_way for image in present):
        yield _compared_sum(metric, budget.growth_alone, present)
    if budget.maximum_alone.is_set:
        total = _sum(metric, ((image.name, image.by_itself) for image in present))
        yield replace(judge_metric(metric, None, total, budget.maximum_alone), is_own=True)


def _compared_sum(metric: Metric, budget: EffectiveBudget, present: Sequence[ImageMeasurement]) -> Row:
    # A sum grows by what is new; of an image that left, nobody knows what it had.
    compared = [image for image in present if image.presence is not Presence.NEW]
    return judge_metric(
        metric,
        _sum(metric, ((image.name, image.base) for image in compared)) if compared else None,
        _sum(metric, ((image.name, image.head) for image in present)),
        budget,
        excuse=_sum_excuse(metric, present),
    )


def _sum_excuse(metric: Metric, members: Sequence[ImageMeasurement]) -> Excuse | GrowthNotJudged | None:
    """Why the sum's growth need not be judged, where a base lacks its figure; None where it must be."""
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
    """From which verdict on a check fails."""

    FAIL = "fail"
    WARN = "warn"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """What verdicts mean for the exit code."""

    fail_on: FailOn = FailOn.FAIL
    allows_inconclusive: bool = False
    """Whether an answer that noise leaves open passes. What was not measured never does."""

    def exit_code(self, judgement: Judgement) -> ExitCode:
        """Of a check that came to `judgement`."""
        if self.fail_on is FailOn.NEVER:
            return ExitCode.WITHIN_BUDGET
        if judgement.verdict is Verdict.INCONCLUSIVE and not self._lets_through(judgement):
            return ExitCode.UNMEASURED
        fails = judgement.verdict is Verdict.FAIL or (self.fail_on is FailOn.WARN and judgement.has_warnings)
        return ExitCode.OVER_BUDGET if fails else ExitCode.WITHIN_BUDGET

    def _lets_through(self, judgement: Judgement) -> bool:
        return self.allows_inconclusive and judgement.inconclusive is Inconclusive.NOISE
