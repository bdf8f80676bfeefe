"""What the page draws of a fit."""

from dataclasses import replace
from typing import Any, cast

import pytest

from membudget.advise.fit import ImageFit
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.report.page.fitted_data import fitted_data, limits_data
from membudget.report.page.page import render
from tests.fakes.fitted import fitted_image, pressed
from tests.fakes.fitted import report as fit_report
from tests.fakes.limited_services import tried
from tests.support.builders import image, side, trial
from tests.support.golden import assert_golden
from tests.unit.report.outcomes import fitted


def data(measured: ImageMeasurement) -> dict[str, Any]:
    return cast("dict[str, Any]", fitted_data(measured))


def fitted_side() -> SideMeasurement:
    return replace(side(trial(38)), fitted=fitted_image("api", pressed))


def test_an_image_without_a_fit_has_none() -> None:
    assert fitted_data(image(base=side(trial(40)), head=side(trial(40)))) is None
    assert fitted_data(image(head=None, base=None)) is None


def test_each_limit_has_a_point_and_a_row_in_the_same_order() -> None:
    made = data(image(base=side(trial(40)), head=fitted_side()))
    words = [row[0] for row in made["rows"]]
    assert words[-1] == "no limit"
    assert [f"{limit / MIB:.1f} MiB" for limit, *_ in made["points"]] == words[:-1]
    costs = [point[2] for point in made["points"] if point[1]]
    assert costs == sorted(costs, reverse=True), "the less memory, the more CPU time"
    assert [point[2:] for point in made["points"] if not point[1]] == [[None, None]]


def test_both_answers_are_marks() -> None:
    made = data(image(base=side(trial(40)), head=fitted_side()))
    assert [words for _, words in made["marks"]] == ["survives at 38.5 MiB", "comfortable at 47.2 MiB"]


def test_the_fit_of_the_base_alone_is_called_that() -> None:
    made = data(image(base=fitted_side(), head=side(trial(40))))
    assert made["answers"][0][:2] == [["api"], " of the base"]
    made = data(image(base=fitted_side(), head=fitted_side()))
    assert "of the base" not in made["answers"][0][1]


def test_limits_that_cannot_be_compared_have_no_curve() -> None:
    (found,) = fit_report(ImageFit("api", None, (tried(64 * MIB), tried(None)))).images
    made = limits_data(found, ())
    assert (made["points"], made["marks"]) == ([], [])


@pytest.mark.thorough
def test_a_page_tells_it_once() -> None:
    text = render(fitted().judged())
    assert text.count("10 of 10 trials passed") == 2, "once for each image with a fit"


def test_the_fragment_of_the_page() -> None:
    measured = next(one for one in fitted().images if one.name == "api")
    made = data(measured)
    lines = [f"{key}: {value}" if not isinstance(value, list) else "\n  ".join([f"{key}:", *map(str, value)])
             for key, value in made.items()]  # fmt: skip
    assert_golden("page-fitted.txt", "\n".join(lines) + "\n")
