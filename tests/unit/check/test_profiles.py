"""When base and head are profiled, and that nothing of it changes a verdict."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.rules import EffectiveBudget
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import Pair, Subject
from membudget.check.profiles import Moment, moment_of, with_profile
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Live, Stage, Step, nothing
from membudget.core.quantities import MIB
from membudget.judge.image import judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence
from membudget.judge.metric import Verdict
from membudget.measure.pod_plan import PodPlan
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy, ProfiledSide
from membudget.measure.profiling.order import Profiling
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from tests.support import builders
from tests.support.runtimes import clues, process

PROFILE = ProfiledSide(HeapProfile.of(ProfiledBy.TRACEMALLOC, [((Frame("f"),), 5)]), rss_bytes=90 * MIB)


class Profiles:
    """Profiles as the test says."""

    def __init__(self, error: EnvironmentFault | None = None) -> None:
        self.error = error
        self.ran: list[tuple[TrialSpec, Profiling]] = []

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledSide:
        self.ran.append((spec, order))
        if self.error is not None:
            raise self.error
        return PROFILE


class Steps:
    """Progress that writes its steps down."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> AbstractContextManager[None]:
        raise NotImplementedError

    def image(self, name: str) -> AbstractContextManager[None]:
        raise NotImplementedError

    def step(self, step: Step) -> AbstractContextManager[None]:
        self.steps.append(step)
        return nullcontext()

    def output(self, line: str) -> None:
        raise NotImplementedError

    def note(self, text: str) -> None:
        raise NotImplementedError


def trial(rss: float, program: str = "/usr/bin/python3.11") -> Trial:
    return replace(builders.trial(rss), snapshot=builders.snapshot(process(clues(program)), rss=rss))


def subject(extra: str = "", inputs: TrialInputs | None = None) -> Subject:
    spec = budgets_file.parse(f'version = 1\n[images.api]\nlimit = "256MiB"\n{extra}', "t")["api"]
    built = {Side.BASE: BuiltImage("base", "tag", "base"), Side.HEAD: BuiltImage("head", "tag", "head")}
    return Subject(Pair("api", Presence.BOTH, spec, spec), built, inputs or TrialInputs())


def measured(base: float = 40, head: float = 90) -> ImageMeasurement:
    allowed = builders.budgets(max_rss=60)
    return builders.image(
        "api", base=builders.side(*[trial(base)] * 3), head=builders.side(*[trial(head)] * 3), allowed=allowed
    )


def profiled(
    found: ImageMeasurement, profiles: Profiles, of: Subject | None = None, *, is_asked: bool = False
) -> ImageMeasurement:
    return with_profile(of or subject(), found, profiles, Steps(), is_asked=is_asked)


def test_both_sides_are_profiled_near_their_own_peaks() -> None:
    profiles, steps = Profiles(), Steps()
    found = with_profile(subject(), measured(), profiles, steps, is_asked=False)
    assert found.profile is not None
    assert (found.profile.base, found.profile.head) == (PROFILE, PROFILE)
    assert [(spec.image_id, order.trigger_bytes) for spec, order in profiles.ran] == [
        ("base", 40 * MIB), ("head", 90 * MIB),
    ]  # fmt: skip
    assert {order.profiler for _, order in profiles.ran} == {TRACEMALLOC}
    assert {(order.program, order.is_of_settled) for _, order in profiles.ran} == {("python3.11", False)}
    assert [(step.doing, step.side, step.left) for step in steps.steps] == [
        (Doing.PROFILE, "base", 1), (Doing.PROFILE, "head", 0),
    ]  # fmt: skip


def test_nothing_of_it_changes_the_judgement() -> None:
    found = measured()
    with_one = profiled(found, Profiles())
    assert judge_image(with_one) == judge_image(found)
    assert replace(with_one, profile=None) == found


@pytest.mark.parametrize("error", [EngineLost("it stopped"), EnvironmentFault("no memory " + "x" * 1000)])
def test_a_failure_is_a_reason(error: EnvironmentFault) -> None:
    found = profiled(measured(), Profiles(error))
    assert found.profile is not None
    for side in (found.profile.base, found.profile.head):
        assert side is not None
        assert side.profile is None
        assert side.reason is not None
        assert error.what.startswith(side.reason[:9])
    assert judge_image(found).verdict is Verdict.FAIL


def test_a_kept_budget_is_profiled_only_on_demand() -> None:
    kept = measured(head=41)
    assert profiled(kept, Profiles()).profile is None
    assert profiled(kept, Profiles(), is_asked=True).profile is not None


def test_an_image_can_switch_it_off() -> None:
    off = subject("profile = false")
    assert profiled(measured(), Profiles(), off, is_asked=True).profile is None


def test_what_did_not_run_is_not_profiled() -> None:
    unchanged = replace(measured(), is_unchanged=True)
    removed = replace(measured(), head=None)
    without_trials = replace(measured(), head=builders.side(failure=Failure(FailureStage.WORKLOAD, "broken")))
    for found in (unchanged, removed, without_trials):
        assert profiled(found, Profiles(), is_asked=True).profile is None


def test_a_base_without_trials_has_a_reason_and_a_new_image_no_base() -> None:
    broken = replace(measured(), base=builders.side(failure=Failure(FailureStage.BUILD, "broken")))
    found = profiled(broken, Profiles()).profile
    assert found is not None
    assert found.base is not None
    assert (found.base.profile, found.head) == (None, PROFILE)
    new = profiled(replace(measured(), base=None, presence=Presence.NEW), Profiles()).profile
    assert new is not None
    assert (new.base, new.head) == (None, PROFILE)


def test_a_runtime_without_a_profiler_has_a_reason() -> None:
    found = replace(measured(), head=builders.side(*[trial(90, "/usr/sbin/nginx")] * 3))
    profiles = Profiles()
    profile = profiled(found, profiles).profile
    assert profile is not None
    assert profile.head is not None
    assert profile.head.profile is None or [spec.image_id for spec, _ in profiles.ran] == ["base", "head"]


def test_what_a_compose_file_starts_is_not_started_otherwise() -> None:
    pod = PodPlan("api", (), {}, {}, {})
    profiles = Profiles()
    profiled(measured(), profiles, subject(inputs=TrialInputs(pod=pod)))
    assert all(order.profiler.prepare is None for _, order in profiles.ran)


@pytest.mark.parametrize(
    ("metric", "value", "moment"),
    [
        (Metric.PEAK_RSS, 90, Moment.PEAK),
        (Metric.OOM_KILLS, 1, Moment.PEAK),
        (Metric.SETTLED_RSS, 90, Moment.SETTLED),
        (Metric.IMAGE_SIZE, 900, None),
    ],
)
def test_the_broken_budget_says_when_the_profile_is_taken(metric: Metric, value: float, moment: Moment | None) -> None:
    one = trial(90) if metric is not Metric.OOM_KILLS else replace(builders.trial(90, oom_kills=1))
    size = value if metric is Metric.IMAGE_SIZE else 100
    image = builders.image(
        head=builders.side(one, one, one, size=size),
        base=builders.side(one, one, one),
        allowed={metric: EffectiveBudget(0)},
    )
    assert moment_of(judge_image(image)) is moment
