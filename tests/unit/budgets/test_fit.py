"""The keys of `fit`."""

import pytest
from pydantic import TypeAdapter, ValidationError

from membudget.budgets.file import parse_budgets
from membudget.budgets.fit import FitSettings, LastFit
from membudget.core.errors import BudgetsFileError
from membudget.core.quantities import MIB


def fit_of(text: str, defaults: str = "") -> FitSettings:
    file = f'version = 1\n[defaults]\nlimit = "64MiB"\n{defaults}\n[images.api]\n{text}\n'
    return parse_budgets(file, "budgets.toml").images["api"].fit


def test_thresholds_have_defaults() -> None:
    fit = fit_of("")
    assert (fit.headroom, fit.cpu, fit.latency, fit.refaults, fit.stalled) == (15, 5, 10, 4 * MIB, 1)
    assert fit.last is None


def test_an_image_overrides_the_defaults_key_by_key() -> None:
    fit = fit_of("fit = { cpu = 7 }", "fit = { cpu = 20, latency = 30 }")
    assert (fit.cpu, fit.latency, fit.headroom) == (7, 30, 15)


def test_the_comfortable_limit_is_what_is_needed() -> None:
    survives = 'fit = { survives = "30MiB"'
    assert fit_of(f"{survives} }}").last == LastFit(30 * MIB, 30 * MIB, 15)
    comfortable = fit_of(f'{survives}, comfortable = "40MiB", peak_rss = "28MiB", headroom = 20 }}')
    assert comfortable.last == LastFit(30 * MIB, 40 * MIB, 20, 28 * MIB)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("fit = { headroom = -1 }", "images.api.fit.headroom"),
        ("fit = { stalled = 101 }", "images.api.fit.stalled"),
        ('fit = { survives = "40MiB", comfortable = "30MiB" }', "images.api.fit"),
        ("fit = { cpus = 1 }", "images.api.fit.cpus"),
    ],
)
def test_impossible_settings_are_errors(text: str, key: str) -> None:
    with pytest.raises(BudgetsFileError, match=key):
        fit_of(text)


def test_results_of_one_image_are_no_defaults() -> None:
    with pytest.raises(BudgetsFileError, match=r"defaults\.fit\.survives"):
        fit_of("", 'fit = { survives = "30MiB" }')


@pytest.mark.parametrize("headroom", ["1e400", "NaN", "-1", "1001"])
def test_a_report_cannot_have_an_impossible_fit(headroom: str) -> None:
    """A stranger may have written it, and arithmetic with infinity fails."""
    text = f'{{"survives_bytes": 1, "needed_bytes": 1, "headroom_percent": {headroom}}}'
    with pytest.raises(ValidationError):
        TypeAdapter(LastFit).validate_json(text)
