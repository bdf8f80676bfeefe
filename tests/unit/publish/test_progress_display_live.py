"""What the terminal shows of the trial that runs."""

import io
from contextlib import ExitStack

from rich.console import Console

from membudget.publish.progress_display import TerminalProgress, _LiveColumn


def test_phase_and_memory_stand_beside_the_step() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))
    with progress.stage("Measuring", 2, lambda: "steady 42.1 MiB"), progress.working("api (head), trial 1 of 1"):
        pass
    assert "api (head), trial 1 of 1" in screen.getvalue()
    assert "steady 42.1 MiB" in screen.getvalue()


def test_who_samples_is_asked_twice_a_second_at_most() -> None:
    asked: list[str] = []

    def live() -> str:
        asked.append("now")
        return "steady 1.0 MiB"

    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    column = _LiveColumn(live)
    progress = TerminalProgress(screen)
    with progress.stage("Measuring", 1):
        assert progress._bars is not None
        for _ in range(5):
            assert str(column.render(progress._bars.tasks[0])) == "· steady 1.0 MiB"
    assert len(asked) == 1


def test_all_that_is_at_work_is_shown_and_what_is_done_counts() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=160))
    with progress.stage("Building", 5):
        with progress.working("api (base)"), progress.working("web (base)"):
            assert progress._bars is not None
            (task,) = progress._bars.tasks
            assert (task.description, task.completed) == ("api (base) | web (base)", 0)
        assert task.completed == 2
        with ExitStack() as stack:
            for number in range(5):
                stack.enter_context(progress.working(f"i{number}"))
            assert task.description == "i0 | i1 | i2 and 2 more"
