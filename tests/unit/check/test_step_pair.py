"""What a comparison of two commits asks for, and what it says about the growth of one metric."""

from dataclasses import replace

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets import guard
from membudget.budgets.entries import Budgets
from membudget.budgets.loosening import Approval
from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.build.revision import Commit, MainCommit, NoBase
from membudget.check.check import CheckRequest
from membudget.check.step_pair import MetricGrowth, compared, of_commits, of_image
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, SideMeasurement
from tests.support.builders import image, report, side, trial

FILE = """\
version = 1
[images.api]
limit = "64MiB"
trials = 3
budgets.peak_rss = { max = "10MiB", growth = { percent = 1, floor = "1MiB" } }
[images.web]
limit = "64MiB"
[groups.all]
total.peak_rss = { max = "1MiB" }
[[exceptions]]
image = "api"
metric = "peak_rss"
allow = "60MiB"
until = 2099-01-01
reason = "soon"
"""


def request() -> CheckRequest:
    rules = guard.rules(budgets_file.parse_budgets(FILE, "budgets.toml"), Budgets(), Approval.NOT_ASKED)
    return CheckRequest(Commit("a" * 40, ""), NoBase("none"), rules, {}, notes=("odd",), profiles=True)


def asked(metric: Metric = Metric.PEAK_RSS, *, profiles: bool = False) -> CheckRequest:
    found = of_image(request(), "api", metric, 4 * MIB, profiles=profiles)
    return of_commits(found, MainCommit("b" * 40, 1, "before"), MainCommit("c" * 40, 2, "after"))


def test_nothing_but_the_growth_of_one_metric_of_one_image_is_judged() -> None:
    """A maximum that is broken at both commits, a group or an exception say nothing about the step."""
    found = asked()
    assert (found.base, found.head) == (Commit("b" * 40, "before"), Commit("c" * 40, "after"))
    assert list(found.rules.images) == ["api"]
    assert found.needs_both, "a commit whose other side does not build is not run"
    assert found.base_images == found.head_images
    set_budgets = {metric: one for metric, one in found.rules.images["api"].budgets.items() if one.is_set}
    assert set_budgets == {Metric.PEAK_RSS: EffectiveBudget(tolerance=Tolerance(0.0, 4 * MIB))}
    assert (found.rules.groups, found.rules.exceptions, found.notes) == ({}, (), ())
    assert not found.rules.runtime_rules.switched_on
    assert not found.rules.memory_rules.switched_on


def test_there_are_enough_trials_to_prove_growth() -> None:
    trials = asked().rules.images["api"].spec.trials
    assert (trials.min, trials.max) == (3, 20)


def test_sizes_of_images_need_one_trial() -> None:
    trials = asked(Metric.IMAGE_SIZE).rules.images["api"].spec.trials
    assert (trials.min, trials.max) == (1, 1)


@pytest.mark.parametrize("profiles", [True, False])
def test_only_what_is_told_is_profiled(profiles: bool) -> None:
    found = asked(profiles=profiles)
    assert found.rules.images["api"].spec.profile is profiles
    assert not found.profiles, "and only if it grew"


TOLERATED = 4 * MIB


def measured(before: list[float], after: list[float], **more: object) -> ImageMeasurement:
    sides = {"base": side(*map(trial, before)), "head": side(*map(trial, after))}
    allowed = {Metric.PEAK_RSS: EffectiveBudget(tolerance=Tolerance(0.0, TOLERATED))}
    return replace(image(**sides, allowed=allowed), **more)  # type: ignore[arg-type]


def answer(one: ImageMeasurement) -> MetricGrowth:
    return compared(report(one).judged(), Metric.PEAK_RSS, TOLERATED).answer


FIVE = [40.0, 40.1, 40.2, 40.3, 40.4]


def test_growth_that_is_certain_is_growth() -> None:
    assert answer(measured(FIVE, [value + 8 for value in FIVE])) is MetricGrowth.GREW


def test_less_than_was_tolerated_is_steady() -> None:
    assert answer(measured(FIVE, [value + 2 for value in FIVE])) is MetricGrowth.STEADY
    assert answer(measured(FIVE, [value - 8 for value in FIVE])) is MetricGrowth.STEADY


def test_noise_leaves_the_answer_open_and_the_median_tells_where_it_tends() -> None:
    found = compared(report(measured([40, 41, 42, 60, 61], [43, 62, 63, 64, 65])).judged(), Metric.PEAK_RSS, TOLERATED)
    assert found.answer is not MetricGrowth.GREW
    assert found.seems_grown


def test_the_same_image_is_steady() -> None:
    assert answer(measured([], [], is_unchanged=True)) is MetricGrowth.STEADY


def failed(stage: FailureStage, *, of: str) -> ImageMeasurement:
    broken: SideMeasurement = side(failure=Failure(stage, "no such file"), size=None)
    one = measured(FIVE, FIVE)
    return replace(one, base=broken) if of == "base" else replace(one, head=broken)


@pytest.mark.parametrize("of", ["base", "head"])
@pytest.mark.parametrize("stage", [FailureStage.BUILD, FailureStage.WORKLOAD])
def test_a_commit_that_does_not_build_or_run_is_not_measured(stage: FailureStage, of: str) -> None:
    found = compared(report(failed(stage, of=of)).judged(), Metric.PEAK_RSS, TOLERATED)
    assert found.answer is MetricGrowth.NOT_MEASURED
    assert found.reason == f"{stage} failed: no such file"


@pytest.mark.parametrize("of", ["base", "head"])
def test_a_failure_of_the_engine_says_nothing_about_commits(of: str) -> None:
    with pytest.raises(EnvironmentFault, match="no such file") as raised:
        answer(failed(FailureStage.ENVIRONMENT, of=of))
    assert not isinstance(raised.value, EngineLost), "the next image may run"
    lost = side(failure=Failure(FailureStage.ENVIRONMENT, "it stopped", engine_lost=True), size=None)
    with pytest.raises(EngineLost, match="it stopped"):
        answer(replace(measured(FIVE, FIVE), head=lost))


def test_a_metric_without_a_value_is_not_measured() -> None:
    found = compared(report(measured(FIVE, FIVE)).judged(), Metric.LIVE_HEAP, TOLERATED)
    assert found.answer is MetricGrowth.NOT_MEASURED
    assert found.reason
