from membudget.budgets import file as budgets_file
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget, Tolerance, effective_budgets
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


def test_only_a_budget_that_says_something_is_set() -> None:
    assert not NO_BUDGET.is_set
    assert EffectiveBudget(0).is_set
    assert EffectiveBudget(None, Tolerance(0, 0)).is_set
