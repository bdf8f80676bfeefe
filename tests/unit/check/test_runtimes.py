"""The check finds runtimes of the head in its trials, asks them, and stores what they said."""

from dataclasses import replace

from membudget.budgets import file as budgets_file
from membudget.build.revision import BuiltImage, Recipe, Side
from membudget.check.building import BuiltPair, OwnRun, Pair
from membudget.check.runtimes import MOST_ASKED, with_runtimes
from membudget.core.errors import EngineLost
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement, OwnMeasurement, Presence
from membudget.measure.pod_plan import PodPlan
from membudget.measure.runtimes.runtime import Runtime, SettingPlace
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from tests.support import builders
from tests.support.runtimes import clues, jvm, process
from tests.support.steps import Steps

DOCKERFILE = """\
FROM debian AS build
CMD ["java", "-Xmx1g"]

FROM debian
ENV A=1 \\
    JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75"
# -Xmx64m
CMD ["java", \\
     "-Xmx64m", "-jar", "app.jar"]
"""
LIB = "/usr/lib/jvm/lib/server/libjvm.so"


class Answers:
    """Answers as the test says."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[TrialSpec] = []
        self.error = error

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        self.asked.append(spec)
        if self.error is not None:
            raise self.error
        return replace(runtime, answer=jvm(64).answer)

    def run_trial(self, spec: TrialSpec) -> Trial:
        raise AssertionError(f"{spec.name} has no allocator that returns memory")


def trial(*names: str) -> Trial:
    java = [
        process(clues(f"/opt/{name}", LIB, settings=("-Xmx64m",), variables={"JAVA_TOOL_OPTIONS": ""}), pid=pid)
        for pid, name in enumerate(names or ("java",), 1)
    ]
    return replace(builders.trial(90), snapshot=builders.snapshot(*java, rss=90))


def subject(inputs: TrialInputs | None = None) -> BuiltPair:
    spec = budgets_file.parse('version = 1\n[images.api]\nlimit = "256MiB"', "t")["api"]
    recipe = Recipe("services/api/Dockerfile", DOCKERFILE)
    head = replace(BuiltImage("head", "tag", "head"), recipe=recipe)
    pair = Pair("api", Presence.BOTH, spec, spec)
    return BuiltPair(pair, {Side.BASE: BuiltImage("base", "tag", "base"), Side.HEAD: head}, inputs or TrialInputs())


def measured(*trials: Trial) -> ImageMeasurement:
    return builders.image("api", base=builders.side(trial()), head=builders.side(*trials))


def test_the_head_is_asked_and_the_base_is_not() -> None:
    asker = Answers()
    found = with_runtimes(subject(), measured(trial()), asker, Steps(), asks=True)
    assert [(spec.image_id, spec.limit_bytes) for spec in asker.asked] == [("head", 256 * MIB)]
    assert found.head is not None
    assert found.base is not None
    (runtime,) = found.head.runtimes
    assert runtime.answer == jvm(64).answer
    assert found.base.runtimes == ()


def test_what_only_served_to_find_them_is_not_stored() -> None:
    found = with_runtimes(subject(), measured(trial()), Answers(), Steps(), asks=True)
    snapshots = [one.snapshot for side in found.sides for one in side.trials]
    assert all(snapshot is not None for snapshot in snapshots)
    assert {one.clues for snapshot in snapshots if snapshot is not None for one in snapshot.processes} == {None}


def test_nobody_is_asked_if_all_rules_are_off_or_if_nothing_changed() -> None:
    asker = Answers()
    off = with_runtimes(subject(), measured(trial()), asker, Steps(), asks=False)
    unchanged = with_runtimes(subject(), replace(measured(trial()), is_unchanged=True), asker, Steps(), asks=True)
    assert asker.asked == []
    for found in (off, unchanged):
        assert found.head is not None
        assert found.head.runtimes == ()
        assert found.head.trials[0].snapshot is not None
        assert found.head.trials[0].snapshot.processes[0].clues is None


def test_a_few_of_many_runtimes_are_asked() -> None:
    asker = Answers()
    found = with_runtimes(subject(), measured(trial("a", "b", "c", "d", "e")), asker, Steps(), asks=True)
    assert found.head is not None
    assert len(asker.asked) == MOST_ASKED
    assert len(found.head.runtimes) == 5


def test_an_engine_that_is_lost_meanwhile_is_a_reason() -> None:
    found = with_runtimes(subject(), measured(trial()), Answers(EngineLost("it stopped")), Steps(), asks=True)
    assert found.head is not None
    assert found.head.runtimes[0].unanswered == "it stopped"


def test_an_image_with_a_compose_file_is_asked_with_its_pod() -> None:
    asker = Answers()
    pod = PodPlan("api", (), {}, {}, {})
    found = with_runtimes(subject(TrialInputs(pod=pod)), measured(trial()), asker, Steps(), asks=True)
    assert [spec.inputs.pod for spec in asker.asked] == [pod]
    assert found.head is not None
    assert found.head.runtimes[0].answer is not None


def test_settings_are_found_in_the_last_stage_of_the_dockerfile() -> None:
    found = with_runtimes(subject(), measured(trial()), Answers(), Steps(), asks=True)
    assert found.head is not None
    places = found.head.runtimes[0].places
    path = "services/api/Dockerfile"
    assert places["-Xmx64m"] == SettingPlace(path, 9, is_exact=True)
    assert places["-XX:MaxRAMPercentage"] == SettingPlace(path, 6, is_exact=True)
    assert places["JAVA_TOOL_OPTIONS"] == SettingPlace(path, 6, is_exact=True)
    assert places[""] == SettingPlace(path, 8, is_exact=False)


def test_the_heads_own_settings_are_asked_where_they_count() -> None:
    own = OwnMeasurement(builders.side(trial()), counts=True, workload="requests")
    made, pair = replace(measured(trial()), own=own), subject()
    spec = budgets_file.parse('version = 1\n[images.api]\nlimit = "512MiB"', "t")["api"]
    with_own = replace(pair, own=OwnRun(spec, pair.built[Side.HEAD], TrialInputs(), counts=True))
    asker = Answers()
    found = with_runtimes(with_own, made, asker, Steps(), asks=True)
    assert [one.limit_bytes for one in asker.asked] == [512 * MIB]
    assert found.own is not None
    assert found.head is not None
    assert (len(found.own.side.runtimes), found.head.runtimes) == (1, ())
