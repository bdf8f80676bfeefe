import dataclasses
import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from membudget.core.metrics import MetricValue
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.certificate import Certificate
from membudget.measure.probe.messages import HostSettings, SamplingEffort, Series
from membudget.measure.probe.process_use import FileUse, ProcessUse, Snapshot
from membudget.measure.trial import Phase, Trial
from membudget.report.report import Environment, Report
from tests.unit.report.reports import everything

_MEASUREMENTS = Path(__file__).parents[3] / "docs" / "measurements.md"


def test_a_report_comes_back_from_its_json_as_it_was() -> None:
    made = everything()
    assert Report.model_validate_json(made.model_dump_json()) == made


def test_each_side_has_metrics_of_the_promised_shape() -> None:
    document = json.loads(everything().model_dump_json())
    head = document["images"][0]["head"]
    keys = {
        "value",
        "unit",
        "precision",
        "reason",
        "at_most",
        "interval",
        "is_lower_bound",
        "is_less_precise",
        "at_least",
    }
    assert set(head["metrics"]["peak_rss"]) == keys
    assert head["metrics"]["peak_rss"] == {
        "value": 70 << 20, "unit": "bytes", "precision": "sampled, lower bound", "reason": None, "at_most": None,
            "interval": None, "is_lower_bound": False, "is_less_precise": False, "at_least": None,
    }  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["", "environment", "comparison"])
def test_an_unknown_key_is_refused(place: str) -> None:
    document = json.loads(everything().model_dump_json())
    (document[place] if place else document)["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate_json(json.dumps(document))


def test_outline_in_the_docs_names_every_key() -> None:
    outline = _outline()
    image = outline[outline.index("\nimages[]") : outline.index("\ngroups[]")]
    side = image[image.index("\n  base, head ") :]
    top = "\n".join(line for line in outline.splitlines() if not line.startswith(" "))
    assert set(Report.model_fields) <= _words(top)
    assert {field.name for field in dataclasses.fields(ImageMeasurement)} <= _words(image)
    assert {field.name for field in dataclasses.fields(SideMeasurement)} <= _words(side)


def test_sample_in_the_docs_has_every_key_of_a_trial() -> None:
    sample = _MEASUREMENTS.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    keys = set(re.findall(r'"(\w+)":', sample))
    models = (
        Trial,
        Phase,
        Series,
        Certificate,
        SamplingEffort,
        Snapshot,
        ProcessUse,
        FileUse,
        HostSettings,
        MetricValue,
    )
    named = {field.name for model in models for field in dataclasses.fields(model)} | set(Environment.model_fields)
    assert named - keys == set()


def _outline() -> str:
    """Return the outline of `report.json` in docs/measurements.md."""
    page = _MEASUREMENTS.read_text(encoding="utf-8")
    after = page[page.index("`report.json` (model: ") :]
    return after.split("```")[1]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
