import json

import pytest

from membudget.report.formats.judged_report import JudgedDocument, render
from membudget.report.report import Report
from tests.support.golden import assert_golden
from tests.support.hostile_report import hostile_report
from tests.unit.report.reports import REPORTS, guarded, no_base


def test_what_programs_read() -> None:
    made = no_base()
    assert_golden("judged-no-base.json", render(made.judged()))


@pytest.mark.thorough
@pytest.mark.parametrize("make", [*REPORTS.values(), hostile_report])
def test_it_is_what_it_says_it_is_and_commands_no_runner(make: object) -> None:
    assert callable(make)
    made: Report = make()
    text = render(made.judged())
    read = JudgedDocument.model_validate_json(text)
    assert read.verdict is made.judged().judgement.verdict
    assert [image.name for image in read.images] == [image.name for image in made.images]
    assert "##[" not in text


def test_loosened_budgets_that_nobody_approved_are_named() -> None:
    made = guarded()
    judged = json.loads(render(made.judged()))
    assert judged["unapproved"] == ["api.budgets.peak_rss.max", "all.total.image_size.growth.percent"]
    assert judged["groups"][0]["rows"][0]["metric"] == "image_size"
