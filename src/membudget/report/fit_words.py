"""What a fit found, in sentences, and what of it is for readers who want details."""

from collections.abc import Iterator, Sequence

from membudget.budgets.suggested import as_written, rounded_up
from membudget.core.quantities import format_duration, format_percent, format_scale, format_size
from membudget.core.untrusted_text import Parts, Quoted
from membudget.judge.fitted import Cost, Discomfort, FittedImage, Stop
from membudget.judge.measurement import ImageMeasurement
from membudget.report.allowances import gap_finding
from membudget.report.findings import Finding
from membudget.report.fit_curve import curve, rung_table
from membudget.report.fit_report import FitReport
from membudget.report.story_parts import Block, Charts, Item, Items, Sheet


def answer_sentences(image: FittedImage) -> Iterator[Parts]:
    """Yield both answers for an image and what to know about them, or why there is none."""
    if image.survives_bytes is None:
        yield _no_answer(image)
        return
    yield (Quoted(image.name), f" {_survives(image)}")
    if image.fails_at_bytes is not None:
        yield (f"It failed at {format_size(image.fails_at_bytes)}.",)
    if image.comfortable_bytes is not None:
        yield (_comfortable(image, image.survives_bytes, image.comfortable_bytes),)
    elif image.costs_below and image.costs_are_clear:
        yield (f"No limit that was tried is known to be comfortable: {_costs(image)}.",)
    elif image.costs_below:
        why = f"{_costs(image)}, and noise may be the reason"
        yield (f"Whether a limit is comfortable is not clear: {why}. Fit on an idle machine, or send more requests.",)
    yield from ((remark,) for remark in _remarks(image))


FITTED_TITLE = "Limits that fit tried"


def fitted_of(image: ImageMeasurement) -> FittedImage | None:
    """Return what a fit found for the image that was checked: for its head, else for its base."""
    return next((side.fitted for side in (image.head, image.base) if side is not None and side.fitted), None)


def fitted_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield what a fit found for the image that was checked, in sentences. Says so if it is of the base alone."""
    fitted = fitted_of(image)
    if fitted is None:
        return
    is_of_base = image.head is None or image.head.fitted is None
    for number, sentence in enumerate(answer_sentences(fitted)):
        name, *rest = sentence
        yield Finding((name, " of the base", *rest) if number == 0 and is_of_base else sentence)


def fitted_blocks(images: Sequence[ImageMeasurement]) -> Iterator[Block]:
    """Yield what fits found for the images that were checked: answers, limits and curves."""
    for image in images:
        if (fitted := fitted_of(image)) is not None:
            first, *others = fitted_findings(image)
            yield Items((Item(first, tuple(others), image.name),))
            yield from fit_blocks(fitted)


def fit_blocks(image: FittedImage) -> Iterator[Block]:
    """Yield the limits that were tried as a table, and their curve if they have one."""
    headings, rows = rung_table(image)
    if rows:
        yield Sheet(headings, rows)
    if (drawn := curve(image)) is not None:
        yield Charts(((Quoted(image.name), drawn),))


def settings_sentence(image: FittedImage) -> str | None:
    """Return the settings that follow, as a budgets file has them. None if there is no answer."""
    if image.limit_bytes is None or image.tells_no_need:
        return None
    settings = [f'limit = "{as_written(image.limit_bytes)}"']
    if image.peak_rss_max_bytes is not None:
        settings.append(f'budgets.peak_rss.max = "{as_written(image.peak_rss_max_bytes)}"')
    today = f" Today's limit is {format_size(image.today_bytes)}." if image.today_bytes is not None else ""
    return f"Next: set {' and '.join(settings)} ({_room(image, image.limit_bytes)}).{today}"


def _room(image: FittedImage, limit_bytes: int) -> str:
    """Return why the limit is above the one that was found."""
    needed = image.comfortable_bytes or image.survives_bytes or 0
    usual = rounded_up(round(needed * image.scale * (1 + image.headroom_percent / 100)))
    if limit_bytes > usual:
        return "as `peak_rss.headroom` asks"
    above = f"{format_percent(image.headroom_percent)} above"
    return above if image.scale == 1 else f"{above} {format_size(needed)}{format_scale(image.scale)}"


def sum_sentence(report: FitReport) -> str | None:
    """Return the sums over all images. None for a single image, or if one has no answer."""
    survives, today = report.total("survives_bytes"), report.total("today_bytes")
    if len(report.images) < 2 or survives is None:
        return None
    comfortable = report.total("comfortable_bytes")
    parts = [f"{format_size(survives)} survive"]
    if comfortable is not None:
        parts.append(f"{format_size(comfortable)} are comfortable")
    if today is not None:
        parts.append(f"today's limits add up to {format_size(today)}")
    return f"Sum of {len(report.images)} images: {', '.join(parts)}."


def closing_sentences(report: FitReport) -> Iterator[Parts]:
    """Yield what is missing, what to do about it, and the notes about the whole fit."""
    for gap in report.gaps:
        yield (*gap_finding(gap, "fitted").parts, ".")
    if report.gaps:
        yield ("Next: fit what is missing, then merge all parts again. Nothing is written before.",)
    yield from (("Note: ", Quoted(note), ".") for note in report.notes)


def _survives(image: FittedImage) -> str:
    assert image.survives_bytes is not None  # noqa: S101 - as asked before
    trials = "trial" if image.confirmed == 1 else "trials"
    rate = format_percent(100 * (image.ruled_out_rate or 1.0))
    proven = f"{image.confirmed} of {image.confirmed} {trials} passed, which rules out a failure rate above {rate}"
    return f"survives at {format_size(image.survives_bytes)}: {proven} (95% confidence)."


def _comfortable(image: FittedImage, survives: int, comfortable: int) -> str:
    if comfortable == survives:
        return f"It is comfortable at the same limit: not slower than without one.{_hidden(image)}"
    return f"It is comfortable at {format_size(comfortable)}. Below that, {_costs(image)}.{_hidden(image)}"


_FIGURES = {Discomfort.CPU: "CPU time", Discomfort.LATENCY: "p95 latency"}


def _hidden(image: FittedImage) -> str:
    """Return how large a slowdown may be that noise hides."""
    most = [f"{_signed(cost.growth[1])} {_FIGURES[cost.what]}" for cost in image.hidden if cost.growth is not None]
    return f" Noise may hide up to {' and '.join(most)}." if most else ""


def _signed(percent: float) -> str:
    return f"{percent:+.0f}%"


def _costs(image: FittedImage) -> str:
    return " and ".join(map(_cost, image.costs_below)) if image.costs_below else "it is slower"


def _cost(cost: Cost) -> str:
    growth = f"{cost.percent:+.0f}%" if cost.percent is not None else ""
    bounds = dict.fromkeys(map(_signed, cost.growth or ()))
    if len(bounds) > 1:
        growth += f" ({' to '.join(bounds)})"
    match cost.what:
        case Discomfort.CPU:
            return f"it takes {growth} CPU time"
        case Discomfort.LATENCY:
            return f"its p95 latency is {growth}"
        case Discomfort.REFAULTS:
            return f"{format_size(round(cost.at_limit))} are read again after they were reclaimed"
        case Discomfort.STALLED:
            return f"its processes wait for memory {format_percent(cost.at_limit)} of the time"


def _remarks(image: FittedImage) -> Iterator[str]:
    if image.tells_no_need:
        yield (
            "This is the smallest limit that membudget sets. The workload may need even less, so it says little about"
            " production. Use a workload that is like production, then fit again."
        )
    if image.sizes_itself:
        yield "Its memory depends on the limit: without one, it used more. So fit confirmed the next two limits too."
    if not image.keeps_headroom:
        yield "Its memory grows with the limit, so no limit that was tried keeps `peak_rss.headroom`."
    if not image.is_monotone:
        yield "Its limits are not monotone: it failed at a limit above one at which it passed."


def _no_answer(image: FittedImage) -> Parts:
    reason = Quoted(image.stopped_by or "it did not pass")
    before, after = _why(image)
    is_told = image.stopped is not None or image.stopped_by is not None
    return (Quoted(image.name), f" has no answer{before}", *((": ", reason) if is_told else ()), after)


def _why(image: FittedImage) -> tuple[str, str]:
    """Return why there is no answer, and what to do, around what the failed trial said."""
    at = f"at {format_size(image.stopped_at_bytes)}" if image.stopped_at_bytes is not None else "without a limit"
    match image.stopped:
        case Stop.NEVER_PASSES:
            return ", because its workload fails without a limit", ". Make it pass with `membudget measure` first."
        case Stop.FAILS_OTHERWISE:
            lower = image.passes_at_bytes
            passes = f"It passes at {format_size(lower)}, and " if lower is not None else "It "
            told = f", because its workload fails for another reason than memory. {passes}fails {at}"
            return told, ". Make the workload reliable first."
        case Stop.NEVER_ENOUGH:
            return f", because it is killed {at}, the largest limit that may be tried", ""
        case Stop.UNSTABLE:
            return f", because each limit failed in some trial. The last one failed {at}", ""
        case None if image.stopped_by is not None:
            return ", because it could not be measured", ""
        case None:
            return f" yet. {_so_far(image)}. The same command continues from here", "."


def _so_far(image: FittedImage) -> str:
    """Return between which limits the answer lies, as far as it is known."""
    limited = [rung for rung in image.rungs if rung.limit_bytes is not None]
    passing = [rung.limit_bytes for rung in limited if rung.passed == rung.trials]
    failing = [rung.limit_bytes for rung in limited if rung.passed < rung.trials]
    trials = sum(rung.trials for rung in image.rungs)
    count = f"After {trials} {'trial' if trials == 1 else 'trials'}"
    high = min((limit for limit in passing if limit is not None), default=None)
    low = max((limit for limit in failing if limit is not None), default=None)
    parts = [f"it passed at {format_size(high)}"] if high is not None else []
    parts += [f"{'' if parts else 'it '}failed at {format_size(low)}"] if low is not None else []
    return f"{count}{', ' if parts else ', nothing is known'}{' and '.join(parts)}"


def took_words(image: FittedImage) -> str:
    """Return how many trials were run, in how much time."""
    trials = sum(rung.trials for rung in image.rungs)
    reused = f", {image.reused} of them from earlier runs" if image.reused else ""
    return f"{trials} {'trial' if trials == 1 else 'trials'}{reused}, {format_duration(image.duration_ms)}"
