"""Progress in a workflow's log: groups of ours, and nothing of what builds print is obeyed."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from membudget.publish.progress_display import LogProgress, WorkflowProgress
from tests.support.workflow_log import HOSTILE, obeyed


@pytest.mark.parametrize("text", HOSTILE)
def test_a_workflow_obeys_our_groups_alone(text: str) -> None:
    stream = io.StringIO()
    progress = WorkflowProgress(stream)
    progress.note(text)
    with progress.stage("Build", 2):
        with progress.working("api base"):
            progress.output(text)
            progress.output(text)
            progress.note(text)
        with progress.working("api head"):
            progress.output(text)
    progress.note(text)
    assert [name for name, _ in obeyed(stream.getvalue())] == ["group", "endgroup"]


def test_a_note_shows_in_a_workflow() -> None:
    stream = io.StringIO()
    WorkflowProgress(stream).note("2 files have uncommitted changes")
    assert "note: 2 files have uncommitted changes\n" in stream.getvalue()


def test_a_failed_stage_closes_its_group() -> None:
    stream = io.StringIO()
    progress = WorkflowProgress(stream)

    def build() -> None:
        with progress.stage("Build", 1):
            progress.output("half a line")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert [name for name, _ in obeyed(stream.getvalue())] == ["group", "endgroup"]


def test_a_plain_log_has_one_line_a_step_and_none_of_what_builds_print() -> None:
    stream = io.StringIO()
    progress = LogProgress(stream)
    with progress.stage("Build", 2):
        with progress.working("api base"):
            progress.output("#5 RUN apt-get update")
        progress.note("slow\nnetwork")
    assert stream.getvalue() == "Build: 2 steps\n  api base\n  note: slow network\n"


@pytest.mark.parametrize("progress_class", [LogProgress, WorkflowProgress])
def test_lines_of_several_threads_stay_whole(progress_class: type[LogProgress | WorkflowProgress]) -> None:
    stream = io.StringIO()
    progress = progress_class(stream)

    def build(name: str) -> None:
        for number in range(50):
            with progress.working(f"{name} {number}"):
                progress.output(f"line {name}")
                progress.note(f"noted {name}")

    with progress.stage("Build", 2), ThreadPoolExecutor(4) as threads:
        list(threads.map(build, "abcd"))
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    for name in "abcd":
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {number}" for number in range(50)]
        assert lines.count(f"note: noted {name}") == 50
    if progress_class is WorkflowProgress:
        assert [command for command, _ in obeyed(stream.getvalue())] == ["group", "endgroup"]
