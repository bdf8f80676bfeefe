"""Exceptions: until when, for whom, and in which unit."""

from datetime import date

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.exceptions import expired, in_force
from membudget.core.errors import BudgetsFileError
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB


def budgets(metric: str = "peak_rss", allow: str = '"80MiB"', until: str = "2026-12-31", image: str = "api") -> Budgets:
    return budgets_file.parse_budgets(
        f'version = 1\n[images.api]\nlimit = "128MiB"\n[[exceptions]]\nimage = "{image}"\nmetric = "{metric}"\n'
        f'allow = {allow}\nuntil = {until}\nreason = "because"\n',
        "budgets.toml",
    )


@pytest.mark.parametrize(
    ("today", "holds", "ends_soon"),
    [
        (date(2026, 12, 1), True, False),
        (date(2026, 12, 17), True, False),
        (date(2026, 12, 18), True, True),
        (date(2026, 12, 31), True, True),
        (date(2027, 1, 1), False, False),
    ],
)
def test_it_ends_by_date_and_says_so_two_weeks_before(today: date, holds: bool, ends_soon: bool) -> None:
    exceptions = budgets().exceptions
    found = in_force(exceptions, "api", today)
    assert (Metric.PEAK_RSS in found) is holds
    assert bool(expired(exceptions, "api", today)) is not holds
    if holds:
        assert found[Metric.PEAK_RSS].ends_soon is ends_soon
        assert found[Metric.PEAK_RSS].allow == 80 * MIB
    assert in_force(exceptions, "web", today) == {}


@pytest.mark.parametrize(
    ("metric", "allow", "value"),
    [
        ("startup_time", '"5s"', 5000),
        ("oom_kills", "1", 1),
        ("image_size", '"1MB"', 10**6),
        ("latency_p99", '"2.5ms"', 2500),
        ("requests_per_second", "0.25", 250),
        ("requests_per_gib", "9000", 9_000_000),
    ],
)
def test_what_it_allows_is_in_the_metrics_own_unit(metric: str, allow: str, value: int) -> None:
    (one,) = budgets(metric, allow).exceptions
    assert one.allow == value


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metric": "peak"}, "exceptions.0.metric: invalid value (found: 'peak')"),
        ({"allow": "80"}, "exceptions.0.allow: invalid value (found: 80)"),
        ({"metric": "oom_kills", "allow": '"1"'}, "a whole number, 0 or more"),
        ({"metric": "oom_kills", "allow": "true"}, "a whole number, 0 or more"),
        ({"metric": "requests_per_second", "allow": '"1500"'}, "a number of requests a second, with at most three"),
        ({"metric": "requests_per_second", "allow": "-1"}, "a number of requests a second, with at most three"),
        ({"metric": "requests_per_second", "allow": "true"}, "a number of requests a second, with at most three"),
        ({"metric": "latency_p50", "allow": '"2.5"'}, 'a number with a unit: "850us", "2.5ms", "1s"'),
        ({"until": '"soon"'}, "exceptions.0.until: invalid value"),
        ({"image": "web"}, "exceptions.0.image: names an image that this file does not define (found: web)"),
    ],
)
def test_a_wrong_one_is_named(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(BudgetsFileError) as caught:
        budgets(**wrong)
    assert said in str(caught.value)


@pytest.mark.parametrize(("metric", "allow"), [("oom_kills", "1" + "0" * 30), ("peak_rss", '"99999999999999999TiB"')])
def test_an_exception_that_no_report_could_hold_is_refused(metric: str, allow: str) -> None:
    text = f"""
version = 1
[images.api]
limit = "128MiB"
[[exceptions]]
image = "api"
metric = "{metric}"
allow = {allow}
until = 2099-01-01
reason = "r"
"""
    with pytest.raises(BudgetsFileError, match="exceptions"):
        budgets_file.parse_budgets(text, "t")


def test_of_two_exceptions_the_one_that_allows_more_applies() -> None:
    (wide,), (narrow,) = (budgets("requests_per_second", allow).exceptions for allow in ("1000", "1200"))
    for both in ((wide, narrow), (narrow, wide)):
        assert in_force(both, "api", date(2026, 12, 1))[Metric.REQUESTS_PER_SECOND].allow == 1_000_000
