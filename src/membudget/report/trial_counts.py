"""How many trials the figures of an image come from, and why there are more than planned, in words."""

from collections.abc import Iterable, Sequence

from membudget.judge.measurement import ImageMeasurement
from membudget.judge.more_trials import MoreTrials, more_trials
from membudget.report.row_words import row_label


def trials_in_words(image: ImageMeasurement) -> str:
    """Return in words how many trials of each side the figures of an image come from."""
    counts = [(name, len(side.trials)) for name, side in (("base", image.base), ("head", image.head)) if side]
    numbers = [number for _, number in counts]
    if not any(numbers):
        return "no trials"
    more = more_trials(image)
    return f"{_counted(counts)}{f'; {_why_more(more)}' if more is not None else ''}"


def any_has_more(images: Iterable[ImageMeasurement]) -> bool:
    """Return whether more trials than planned were run for any image, because the answer was not clear."""
    return any(more_trials(image) is not None for image in images)


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    numbers = [number for _, number in counts]
    how = f"after a discarded warm-up{', median' if max(numbers) > 1 else ''}"
    if len(numbers) == 1:
        return f"{_count(numbers[0])} of the head {how}"
    if len(set(numbers)) == 1:
        return f"{_count(numbers[0])} a side {how}"
    return f"{', '.join(f'{_count(number)} of the {name}' for name, number in counts)}, {how}"


def _count(trials: int) -> str:
    return "none" if not trials else "1 trial" if trials == 1 else f"{trials} trials"


def _why_more(more: MoreTrials) -> str:
    """Return in words what the planned trials left open."""
    labels = [*dict.fromkeys(map(row_label, more.rows)), *(["the soak"] if more.soak else [])]
    return f"the first {more.planned} were too few for 99 % confidence in {' and '.join(labels) or 'the answer'}"
