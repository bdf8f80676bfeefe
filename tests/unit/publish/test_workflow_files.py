"""The step's summary, outputs and annotations, as the runner reads them back."""

import io
from pathlib import Path

import pytest

from membudget.publish.workflow import MOST_ANNOTATIONS, WorkflowStep
from tests.support.workflow_log import HOSTILE, obeyed, outputs_of


class Step:
    """A step of a workflow, and what it left."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.summary = folder / "summary"
        self.outputs = folder / "outputs"
        self.log = io.StringIO()
        self.warnings: list[str] = []
        files = {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(self.outputs)}
        self.ours = WorkflowStep({**files, "GITHUB_ACTIONS": "true", **environ}, self.log, self.warnings.append)


def test_outputs_are_read_back_as_they_were_given(tmp_path: Path) -> None:
    step = Step(tmp_path)
    given = {
        "verdict": "pass",
        "report": "a path\nverdict=fail\nverdict<<X\nfail\nX\n",
        "verdict-api": "membudget_0",
        "verdict-a.b_c": "",
    }
    step.ours.outputs(given)
    assert outputs_of(step.outputs) == given
    assert step.log.getvalue() == ""


def test_outputs_of_an_earlier_command_stay(tmp_path: Path) -> None:
    step = Step(tmp_path)
    step.outputs.write_text("before=1\n")
    step.ours.outputs({"verdict": "fail"})
    step.ours.outputs({"report": "report.json"})
    assert outputs_of(step.outputs) == {"before": "1", "verdict": "fail", "report": "report.json"}


@pytest.mark.parametrize("name", ["a=1\nverdict", "verdict=pass", "a<<b", "", "two words", "é"])
def test_a_name_that_could_be_more_than_a_name_is_refused(tmp_path: Path, name: str) -> None:
    step = Step(tmp_path)
    with pytest.raises(ValueError, match="is no name of a step output"):
        step.ours.outputs({"verdict": "fail", name: "pass"})
    assert not step.outputs.exists()


def test_the_summary_is_appended(tmp_path: Path) -> None:
    step = Step(tmp_path)
    step.summary.write_text("# Before\n")
    step.ours.summary("### ❌ membudget\n")
    assert step.summary.read_text() == "# Before\n### ❌ membudget\n"


def test_annotations_end_where_github_stops_showing_them(tmp_path: Path) -> None:
    step = Step(tmp_path)
    for number in range(MOST_ANNOTATIONS + 5):
        step.ours.annotate(f"image{number}: over budget", "peak RSS over by 5.0 MiB")
    assert len(obeyed(step.log.getvalue())) == MOST_ANNOTATIONS


@pytest.mark.parametrize("text", HOSTILE)
def test_an_annotation_commands_nothing_else(tmp_path: Path, text: str) -> None:
    step = Step(tmp_path)
    step.ours.annotate(text, text)
    assert [name for name, _ in obeyed(step.log.getvalue())] == ["error"]


def test_outside_of_a_workflow_nothing_is_written(tmp_path: Path) -> None:
    step = Step(tmp_path, GITHUB_ACTIONS="", GITHUB_OUTPUT="", GITHUB_STEP_SUMMARY="")
    step.ours.summary("text")
    step.ours.outputs({"verdict": "pass"})
    step.ours.annotate("api", "over budget")
    assert (step.log.getvalue(), step.warnings, list(tmp_path.iterdir())) == ("", [], [])


def test_a_file_that_cannot_be_written_costs_a_line(tmp_path: Path) -> None:
    step = Step(tmp_path, GITHUB_OUTPUT=str(tmp_path), GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "folder"))
    step.ours.summary("text")
    step.ours.outputs({"verdict": "pass"})
    assert step.warnings == [
        "the step summary cannot be written: No such file or directory",
        "the step outputs cannot be written: Is a directory",
    ]
