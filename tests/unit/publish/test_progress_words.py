import pytest

from membudget.core.progress import Doing, ProgressStep, Stage
from membudget.publish.progress_words import elapsed_words, left_words, share_words, stage_words, step_words


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (ProgressStep("api", Doing.BUILD, "base"), "building base"),
        (ProgressStep("api", Doing.READ), "reading layers"),
        (ProgressStep("api", Doing.WARM_UP, "head"), "head, warm-up"),
        (ProgressStep("api", Doing.TRIAL, "head", number=2, most=3), "head, trial 2 of 3"),
        (ProgressStep("api", Doing.TRIAL, number=2, most=3), "trial 2 of 3"),
        (
            ProgressStep("api", Doing.TRIAL, "base", number=4, most=10, is_extra=True),
            "base, trial 4 of up to 10, not 99 % certain yet",
        ),
        (ProgressStep("api", Doing.TRY, number=2), "run 2"),
        (ProgressStep("api", Doing.SEARCH, "at 64.0 MiB", number=2, most=9), "at 64.0 MiB, search 2 of up to 9"),
        (ProgressStep("api", Doing.PROVE, "at 64.0 MiB", number=2, most=10), "at 64.0 MiB, confirming 2 of 10"),
        (ProgressStep("api", Doing.PROFILE, "head"), "head, profiled trial"),
        (
            ProgressStep("api", Doing.PROFILE, "head", is_extra=True),
            "head, profiled trial without the profiler's options",
        ),
        (
            ProgressStep("api", Doing.ALLOCATOR, "head", number=1, most=2),
            "head, freed memory returned, trial 1 of up to 2",
        ),
        (ProgressStep("api", Doing.CONFIRM, "base"), "base, trial to confirm cached results"),
    ],
)
def test_each_step_has_its_words(step: ProgressStep, words: str) -> None:
    assert step_words(step) == words


def test_one_image_is_not_plural() -> None:
    assert stage_words(Stage.BUILDING, 1) == "Building 1 image"
    assert stage_words(Stage.BUILDING, 2) == "Building 2 images"
    assert share_words(Stage.MEASURING, 1, 4) == "Measuring 1 of 4 images"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds left"),
        (8.0, "about 10 s left"),
        (18.0, "about 20 s left"),
        (57.4, "about 55 s left"),
        (58.0, "about 1 min left"),
        (100.0, "about 2 min left"),
        (5_900.0, "about 98 min left"),
        (7_000.0, "about 2 h left"),
    ],
)
def test_the_time_left_is_rounded(seconds: float, words: str) -> None:
    assert left_words(seconds) == words


def test_time_that_passed_is_told_in_whole_seconds() -> None:
    assert elapsed_words(0.9) == "0 s"
    assert elapsed_words(59.9) == "59 s"
    assert elapsed_words(65) == "1 min 05 s"
