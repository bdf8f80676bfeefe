from collections.abc import Mapping, Sequence

import pytest

from membudget.core.progress import Doing, ProgressStep
from membudget.publish.time_left import TimeLeft


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def estimate(images: Sequence[str], remembered_ms: Mapping[str, int] | None = None) -> tuple[TimeLeft, Clock]:
    clock = Clock()
    return TimeLeft(images, remembered_ms or {}, clock), clock


def run(left: TimeLeft, clock: Clock, step: ProgressStep, seconds: float) -> None:
    """A step that takes so long."""
    left.begin_step(step)
    clock.now += seconds
    left.end_step(step)


def trial(image: str, left: int) -> ProgressStep:
    return ProgressStep(image, Doing.TRIAL, "head", left=left)


def test_nothing_is_told_as_long_as_nothing_is_known() -> None:
    left, _ = estimate(["api"])
    assert left.of_all() is None
    left.begin("api")
    left.begin_step(trial("api", 3))
    assert left.of_image("api") is None
    assert left.of_all() is None


def test_trials_so_far_tell_how_long_the_others_take() -> None:
    left, clock = estimate(["api"])
    left.begin("api")
    run(left, clock, trial("api", 3), 10)
    left.begin_step(trial("api", 2))
    assert left.of_image("api") == pytest.approx(30)
    clock.now += 4
    assert left.of_image("api") == pytest.approx(26)
    clock.now += 40
    assert left.of_image("api") == pytest.approx(20), "the running trial takes longer than the one before"


def test_the_last_time_tells_until_the_first_trial_is_over() -> None:
    left, clock = estimate(["api"], {"api": 60_000})
    assert left.of_all() == pytest.approx(60)
    left.begin("api")
    clock.now += 10
    assert left.of_all() == pytest.approx(50)
    run(left, clock, trial("api", 1), 5)
    assert left.of_all() == pytest.approx(5)


def test_an_image_that_takes_longer_than_the_last_time_is_unknown() -> None:
    left, clock = estimate(["api"], {"api": 5_000})
    left.begin("api")
    clock.now += 6
    assert left.of_image("api") is None


def test_reading_layers_is_no_trial() -> None:
    left, clock = estimate(["api"])
    left.begin("api")
    run(left, clock, ProgressStep("api", Doing.READ), 10)
    assert left.of_image("api") is None


def test_one_unknown_image_makes_the_whole_unknown() -> None:
    left, clock = estimate(["api", "web"], {"web": 30_000})
    left.begin("api")
    assert left.of_all() is None
    run(left, clock, trial("api", 1), 10)
    assert left.of_all() == pytest.approx(40)


def test_images_that_run_side_by_side_share_the_time() -> None:
    left, _ = estimate(["a", "b", "c"], {"a": 30_000, "b": 20_000, "c": 15_000})
    left.begin("a")
    left.begin("b")
    assert left.of_all() == pytest.approx(35), "c follows b"


def test_an_image_that_is_done_needs_no_time() -> None:
    left, _ = estimate(["api"], {"api": 30_000})
    left.begin("api")
    left.end("api")
    assert left.of_all() == 0
