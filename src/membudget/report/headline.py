"""The result of the whole check in one sentence, with figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from membudget.core.metric_words import format_reading, format_spread
from membudget.core.metrics import HEADLINES
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.image import ImageJudgement, Status
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.judge.whole import Gap, GroupJudgement, Judgement
from membudget.report.allowances import gap_finding
from membudget.report.findings import Finding
from membudget.report.manifest_words import headline_words
from membudget.report.report import JudgedReport
from membudget.report.row_words import exceeded_words, joined, row_label, row_reason
from membudget.report.runtime_words import runtime_headline
from membudget.report.verdicts import status_mark

_MOST_NAMED = 3
_SMALLEST_PERCENT = 0.05
"""A smaller change would be shown as zero percent."""


def headline(result: JudgedReport) -> Finding:
    """Return the sentence for readers who read nothing else, without the verdict's sign."""
    parts = _passed(result.judgement) if result.judgement.verdict.passes else _failed(result)
    return Finding(joined([part for part in parts if part], "; ") or ("nothing was measured",))


def verdict_line(result: JudgedReport) -> str:
    """Return that sentence as plain text."""
    return headline(result).as_text()


def _passed(judgement: Judgement) -> list[Parts]:
    present = [image for image in judgement.images if image.status is not Status.REMOVED]
    if not present:
        return [_ours("every image was removed")]
    unchanged = sum(image.status is Status.UNCHANGED for image in present)
    if unchanged == len(present):
        return [_ours(f"{_all(unchanged)} unchanged"), headline_words(judgement.manifests, fails=False)]
    within = f"{_all(len(present))} within budget"
    within += f", {unchanged} of them unchanged" if unchanged else ""
    near = [image for image in present if image.verdict is Verdict.WARN]
    warned = [(Quoted(image.name), *_near(image)) for image in near]
    manifests = headline_words(judgement.manifests, fails=False)
    runtimes = runtime_headline(judgement.runtimes)
    return [_ours(within), _list(warned, "near theirs"), manifests, runtimes, () if near else _largest_change(present)]


def _all(count: int) -> str:
    return {1: "1 image", 2: "both images"}.get(count, f"all {count} images")


def _near(image: ImageJudgement) -> Parts:
    """Return in words why an image within budget has a warning."""
    for row in image.all_rows:
        if row.verdict is Verdict.WARN and row.trials_over is not None and not row.is_excepted:
            return (f" {row_label(row)} ", *row_reason(replace(row, reasons=row.reasons[:1])))
        if row.verdict is Verdict.WARN:
            how = "has an exception" if row.is_excepted else "is near its budget"
            return (f" {row_label(row)} {format_reading(row.metric, row.head)} {how}",)
    return (
        " has a limit that does not match its fit" if image.status is Status.OFF_ITS_FIT else " is near its budget",
    )


def _failed(result: JudgedReport) -> list[Parts]:
    count = sum(image.status is not Status.REMOVED for image in result.judgement.images)
    images = "1 image" if count == 1 else f"{count} images"
    limits = {image.name: format_size(image.limit_bytes) for image in result.report.images}
    failing = [image for image in result.judgement.images if image.verdict is Verdict.FAIL]
    over = [image for image in failing if image.status is not Status.LEAKING]
    killed = [image for image in failing if image.status is Status.OOM_KILLED]
    leaking = [image for image in failing if image.status is Status.LEAKING]
    named = [_named(image, f" is OOM-killed at {limits[image.name]}") for image in killed]
    named += [_excess(image) for image in over if image.status is not Status.OOM_KILLED]
    named += [_named(image, " is leaking") for image in leaking]
    unclear = [image for image in result.judgement.images if image.verdict is Verdict.INCONCLUSIVE]
    of_all = f"{len(unclear)} of {images}" if not failing else f"{len(unclear)} more"
    open_words = (
        [_named(image, f" {status_mark(image.status).words}") for image in unclear]
        if not failing or len(unclear) == 1
        else []
    )
    groups = [group for group in result.judgement.groups if group.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)]
    return [
        _ours(f"{len(over)} of {images} {_broken(over)}") if over else (),
        _list(named, ""),
        _ours(f"{of_all} could not be judged") if unclear and not (failing and open_words) else (),
        _list(open_words, ""),
        _list([_group_words(group) for group in groups], "in trouble"),
        headline_words(result.judgement.manifests, fails=True),
        _missing(result.judgement.gaps),
        _ours("the base's budgets cannot be read") if result.report.lacks_base_rules else (),
        _loosened(len(result.report.looser.unapproved)),
    ]


def _broken(images: Sequence[ImageJudgement]) -> str:
    """Return what is wrong with images whose budgets are broken."""
    is_under = {image.status is Status.UNDER_BUDGET for image in images}
    if is_under == {True, False}:
        return "over or under budget"
    return "under budget" if True in is_under else "over budget"


def _excess(image: ImageJudgement) -> Parts:
    """Return in words which budget is exceeded most, and by how much. It is the first one that its row names."""
    broken = [row for row in image.all_rows if row.verdict is Verdict.FAIL and row.exceeded]
    if not broken:
        return _named(image, "")
    row = max(broken, key=_relative_excess)
    words = f" {row_label(row)} {format_reading(row.metric, row.head)}, "
    return (*_named(image, words), *exceeded_words(row.metric, row.exceeded[0]))


def _relative_excess(row: Row) -> float:
    first = row.exceeded[0]
    return first.excess / max(first.bound.level, 1)


def _largest_change(images: Sequence[ImageJudgement]) -> Parts:
    """Return the change of a main figure with the largest percentage, or say of which figures there is none."""
    changes = [(image, row) for image in images for row in _compared(image) if abs(row.delta or 0) > (row.margin or 0)]
    if not changes:
        labels = dict.fromkeys(row.metric.definition.label for image in images for row in _compared(image))
        return _ours(f"no measurable change of {' or '.join(labels)}") if labels else ()
    image, row = max(changes, key=lambda change: abs(_percent(change[1])))
    percent = _percent(row)
    words = format_spread(row.metric, row.delta or 0, row.margin)
    words += f" ({format_percent(percent, signed=True)})" if abs(percent) >= _SMALLEST_PERCENT else ""
    return ("largest change: ", Quoted(image.name), f" {row_label(row)} {words}")


def _compared(image: ImageJudgement) -> Iterator[Row]:
    """Yield the main figures that have a value on both sides."""
    return (row for row in image.rows if row.metric in HEADLINES and row.phase is None and row.delta is not None)


def _percent(row: Row) -> float:
    before = row.base.value if row.base is not None else None
    return 100 * (row.delta or 0) / before if before else 0.0


def _group_words(group: GroupJudgement) -> Parts:
    words = "over budget" if group.verdict is Verdict.FAIL else "inconclusive"
    words = "not measured" if group.inconclusive is Inconclusive.NOT_MEASURED else words
    return ("group ", Quoted(group.name), f" {words}")


def _missing(gaps: Sequence[Gap]) -> Parts:
    """Return the gaps in words, parts first, because nobody knows what a missing part would have reported."""
    return _list([gap_finding(gap).parts for gap in gaps], "not covered")


def _loosened(count: int) -> Parts:
    return _ours(f"{'1 rule' if count == 1 else f'{count} rules'} loosened without approval") if count else ()


def _ours(words: str) -> Parts:
    return (words,)


def _named(image: ImageJudgement, words: str) -> Parts:
    return (Quoted(image.name), words)


def _list(findings: Sequence[Parts], shared: str) -> Parts:
    """Join the first few findings, and add how many more there are, with `shared` as what they have in common."""
    more = len(findings) - _MOST_NAMED
    last = [_ours(f"{more} more {shared}".rstrip())] if more > 0 else []
    return joined([*findings[:_MOST_NAMED], *last], "; ")
