"""When base and head are profiled, and that nothing of it changes a verdict."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.rules import EffectiveBudget
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import BuiltPair, OwnRun, Pair
from membudget.check.profiles import profiled_at, with_profile
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Doing
from membudget.core.quantities import MIB
from membudget.judge.image import judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, OwnMeasurement, Presence
from membudget.judge.metric import Verdict
from membudget.measure.pod_plan import PodPlan
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy, ProfiledSide
from membudget.measure.profiling.interpreter import Interpreter, Libc
from membudget.measure.profiling.jvm_profile import FLIGHT_RECORDER
from membudget.measure.profiling.mappings import SMAPS
from membudget.measure.profiling.order import ProfiledAt, ProfiledTrial, Profiling
from membudget.measure.trial import PhaseName, Trial, TrialInputs, TrialSpec
from tests.support import builders
from tests.support.runtimes import clues, process
from tests.support.steps import Steps

PROFILE = ProfiledSide(HeapProfile.of(ProfiledBy.TRACEMALLOC, [((Frame("f"),), 5)]), rss_bytes=90 * MIB)
FAILED = ProfiledSide(None, "its trial failed: the container exited with code 1")


class Profiles:
    """Profiles as the test says."""

    def __init__(self, error: EnvironmentFault | None = None, *, starts_only_unprepared: bool = False) -> None:
        self.error = error
        self.starts_only_unprepared = starts_only_unprepared
        self.ran: list[tuple[TrialSpec, Profiling]] = []

    def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
        return f"nobody fetches memray for Python 3.{interpreter.minor} here"

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        self.ran.append((spec, order))
        if self.error is not None:
            raise self.error
        if self.starts_only_unprepared and order.profiler.prepare is not None:
            return ProfiledTrial(FAILED, failed_to_start=True)
        return ProfiledTrial(PROFILE)


def trial(rss: float, program: str = "/usr/bin/python3.11", *libraries: str) -> Trial:
    return replace(builders.trial(rss), snapshot=builders.snapshot(process(clues(program, *libraries)), rss=rss))


def subject(extra: str = "", inputs: TrialInputs | None = None) -> BuiltPair:
    spec = budgets_file.parse(f'version = 1\n[images.api]\nlimit = "256MiB"\n{extra}', "t")["api"]
    built = {Side.BASE: BuiltImage("base", "tag", "base"), Side.HEAD: BuiltImage("head", "tag", "head")}
    return BuiltPair(Pair("api", Presence.BOTH, spec, spec), built, inputs or TrialInputs())


def measured(base: float = 40, head: float = 90) -> ImageMeasurement:
    allowed = builders.budgets(max_rss=60)
    return builders.image(
        "api", base=builders.side(*[trial(base)] * 3), head=builders.side(*[trial(head)] * 3), allowed=allowed
    )


def profiled(
    found: ImageMeasurement, profiles: Profiles, of: BuiltPair | None = None, *, is_asked: bool = False
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
    assert {(order.program, order.at) for _, order in profiles.ran} == {("python3.11", ProfiledAt.PEAK)}
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


def test_any_other_program_is_profiled_by_its_mappings() -> None:
    found = replace(measured(), head=builders.side(*[trial(90, "/usr/sbin/nginx")] * 3))
    profiles = Profiles()
    profiled(found, profiles)
    assert [(spec.image_id, order.profiler) for spec, order in profiles.ran] == [
        ("base", TRACEMALLOC), ("head", SMAPS),
    ]  # fmt: skip


def test_what_a_compose_file_starts_has_the_same_profiler() -> None:
    ran = []
    for pod in (None, PodPlan("api", (), {}, {}, {})):
        profiles = Profiles()
        profiled(measured(), profiles, subject(inputs=TrialInputs(pod=pod)))
        ran.append([order for _, order in profiles.ran])
    assert ran[0] == ran[1] != []


@pytest.mark.parametrize(
    ("metric", "value", "at"),
    [
        (Metric.PEAK_RSS, 90, ProfiledAt.PEAK),
        (Metric.OOM_KILLS, 1, ProfiledAt.PEAK),
        (Metric.SETTLED_RSS, 90, ProfiledAt.SETTLED),
        (Metric.IMAGE_SIZE, 900, None),
    ],
)
def test_the_broken_budget_says_when_the_profile_is_taken(metric: Metric, value: float, at: ProfiledAt | None) -> None:
    one = trial(90) if metric is not Metric.OOM_KILLS else replace(builders.trial(90, oom_kills=1))
    size = value if metric is Metric.IMAGE_SIZE else 100
    image = builders.image(
        head=builders.side(one, one, one, size=size),
        base=builders.side(one, one, one),
        allowed={metric: EffectiveBudget(0)},
    )
    assert profiled_at(image, judge_image(image), is_own=False) is at


def own_settings(head: float, *, counts: bool = True, pod: PodPlan | None = None) -> tuple[BuiltPair, ImageMeasurement]:
    """A head that keeps its budgets with the base's settings, and has other settings of its own."""
    spec = budgets_file.parse('version = 1\n[images.api]\nlimit = "512MiB"', "t")["api"]
    of = subject()
    around = {"db": BuiltImage("db", "tag", "db")} if pod is not None else {}
    built = replace(of.images[Side.HEAD], beside=around)
    own = OwnMeasurement(builders.side(*[trial(head)] * 3), counts=counts, workload="more requests")
    with_own = replace(of, own=OwnRun(spec, built, TrialInputs({"MORE": "1"}, pod=pod), counts=counts))
    return with_own, replace(measured(base=40, head=41), own=own)


def test_the_run_that_breaks_a_maximum_is_profiled() -> None:
    of, found = own_settings(90)
    profiles = Profiles()
    profile = profiled(found, profiles, of).profile
    assert profile is not None
    assert profile.is_own
    ran = [(spec.image_id, spec.limit_bytes, dict(spec.inputs.environment)) for spec, _ in profiles.ran]
    assert ran == [("base", 512 * MIB, {"MORE": "1"}), ("head", 512 * MIB, {"MORE": "1"})]
    assert [order.trigger_bytes for _, order in profiles.ran] == [40 * MIB, 90 * MIB]


def test_both_sides_run_with_the_services_of_the_heads_own_settings() -> None:
    of, found = own_settings(90, pod=PodPlan("api", (), {}, {}, {}))
    profiles = Profiles()
    profiled(found, profiles, of)
    assert [spec.pod_images for spec, _ in profiles.ran] == [{"db": "db"}] * 2


def test_a_base_that_failed_is_not_run_with_the_heads_own_settings() -> None:
    of, found = own_settings(90)
    broken = builders.side(failure=Failure(FailureStage.WORKLOAD, "there is no /new"))
    profiles = Profiles()
    profile = profiled(replace(found, base=broken, head=broken), profiles, of).profile
    assert profile is not None
    assert profile.base is not None
    assert (profile.base.profile, profile.head, profile.is_own) == (None, PROFILE, True)
    assert [spec.image_id for spec, _ in profiles.ran] == ["head"]


def test_settings_that_do_not_count_are_not_profiled() -> None:
    of, found = own_settings(90, counts=False)
    assert profiled(found, Profiles(), of).profile is None


def test_the_comparison_is_profiled_if_nothing_is_broken_with_the_heads_own_settings() -> None:
    of, found = own_settings(50)
    profiles = Profiles()
    profile = profiled(found, profiles, of, is_asked=True).profile
    assert profile is not None
    assert not profile.is_own
    assert {spec.limit_bytes for spec, _ in profiles.ran} == {256 * MIB}


def of_java() -> ImageMeasurement:
    java = trial(90, "/opt/java", "/opt/lib/server/libjvm.so")
    return replace(measured(), base=None, presence=Presence.NEW, head=builders.side(*[java] * 3))


def test_what_does_not_start_with_the_profiler_runs_once_more_without() -> None:
    profiles, steps = Profiles(starts_only_unprepared=True), Steps()
    found = with_profile(subject(), of_java(), profiles, steps, is_asked=False).profile
    assert found is not None
    assert found.head == PROFILE
    assert [order.profiler for _, order in profiles.ran] == [FLIGHT_RECORDER, replace(FLIGHT_RECORDER, prepare=None)]
    assert [(step.doing, step.side, step.is_extra) for step in steps.steps] == [
        (Doing.PROFILE, "head", False), (Doing.PROFILE, "head", True),
    ]  # fmt: skip


@pytest.mark.parametrize("failed_to_start", [False, True])
def test_what_fails_twice_or_after_it_was_ready_has_the_first_reason(*, failed_to_start: bool) -> None:
    class Failing(Profiles):
        def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
            super().profile(spec, order)
            side = FAILED if len(self.ran) == 1 else ProfiledSide(None, "another reason")
            return ProfiledTrial(side, failed_to_start)

    profiles = Failing()
    found = profiled(of_java(), profiles).profile
    assert found is not None
    assert found.head == FAILED
    assert len(profiles.ran) == (2 if failed_to_start else 1)


MEMRAY = Path("/memray")
BY_MEMRAY = ProfiledSide(HeapProfile.of(ProfiledBy.MEMRAY, [((Frame("f"),), 5)]))
BY_MAPPINGS = ProfiledSide(HeapProfile.of(ProfiledBy.SMAPS, [((Frame("[heap]"),), 5)]))
SILENT = ProfiledSide(None, "PID 1: memray cannot be loaded: it is for another version of Python or architecture")


class WithMemray(Profiles):
    """Profiles by memray, of the images that let it."""

    def __init__(
        self,
        *silent: str,
        tracemalloc: ProfiledSide = PROFILE,
        folder: Path | str = MEMRAY,
        stopped: Collection[str] = (),
    ) -> None:
        """`stopped` are the images that do not start with what is put into a Python."""
        super().__init__()
        self.silent = silent
        self.stopped = stopped
        self.tracemalloc = tracemalloc
        self.folder = folder
        self.asked: list[tuple[Interpreter, str]] = []

    def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
        self.asked.append((interpreter, image_id))
        return self.folder

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        self.ran.append((spec, order))
        if order.profiler.prepare is None:
            return ProfiledTrial(BY_MAPPINGS)
        if spec.image_id in self.stopped:
            return ProfiledTrial(FAILED, failed_to_start=True)
        if order.memray is None:
            return ProfiledTrial(self.tracemalloc)
        return ProfiledTrial(SILENT if spec.image_id in self.silent else BY_MEMRAY)

    @property
    def runs(self) -> list[tuple[str, bool]]:
        """The trials, each with whether memray counted."""
        return [(spec.image_id, order.memray is not None) for spec, order in self.ran]


def service(rss: float, program: str = "/usr/local/bin/python3.11", *libraries: str) -> Trial:
    one = trial(rss, program, *(libraries or ("/usr/lib/libc.so.6",)))
    return replace(one, phases=(builders.phase(PhaseName.START_UP, 0, 5, rss), builders.phase("steady", 5, 9, rss)))


def of_services(base: Trial, head: Trial) -> ImageMeasurement:
    allowed = builders.budgets(max_rss=60)
    return builders.image("api", base=builders.side(*[base] * 3), head=builders.side(*[head] * 3), allowed=allowed)


PYTHONS = of_services(service(40), service(90))


def sides(found: ImageMeasurement) -> tuple[ProfiledSide, ProfiledSide]:
    assert found.profile is not None
    assert found.profile.base is not None
    assert found.profile.head is not None
    return found.profile.base, found.profile.head


def test_python_services_are_profiled_by_memray_which_is_asked_once_at_the_end() -> None:
    profiles = WithMemray()
    assert sides(profiled(PYTHONS, profiles)) == (BY_MEMRAY, BY_MEMRAY)
    assert profiles.runs == [("base", True), ("head", True)]
    assert {order.trigger_bytes for _, order in profiles.ran} == {None}
    assert profiles.asked == [(Interpreter(11, Libc.GLIBC), "base"), (Interpreter(11, Libc.GLIBC), "head")]


def test_an_engine_that_is_lost_before_memray_is_a_reason() -> None:
    class Lost(WithMemray):
        def memray(self, interpreter: Interpreter, image_id: str) -> Path | str:
            raise EngineLost("the engine stopped")

    base, head = sides(profiled(PYTHONS, Lost()))
    assert base.not_first_choice == head.not_first_choice == "the engine stopped"


def test_a_job_that_ends_is_profiled_by_tracemalloc_while_it_runs() -> None:
    profiles = WithMemray()
    base, head = sides(profiled(of_services(trial(40), trial(90)), profiles))
    assert profiles.runs == [("base", False), ("head", False)]
    assert (base.not_first_choice, head.not_first_choice, profiles.asked) == (None, None, [])


def test_both_sides_have_the_same_profiler_if_the_head_has_no_memray() -> None:
    profiles = WithMemray()
    base, head = sides(profiled(of_services(service(40), service(90, "/opt/python3")), profiles))
    assert profiles.runs == [("base", False), ("head", False)]
    assert base.not_first_choice == head.not_first_choice == "the version of Python is not known"


def test_what_prevents_memray_is_told() -> None:
    profiles = WithMemray(folder="memray could not be fetched: pypi.org answered 503")
    base, head = sides(profiled(PYTHONS, profiles))
    assert profiles.runs == [("base", False), ("head", False)]
    assert base.not_first_choice == head.not_first_choice == "memray could not be fetched: pypi.org answered 503"


def test_a_base_without_an_answer_of_memray_makes_tracemalloc_count_on_both_sides() -> None:
    profiles = WithMemray("base")
    base, head = sides(profiled(PYTHONS, profiles))
    assert profiles.runs == [("base", True), ("base", False), ("head", False)]
    assert base == head == replace(PROFILE, not_first_choice=SILENT.reason)


def test_a_head_without_an_answer_of_memray_makes_the_base_run_again() -> None:
    profiles = WithMemray("head")
    base, head = sides(profiled(PYTHONS, profiles))
    assert profiles.runs == [("base", True), ("head", True), ("head", False), ("base", False)]
    assert base == head == replace(PROFILE, not_first_choice=SILENT.reason)


def test_a_head_without_any_profile_does_not_make_the_base_run_again() -> None:
    profiles = WithMemray("head", tracemalloc=FAILED)
    base, head = sides(profiled(PYTHONS, profiles))
    assert profiles.runs == [("base", True), ("head", True), ("head", False)]
    assert base == BY_MEMRAY
    assert head == FAILED, "tracemalloc was not used either"


@pytest.mark.parametrize("silent", [("base", "head"), ("base",), ("head",)])
@pytest.mark.parametrize("stopped", [(), ("base",), ("head",), ("base", "head")])
@pytest.mark.parametrize("folder", [MEMRAY, "memray could not be fetched"])
@pytest.mark.parametrize("tracemalloc", [PROFILE, FAILED])
def test_an_image_has_at_most_four_profiled_trials(
    silent: tuple[str, ...], stopped: tuple[str, ...], folder: Path | str, tracemalloc: ProfiledSide
) -> None:
    profiles = WithMemray(*silent, tracemalloc=tracemalloc, stopped=stopped, folder=folder)
    for side in sides(profiled(PYTHONS, profiles)):
        assert side.not_first_choice is None or side.profile == PROFILE.profile
    assert len(profiles.ran) <= 4


def test_a_head_that_starts_with_no_module_does_not_cost_the_base_its_profile() -> None:
    profiles = WithMemray(stopped=["head"])
    assert sides(profiled(PYTHONS, profiles)) == (BY_MEMRAY, FAILED)
    assert profiles.runs == [("base", True), ("head", True), ("head", False)]


def test_a_base_that_starts_with_no_module_gives_no_profile_by_mappings_beside_the_heads() -> None:
    profiles = WithMemray(stopped=["base"])
    base, head = sides(profiled(PYTHONS, profiles))
    assert (base, head) == (FAILED, replace(PROFILE, not_first_choice=FAILED.reason))
    assert profiles.runs == [("base", True), ("base", False), ("head", False)]


def test_mappings_are_not_told_as_tracemalloc() -> None:
    profiles = WithMemray(folder="memray could not be fetched", stopped=["head"])
    base, head = sides(profiled(PYTHONS, profiles))
    assert (base.not_first_choice, head) == ("memray could not be fetched", BY_MAPPINGS)


def test_a_head_that_runs_on_something_else_is_profiled_as_ever() -> None:
    profiles = WithMemray("base")
    base, head = sides(profiled(of_services(service(40), service(90, "/usr/sbin/nginx")), profiles))
    assert profiles.runs == [("base", True), ("base", False), ("head", False)]
    assert (base.not_first_choice, head.not_first_choice) == (SILENT.reason, None)
    assert profiles.ran[-1][1].profiler == SMAPS
