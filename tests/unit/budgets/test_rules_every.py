"""`every = true`: where it may stand, and what it becomes."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import rules, tightest
from membudget.budgets.loosening import Approval
from membudget.budgets.rules import NO_BUDGET, EffectiveBudget, effective_budgets, effective_phase_budgets
from membudget.core.errors import BudgetsFileError
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB


def parsed(image: str, more: str = "") -> Budgets:
    workload = 'workload = { kind = "exec", commands = [["true"]] }'
    text = f'version = 1\n[images.api]\nlimit = "128MiB"\n{workload}\n{image}\n{more}'
    return budgets_file.parse_budgets(text, "budgets.toml")


def test_it_holds_for_maxima_and_headroom_of_images_and_phases() -> None:
    api = parsed(
        """
        budgets.peak_rss = { max = "96MiB", every = true }
        budgets.settled_rss = { headroom = "25%", every = true }
        budgets.startup_time = { max = "5s", every = true }
        phases.settle.peak_rss = { max = "64MiB", every = true }
        """
    ).images["api"]
    budgets = effective_budgets(api)
    assert budgets[Metric.PEAK_RSS] == EffectiveBudget(96 * MIB, every=True)
    assert budgets[Metric.SETTLED_RSS] == EffectiveBudget(below_limit=96 * MIB, every=True)
    assert budgets[Metric.STARTUP_TIME] == EffectiveBudget(5000, every=True)
    assert effective_phase_budgets(api)["settle"][Metric.PEAK_RSS] == EffectiveBudget(64 * MIB, every=True)
    assert effective_phase_budgets(api)["settle"][Metric.PEAK_MEMORY] == NO_BUDGET


@pytest.mark.parametrize("off", ["false", '"null"'])
def test_an_image_switches_off_what_the_defaults_set(off: str) -> None:
    defaults = '[defaults.budgets]\npeak_rss = { max = "96MiB", every = true }\n'
    assert effective_budgets(parsed("", defaults).images["api"])[Metric.PEAK_RSS].every
    off_here = parsed(f"budgets.peak_rss.every = {off}", defaults).images["api"]
    assert effective_budgets(off_here)[Metric.PEAK_RSS] == EffectiveBudget(96 * MIB)


@pytest.mark.parametrize(
    ("image", "more", "said"),
    [
        ('budgets.image_size = { max = "1GiB", every = true }', "", "api.budgets.image_size.every: does not apply"),
        ('budgets.rss_per_connection = { max = "1KiB", every = true }', "", "connection.every: does not apply"),
        ('budgets.swap_peak = { max = "1KiB", every = true }', "", "swap_peak.every: does not apply"),
        ("budgets.peak_rss = { every = true }", "", "images.api.budgets.peak_rss.every: needs a maximum"),
        ("phases.settle.peak_rss = { every = true }", "", "phases.settle.peak_rss.every: needs a maximum"),
        ("", '[groups.all.total]\npeak_rss = { max = "1GiB", every = true }', "total.peak_rss.every: does not apply"),
        ("budgets.oom_kills = { max = 0, every = true }", "", "oom_kills.every"),
        ('budgets.peak_rss = { max = "1MiB", every = 1 }', "", "peak_rss.every"),
    ],
)  # fmt: skip
def test_where_it_says_nothing_it_is_refused(image: str, more: str, said: str) -> None:
    with pytest.raises(BudgetsFileError) as refused:
        parsed(image, more)
    assert said in str(refused.value)


STRICT = 'budgets.peak_rss = { max = "96MiB", every = true }'
LOOSE = 'budgets.peak_rss.max = "96MiB"'


@pytest.mark.parametrize("dropped", [LOOSE, LOOSE.replace("max", "every = false\nbudgets.peak_rss.max")])
def test_dropping_it_is_a_loosening_and_counts_once_approved(dropped: str) -> None:
    base, head = parsed(STRICT), parsed(dropped)
    guarded = rules(head, base, Approval.MISSING)
    assert [(one.key, one.before, one.after) for one in guarded.loosened] == [
        ("budgets.peak_rss.every", "true", "false")
    ]
    assert guarded.images["api"].budgets[Metric.PEAK_RSS].every
    assert not rules(head, base, Approval.GIVEN).images["api"].budgets[Metric.PEAK_RSS].every


def test_adding_it_counts_at_once() -> None:
    guarded = rules(parsed(STRICT), parsed(LOOSE), Approval.MISSING)
    assert guarded.loosened == ()
    assert guarded.images["api"].budgets[Metric.PEAK_RSS].every


def test_the_stricter_of_two_budgets_is_about_every_trial() -> None:
    assert tightest(EffectiveBudget(10, every=True), EffectiveBudget(5)) == EffectiveBudget(5, every=True)
    assert tightest(EffectiveBudget(10), EffectiveBudget(5, every=True)) == EffectiveBudget(5, every=True)
