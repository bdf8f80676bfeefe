"""Creep budgets: as written, and what a pull request may change of them."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.creep import days_of
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import rules
from membudget.budgets.loosening import Approval
from membudget.budgets.rules import Creep, Tolerance
from membudget.core.errors import BudgetsFileError
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB

CREEP = 'creep = { since = "v1.2.0", percent = 10, floor = "5MiB" }'


def budgets(metric: str = f"peak_rss = {{ {CREEP} }}", rest: str = "") -> Budgets:
    text = f'version = 1\n[images.api]\nlimit = "64MiB"\n{rest}\n[images.api.budgets]\n{metric}\n'
    return budgets_file.parse_budgets(text, "budgets.toml")


def creep_of(found: Budgets, metric: Metric = Metric.PEAK_RSS) -> Creep | None:
    return rules(found, Budgets(), Approval.NOT_ASKED).images["api"].budgets[metric].creep


def test_growth_since_a_release_is_a_part_of_a_budget() -> None:
    assert creep_of(budgets()) == Creep("v1.2.0", Tolerance(10, 5 * MIB))
    warning = budgets(f"image_size = {{ {CREEP[:-2]}, on = 'warn' }} }}")
    assert creep_of(warning, Metric.IMAGE_SIZE) == Creep("v1.2.0", Tolerance(10, 5 * MIB), warns=True)
    slow = budgets('startup_time = { creep = { since = "90d", percent = 10, floor = "1s" } }')
    assert creep_of(slow, Metric.STARTUP_TIME) == Creep("90d", Tolerance(10, 1000))


@pytest.mark.parametrize("since", ["last-tag", "90d", "1d", "v1.2.0", "release/2026_11", "0123abcd", "main"])
def test_it_starts_at_a_tag_a_date_or_a_commit(since: str) -> None:
    found = creep_of(budgets(f"peak_rss = {{ {CREEP.replace('v1.2.0', since)} }}"))
    assert found is not None
    assert found.since == since


@pytest.mark.parametrize("since", ["", "--all", "a b", "HEAD~3", "@octocat", "www.example.com", "a`b", "x" * 300])
def test_it_starts_nowhere_else(since: str) -> None:
    with pytest.raises(BudgetsFileError, match=r"creep\.since"):
        budgets(f"peak_rss = {{ {CREEP.replace('v1.2.0', since)} }}")


@pytest.mark.parametrize(
    "metric", [f"oom_kills = {{ {CREEP} }}", f"requests_per_second = {{ {CREEP} }}", f"image_layers = {{ {CREEP} }}"]
)
def test_counts_and_rates_have_none(metric: str) -> None:
    with pytest.raises(BudgetsFileError, match=r"creep: unknown key"):
        budgets(metric)


def test_phases_have_none() -> None:
    with pytest.raises(BudgetsFileError, match=r"phases\.settle\.peak_rss\.creep: unknown key"):
        budgets(rest=f"phases.settle.peak_rss = {{ {CREEP} }}")


def test_days_are_told_from_names() -> None:
    assert [days_of(since) for since in ("90d", "9999d", "0d", "d", "90", "90days")] == [
        90,
        9999,
        None,
        None,
        None,
        None,
    ]


LOOSER = [
    ("percent = 10", "percent = 11", "creep.percent"),
    ('floor = "5MiB"', 'floor = "6MiB"', "creep.floor"),
    ("percent = 10", 'percent = 10, on = "warn"', "creep.on"),
    ("v1.2.0", "v1.3.0", "creep.since"),
    ("v1.2.0", "90d", "creep.since"),
]


@pytest.mark.parametrize(("before", "after", "key"), LOOSER)
def test_looser_creep_needs_approval(before: str, after: str, key: str) -> None:
    base = budgets()
    head = budgets(f"peak_rss = {{ {CREEP.replace(before, after)} }}")
    found = rules(head, base, Approval.MISSING)
    assert [one.key for one in found.loosened] == [f"budgets.peak_rss.{key}"]
    assert found.images["api"].budgets[Metric.PEAK_RSS].creep == creep_of(base)
    assert rules(head, base, Approval.GIVEN).images["api"].budgets[Metric.PEAK_RSS].creep == creep_of(head)


def test_creep_that_is_taken_away_still_counts() -> None:
    found = rules(budgets('peak_rss = { max = "60MiB" }'), budgets(), Approval.MISSING)
    keys = {one.key for one in found.loosened}
    assert keys == {f"budgets.peak_rss.creep.{key}" for key in ("percent", "floor", "on")}
    assert found.images["api"].budgets[Metric.PEAK_RSS].creep == Creep("v1.2.0", Tolerance(10, 5 * MIB))


def test_stricter_creep_counts_at_once() -> None:
    head = budgets(f"peak_rss = {{ {CREEP.replace('10', '5')} }}")
    found = rules(head, budgets(), Approval.MISSING)
    assert found.loosened == ()
    assert found.images["api"].budgets[Metric.PEAK_RSS].creep == Creep("v1.2.0", Tolerance(5, 5 * MIB))
    assert rules(budgets(), budgets('peak_rss = { max = "60MiB" }'), Approval.MISSING).images["api"].budgets[
        Metric.PEAK_RSS
    ].creep == Creep("v1.2.0", Tolerance(10, 5 * MIB))
