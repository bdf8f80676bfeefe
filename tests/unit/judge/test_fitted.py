"""Figures of a fit, as reports store them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from membudget.judge.fitted import Cost, Discomfort, FittedImage
from membudget.publish.json_bounds import impossible_numbers
from tests.fakes.fitted import fitted_image, pressed

COST, IMAGE = TypeAdapter(Cost), TypeAdapter(FittedImage)


def test_what_is_written_is_read_again() -> None:
    image = fitted_image("api", pressed)
    assert IMAGE.validate_json(IMAGE.dump_json(image), strict=True) == image


@pytest.mark.parametrize("refaulted", [5 << 30, (40 << 40) + 1, 1 << 50])
def test_bytes_of_a_cost_are_whole_numbers_because_reports_have_no_fractions_as_large(refaulted: int) -> None:
    text = COST.dump_json(Cost(Discomfort.REFAULTS, float(refaulted)))
    assert not list(impossible_numbers(text))
    assert COST.validate_json(text, strict=True).at_limit == refaulted


@pytest.mark.parametrize("bad", ["1125899906842625", "-1", "2e13", "1e300", "NaN"])
def test_a_cost_that_nothing_has_is_refused(bad: str) -> None:
    text = COST.dump_json(Cost(Discomfort.REFAULTS, 7)).replace(b":7", f":{bad}".encode())
    assert bad.encode() in text

    def read() -> Cost:
        if list(impossible_numbers(text)):
            raise ValueError("as readers of reports refuse it")
        return COST.validate_json(text, strict=True)

    with pytest.raises(ValueError):  # noqa: PT011 - of either check
        read()


@pytest.mark.parametrize("bad", ['"passed":-1', '"passed":1e300', '"passed":2251799813685248'])
def test_figures_that_nothing_has_are_refused(bad: str) -> None:
    text = IMAGE.dump_json(fitted_image("api", pressed)).decode()
    with pytest.raises(ValidationError):
        IMAGE.validate_json(text.replace('"passed":3', bad), strict=True)


def test_a_growth_needs_something_to_compare_with() -> None:
    assert Cost(Discomfort.CPU, 150, 100).percent == 50
    assert Cost(Discomfort.STALLED, 3).percent is None
