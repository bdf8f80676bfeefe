from membudget.budgets import toml_file
from membudget.budgets.effective import NO_BUDGET, EffectiveBudget, Tolerance, effective_budgets
from membudget.metrics import Metric
from membudget.quantities import MIB


def test_budgets_are_plain_numbers_and_every_metric_has_one() -> None:
    api = toml_file.parse(
        """
        version = 1
        [images.api]
        limit = "128MiB"
        budgets.peak_rss = { max = "64MiB", growth = { percent = "2.5%", floor = "2MiB" } }
        budgets.image_size.max = "100MB"
        budgets.peak_memory.growth = { percent = 0, floor = "1KiB" }
        budgets.startup_time.max = "2.5s"
        """,
        "budgets.toml",
    )["api"]
    assert effective_budgets(api) == {
        Metric.IMAGE_SIZE: EffectiveBudget(100_000_000),
        Metric.PEAK_RSS: EffectiveBudget(64 * MIB, Tolerance(2.5, 2 * MIB)),
        Metric.PEAK_MEMORY: EffectiveBudget(None, Tolerance(0, 1024)),
        Metric.PEAK_WORKING_SET: NO_BUDGET,
        Metric.OOM_KILLS: EffectiveBudget(0),
        Metric.STARTUP_TIME: EffectiveBudget(2500),
        **dict.fromkeys((Metric.SETTLED_RSS, Metric.SWAP_PEAK, Metric.MEMORY_PRESSURE, Metric.CPU_SECONDS), NO_BUDGET),
    }


def test_only_a_budget_that_says_something_is_set() -> None:
    assert not NO_BUDGET.is_set
    assert EffectiveBudget(0).is_set
    assert EffectiveBudget(None, Tolerance(0, 0)).is_set
