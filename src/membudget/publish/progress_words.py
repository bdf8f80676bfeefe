"""Progress in words: what is being done, and how much time is left."""

from membudget.core.progress import Doing, ProgressStep, Stage
from membudget.core.untrusted_text import printable

_TITLES = {Stage.BUILDING: "Building", Stage.MEASURING: "Measuring", Stage.TRYING: "Trying"}

_SINGLE = {
    Doing.WARM_UP: "warm-up",
    Doing.CONFIRM: "trial to confirm cached results",
    Doing.PROFILE: "profiled trial",
}
"""What is done only once to a side."""
_WITHOUT_OPTIONS = " without the profiler's options"
"""The second profiled trial, of what did not start with them."""
_COUNTED = {
    Doing.SEARCH: "search",
    Doing.ALLOCATOR: "freed memory returned, trial",
    Doing.PROVE: "confirming",
    Doing.LARGER: "larger bodies",
}


def stage_words(stage: Stage, images: int) -> str:
    """Return the title of a stage: "Building 4 images"."""
    return f"{_TITLES[stage]} {'1 image' if images == 1 else f'{images} images'}"


def share_words(stage: Stage, done: int, images: int) -> str:
    """Return how far a stage is: "Building 1 of 4 images"."""
    return f"{_TITLES[stage]} {done} of {images} images"


def step_words(step: ProgressStep) -> str:
    """Return what is being done to an image: "building base", "head, trial 2 of 3"."""
    side = printable(step.side)
    match step.doing:
        case Doing.BUILD:
            return f"building {side}".rstrip()
        case Doing.READ:
            return "reading layers"
        case Doing.WARM_UP | Doing.CONFIRM | Doing.PROFILE:
            what = _SINGLE[step.doing] + (_WITHOUT_OPTIONS if step.is_extra else "")
        case Doing.SEARCH | Doing.ALLOCATOR:
            what = f"{_COUNTED[step.doing]} {step.number} of up to {step.most}"
        case Doing.PROVE | Doing.LARGER:
            what = f"{_COUNTED[step.doing]} {step.number} of {step.most}"
        case Doing.TRY:
            what = f"run {step.number}"
        case Doing.TRIAL if step.is_extra:
            what = f"trial {step.number} of up to {step.most}, not 99 % certain yet"
        case Doing.TRIAL:
            what = f"trial {step.number} of {step.most}"
    return f"{side}, {what}" if side else what


def left_words(seconds: float) -> str:
    """Return how much time is left, rounded: "a few seconds left", "about 20 s left", "about 2 min left"."""
    if seconds < 7.5:
        return "a few seconds left"
    if seconds < 57.5:  # it would be rounded to 60 s
        return f"about {5 * round(seconds / 5)} s left"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min left" if minutes < 100 else f"about {round(minutes / 60)} h left"


def elapsed_words(seconds: float) -> str:
    """Return how long something has been taking, in whole seconds: "12 s", "2 min 05 s"."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
