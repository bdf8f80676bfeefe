"""Progress in a workflow's log: groups of ours, and nothing of what builds print is obeyed."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from membudget.core.progress import Doing, ProgressStep, Stage
from membudget.publish.progress_display import LogProgress, QuietProgress, WorkflowProgress
from tests.support.workflow_log import HOSTILE, obeyed


@pytest.mark.parametrize("text", HOSTILE)
def test_a_workflow_obeys_our_groups_alone(text: str) -> None:
    stream = io.StringIO()
    progress = WorkflowProgress(stream)
    progress.note(text)
    with progress.stage(Stage.BUILDING, ["api"]), progress.image("api"):
        with progress.step(ProgressStep("api", Doing.BUILD, "base")):
            progress.output(text)
            progress.output(text)
            progress.note(text)
        with progress.step(ProgressStep("api", Doing.BUILD, "head")):
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
        with progress.stage(Stage.BUILDING, ["api"]):
            progress.output("half a line")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert [name for name, _ in obeyed(stream.getvalue())] == ["group", "endgroup"]


def test_a_plain_log_has_one_line_a_step_and_none_of_what_builds_print() -> None:
    stream = io.StringIO()
    progress = LogProgress(stream)
    with progress.stage(Stage.BUILDING, ["api", "web"]), progress.image("api"):
        with progress.step(ProgressStep("api", Doing.BUILD, "base")):
            progress.output("#5 RUN apt-get update")
        progress.note("slow\nnetwork")
    assert stream.getvalue() == "Building 2 images\n  api: building base\n  note: slow network\n"
    assert "\x1b" not in stream.getvalue()


def test_a_plain_log_tells_the_time_left_once_it_is_known_and_long() -> None:
    stream = io.StringIO()
    progress = LogProgress(stream, {"api": 120_000})
    with (
        progress.stage(Stage.MEASURING, ["api"]),
        progress.image("api"),
        progress.step(ProgressStep("api", Doing.WARM_UP)),
    ):
        pass
    assert stream.getvalue() == "Measuring 1 image\n  api: warm-up (about 2 min left)\n"


def test_a_workflows_log_tells_the_time_left_in_its_groups() -> None:
    stream = io.StringIO()
    progress = WorkflowProgress(stream, {"api": 120_000})
    search = ProgressStep("api", Doing.SEARCH, "at 64.0 MiB", number=2, most=10, left=20)
    with (
        progress.stage(Stage.BUILDING, ["api"]),
        progress.image("api"),
        progress.step(ProgressStep("api", Doing.BUILD)),
    ):
        pass
    with progress.stage(Stage.MEASURING, ["api"]), progress.image("api"), progress.step(search):
        pass
    assert stream.getvalue() == (
        "::group::Building 1 image\napi: building\n::endgroup::\n"
        "::group::Measuring 1 image\napi: at 64.0 MiB, search 2 of up to 10 (about 2 min left)\n::endgroup::\n"
    )


def test_a_stage_without_images_is_not_told() -> None:
    stream = io.StringIO()
    with LogProgress(stream).stage(Stage.BUILDING, []):
        pass
    assert stream.getvalue() == ""


def test_quiet_progress_prints_notes_alone() -> None:
    stream = io.StringIO()
    progress = QuietProgress(stream)
    with (
        progress.stage(Stage.BUILDING, ["api"]),
        progress.image("api"),
        progress.step(ProgressStep("api", Doing.BUILD)),
    ):
        progress.output("#5 RUN apt-get update")
        progress.note("sampled once a second")
    assert stream.getvalue() == "note: sampled once a second\n"


def test_a_workflow_has_a_group_a_stage() -> None:
    stream = io.StringIO()
    progress = WorkflowProgress(stream)
    with (
        progress.stage(Stage.MEASURING, ["api"]),
        progress.image("api"),
        progress.step(ProgressStep("api", Doing.WARM_UP)),
    ):
        pass
    assert stream.getvalue() == "::group::Measuring 1 image\napi: warm-up\n::endgroup::\n"


@pytest.mark.parametrize("progress_class", [LogProgress, WorkflowProgress])
def test_lines_of_several_threads_stay_whole(progress_class: type[LogProgress | WorkflowProgress]) -> None:
    stream = io.StringIO()
    progress = progress_class(stream)

    def build(name: str) -> None:
        for number in range(50):
            with progress.step(ProgressStep(f"{name} {number}", Doing.BUILD)):
                progress.output(f"line {name}")
                progress.note(f"noted {name}")

    with progress.stage(Stage.BUILDING, list("abcd")), ThreadPoolExecutor(4) as threads:
        list(threads.map(build, "abcd"))
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    for name in "abcd":
        steps = [f"{name} {number}: building" for number in range(50)]
        assert [line for line in lines if line.startswith(f"{name} ")] == steps
        assert lines.count(f"note: noted {name}") == 50
    if progress_class is WorkflowProgress:
        assert [command for command, _ in obeyed(stream.getvalue())] == ["group", "endgroup"]
