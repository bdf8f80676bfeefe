import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget, Tolerance, effective_budgets, image_rules
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB


def test_budgets_are_plain_numbers_and_every_metric_has_one() -> None:
    api = budgets_file.parse(
        """
        version = 1
        [images.api]
        limit = "128MiB"
        budgets.peak_rss = { max = "64MiB", growth = { percent = "2.5%", floor = "2MiB" } }
        budgets.image_size.max = "100MB"
        budgets.peak_memory.growth = { percent = 0, floor = "1KiB" }
        budgets.startup_time.max = "2.5s"
        budgets.rss_per_connection = "64KiB"
        """,
        "budgets.toml",
    )["api"]
    assert effective_budgets(api) == dict.fromkeys(Metric, NO_BUDGET) | {
        Metric.IMAGE_SIZE: EffectiveBudget(100_000_000),
        Metric.PEAK_RSS: EffectiveBudget(64 * MIB, Tolerance(2.5, 2 * MIB)),
        Metric.PEAK_MEMORY: EffectiveBudget(None, Tolerance(0, 1024)),
        Metric.OOM_KILLS: EffectiveBudget(0),
        Metric.STARTUP_TIME: EffectiveBudget(2500),
        Metric.RSS_PER_CONNECTION: EffectiveBudget(65_536),
    }


@pytest.mark.parametrize(
    ("budget", "depends"),
    [
        ('startup_time.max = "2s"', True),
        ('cpu_seconds.growth = { percent = 5, floor = "1s" }', True),
        ('peak_rss.max = "64MiB"', False),
        ("oom_kills.max = 1", False),
    ],
)
def test_only_budgets_for_times_depend_on_the_pace_of_the_machine(budget: str, depends: bool) -> None:
    text = f'version = 1\n[images.api]\nlimit = "128MiB"\nbudgets.{budget}\n'
    assert image_rules(budgets_file.parse(text, "budgets.toml")["api"]).judges_pace is depends


def test_only_a_budget_that_says_something_is_set() -> None:
    assert not NO_BUDGET.is_set
    assert EffectiveBudget(0).is_set
    assert EffectiveBudget(None, Tolerance(0, 0)).is_set


@pytest.mark.parametrize(
    ("budget", "asks"),
    [
        ("live_heap = { max = '1MiB' }", True),
        ("live_heap = { growth = { percent = 2, floor = '1MiB' } }", True),
        ("live_heap = 'null'", False),
        ("settled_rss = { max = '1MiB' }", False),
    ],
)
def test_runtimes_are_asked_only_if_a_budget_wants_it(budget: str, asks: bool) -> None:
    text = f'version = 1\n[images.api]\nlimit = "128MiB"\nbudgets.{budget}\n'
    assert image_rules(budgets_file.parse(text, "budgets.toml")["api"]).asks_live_heap is asks
