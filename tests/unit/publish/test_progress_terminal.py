"""What a terminal shows while a check runs."""

import io
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from rich.console import Console

from membudget.core.progress import Doing, ProgressStep, Running, Stage
from membudget.core.quantities import MIB
from membudget.publish.progress_terminal import StageLines, TerminalProgress
from tests.unit.publish.test_time_left import Clock


def warm_up(image: str) -> ProgressStep:
    return ProgressStep(image, Doing.WARM_UP, "base", left=1)


def test_an_image_has_one_line_with_its_step_its_memory_and_its_time() -> None:
    clock = Clock()
    lines = StageLines(Stage.MEASURING, ["api"], lambda: [Running("api", "steady", 42 * MIB)], {}, clock)
    with lines.image("api"):
        with lines.step(warm_up("api")):
            clock.now += 10
        with lines.step(ProgressStep("api", Doing.TRIAL, "base", number=1, most=3)):
            clock.now += 2
            lines.ask()
            assert lines.lines(10) == [("api", "base, trial 1 of 3", "RSS 42.0 MiB, steady", "about 10 s left")]
    assert lines.heading() == "", "one line says it all"


def test_the_time_that_passed_is_shown_while_the_time_left_is_unknown() -> None:
    clock = Clock()
    lines = StageLines(Stage.BUILDING, ["api"], tuple, {"api": 99_000}, clock)
    with lines.image("api"), lines.step(ProgressStep("api", Doing.BUILD, "head")):
        clock.now += 12
        assert lines.lines(10) == [("api", "building head", "", "12 s")]


def test_images_wait_are_worked_on_and_are_done() -> None:
    clock = Clock()
    lines = StageLines(Stage.MEASURING, ["api", "web", "db"], tuple, {"web": 60_000, "db": 90_000}, clock)
    with lines.image("api"), lines.step(warm_up("api")):
        clock.now += 3
    with lines.image("web"), lines.step(warm_up("web")):
        assert lines.heading() == "Measuring 1 of 3 images, about 2 min left"
        assert lines.lines(10) == [
            ("api", "done", "", "3 s"),
            ("web", "base, warm-up", "", "about 1 min left"),
            ("db", "waiting", "", ""),
        ]


def test_on_a_small_terminal_those_at_work_are_shown() -> None:
    lines = StageLines(Stage.BUILDING, [f"i{number}" for number in range(100)], tuple, {})
    with ExitStack() as stack:
        for number in (3, 50, 99):
            stack.enter_context(lines.image(f"i{number}"))
        assert [line[0] for line in lines.lines(10)] == ["i3", "i50", "i99"]
        assert [line[0] for line in lines.lines(2)] == ["i3", "i50"]
    assert lines.heading() == "Building 3 of 100 images"


def test_the_sampler_is_asked_twice_a_second_at_most() -> None:
    asked: list[str] = []

    def live() -> Sequence[Running]:
        asked.append("now")
        return []

    clock = Clock()
    lines = StageLines(Stage.MEASURING, ["api"], live, {}, clock)
    for _ in range(20):
        clock.now += 0.1
        lines.ask()
    assert 3 <= len(asked) <= 4


def test_what_others_wrote_is_made_printable() -> None:
    lines = StageLines(Stage.MEASURING, ["a\x1b[2Jb"], lambda: [Running("a\x1b[2Jb", "p\x1b[31m", MIB)], {}, Clock())
    assert lines.lines(1)[0][0] == "ab"


def test_what_is_over_at_once_is_never_drawn() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))
    with (
        progress.stage(Stage.BUILDING, ["api"]),
        progress.image("api"),
        progress.step(ProgressStep("api", Doing.BUILD)),
    ):
        pass
    assert screen.getvalue() == ""


def test_a_note_outside_of_a_stage_is_printed() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))
    with progress.image("api"), progress.step(ProgressStep("api", Doing.BUILD)):
        progress.note("[bold]slow\nnetwork")
    assert "[bold]slow network" in screen.getvalue()


@pytest.mark.thorough
def test_more_images_than_lines_of_which_none_is_worked_on_are_counted() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))
    deadline = time.monotonic() + 10
    with progress.stage(Stage.BUILDING, [f"i{number}" for number in range(100)]):
        while "Building 0 of 100 images" not in screen.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
