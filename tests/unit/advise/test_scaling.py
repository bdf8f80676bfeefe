"""The use case: which trials are run, in which order, and what follows from their peaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from membudget.advise.fit import FitSubject
from membudget.advise.loads import load_of
from membudget.advise.scaling import ScalingWanted, cpu_limits, run
from membudget.budgets.workload import CommandWorkload, HttpWorkload
from membudget.budgets.workload_parts import WorkloadKind
from membudget.core.errors import ConfigurationError, EngineLost, EnvironmentFault
from membudget.core.progress import Running
from membudget.core.quantities import MIB
from membudget.judge.scaled import Halt, NoSize, ScaledImage, TrialScale
from membudget.manifests.deployed import CpuLimit
from membudget.manifests.deployed import Place as PlaceInFile
from membudget.manifests.kubernetes import read_kubernetes
from membudget.manifests.reading import ManifestReading
from membudget.measure.trial import Outcome, Trial, TrialSpec
from tests.support.builders import trial
from tests.support.silence import Silence

HTTP = HttpWorkload.model_validate({"kind": "http", "requests": [{"path": "/", "concurrency": 10}]})
WANTED = ScalingWanted(at_cpus=(1, 2), loads=None, trials=2)


class Tools:
    """An engine on which an image holds 30 MiB, 8 MiB for each CPU, and half a MiB for each connection."""

    def __init__(self) -> None:
        self.places: list[TrialScale] = []
        self.specs: list[TrialSpec] = []
        self.of: Callable[[TrialScale], Trial] = lambda place: trial(
            30 + 8 * place.cpus + 0.5 * (place.connections or 0)
        )

    def run_trial(self, spec: TrialSpec) -> Trial:
        self.specs.append(spec)
        self.places.append(TrialScale(spec.inputs.cpus, load_of(spec.workload)))
        return self.of(self.places[-1])

    def live(self) -> Sequence[Running]:
        return ()


@pytest.fixture
def tools() -> Tools:
    """Tools without an engine."""
    return Tools()


def subject(workload: WorkloadKind = HTTP, name: str = "api") -> FitSubject:
    return FitSubject(TrialSpec(name, "sha256:1", 512 * MIB, 1000, workload))


def scaled(tools: Tools, wanted: ScalingWanted = WANTED, workload: WorkloadKind = HTTP) -> ScaledImage:
    (found,) = run([subject(workload)], wanted, tools, Silence())
    return found


def test_places_are_measured_in_turn_after_a_warm_up_of_each(tools: Tools) -> None:
    scaled(tools)
    places = [TrialScale(1, 10), TrialScale(1, 20), TrialScale(2, 10), TrialScale(2, 20)]
    assert tools.places == [*places, *places, *reversed(places)]
    assert all(spec.is_alone for spec in tools.specs)
    assert {spec.limit_bytes for spec in tools.specs} == {512 * MIB}


def test_growth_and_the_size_in_production_follow(tools: Tools) -> None:
    found = scaled(tools, ScalingWanted((1, 2), (20, 40), 3, cpus=8, connections=200))
    assert [point.place.connections for point in found.points] == [20, 40, 20, 40]
    assert [len(point.peaks_bytes) for point in found.points] == [3] * 4
    assert found.per_cpu is not None
    assert found.per_connection is not None
    assert found.per_cpu.value_bytes == 8 * MIB
    assert found.per_connection.value_bytes == MIB // 2
    assert found.size is not None
    assert found.size.place == TrialScale(8, 200)
    assert found.size.peak.value_bytes == pytest.approx(194 * MIB, abs=8)
    assert found.no_size is None


@pytest.mark.parametrize(
    ("cpus", "connections", "place"),
    [(8, None, TrialScale(8, 10)), (None, 200, TrialScale(2, 200))],
)
def test_what_production_does_not_say_is_as_in_the_budgets_file(
    tools: Tools, cpus: int | None, connections: int | None, place: TrialScale
) -> None:
    found = scaled(tools, ScalingWanted((1, 2), None, 2, cpus, connections))
    assert found.size is not None
    assert found.size.place == place


def test_other_workloads_vary_by_their_cpus_alone(tools: Tools) -> None:
    found = scaled(tools, ScalingWanted((1, 2), (5, 10), 2, cpus=8), CommandWorkload())
    assert {point.place for point in found.points} == {TrialScale(1), TrialScale(2)}
    assert found.per_connection is None
    assert found.size is not None
    assert found.size.place == TrialScale(8)
    asked = scaled(tools, ScalingWanted((1, 2), None, 2, cpus=8, connections=200), CommandWorkload())
    assert asked.no_size is NoSize.CONNECTIONS_NOT_VARIED


def test_nobody_has_to_ask_for_a_size(tools: Tools) -> None:
    found = scaled(tools)
    assert (found.size, found.no_size) == (None, NoSize.NOT_ASKED)


LIMIT = CpuLimit(7500, PlaceInFile("deploy/api.yaml", 12))


def test_a_cpu_limit_of_the_manifests_says_the_cpus_of_production(tools: Tools) -> None:
    found = scaled(tools, replace(WANTED, cpu_limits={"api": LIMIT, "other": replace(LIMIT, thousandths=100)}))
    assert found.size is not None
    assert (found.size.place, found.cpu_limit) == (TrialScale(8, 10), LIMIT)


def test_cpus_that_the_user_names_count_before_those_of_the_manifests(tools: Tools) -> None:
    found = scaled(tools, replace(WANTED, cpus=3, cpu_limits={"api": LIMIT}))
    assert found.size is not None
    assert (found.size.place, found.cpu_limit) == (TrialScale(3, 10), None)


def test_the_largest_cpu_limit_of_an_image_counts() -> None:
    manifest = """
kind: Deployment
spec: {template: {spec: {containers: [
  {name: small, image: api, resources: {limits: {cpu: 500m}}},
  {name: large, image: api, resources: {limits: {cpu: "2.5"}}},
  {name: none, image: api},
  {name: other, image: redis, resources: {limits: {cpu: 8}}},
]}}}
"""
    read = read_kubernetes(manifest, ManifestReading("api.yaml", "api.yaml"))
    (workload,) = read.workloads
    containers = tuple(replace(one, runs="api" if one.image == "api" else None) for one in workload.containers)
    found = cpu_limits(replace(read, workloads=(replace(workload, containers=containers),)))
    assert found == {"api": CpuLimit(2500, PlaceInFile("api.yaml", 5))}
    assert found["api"].cpus == 3


@pytest.mark.parametrize(
    ("ends", "why", "reason"),
    [
        (trial(outcome=Outcome.OOM_KILLED, reason="killed"), Halt.KILLED, "killed"),
        (trial(outcome=Outcome.WORKLOAD_FAILED, reason="no answer"), Halt.FAILED, "no answer"),
        (trial(outcome=Outcome.TIMED_OUT, reason="slow"), Halt.FAILED, "slow"),
        (trial(None), Halt.NO_FIGURE, "no sample"),
    ],
)
def test_a_trial_without_a_figure_ends_the_image(tools: Tools, ends: Trial, why: Halt, reason: str) -> None:
    tools.of = lambda place: ends if place == TrialScale(2, 20) else trial(40)
    found = scaled(tools)
    assert found.halted is not None
    assert (found.halted.why, found.halted.reason, found.halted.place) == (why, reason, TrialScale(2, 20))
    assert tools.places[-1] == TrialScale(2, 20)
    assert found.per_cpu is None


def test_a_fault_of_the_machine_does_not_affect_the_next_image(tools: Tools) -> None:
    def first_fails(_: TrialScale) -> Trial:
        if tools.specs[-1].name == "first":
            raise EnvironmentFault("no disk")
        return trial(40)

    tools.of = first_fails
    first, second = run([subject(name="first"), subject(name="second")], WANTED, tools, Silence())
    assert first.halted is not None
    assert (first.halted.why, first.halted.reason) == (Halt.FAULT, "no disk")
    assert second.halted is None


def test_a_lost_engine_ends_everything(tools: Tools) -> None:
    def lost(_: TrialScale) -> Trial:
        raise EngineLost("gone")

    tools.of = lost
    with pytest.raises(EngineLost):
        scaled(tools)


def test_images_that_were_done_before_the_engine_was_lost_are_known(tools: Tools) -> None:
    def lost(_: TrialScale) -> Trial:
        if tools.specs[-1].name == "second":
            raise EngineLost("gone")
        return trial(40)

    tools.of = lost
    images = run([subject(name="first"), subject(name="second")], WANTED, tools, Silence())
    assert next(images).halted is None
    with pytest.raises(EngineLost):
        next(images)


@pytest.mark.parametrize(
    ("wanted", "workload"),
    [
        (ScalingWanted((1,), (10,), 5), HTTP),
        (ScalingWanted((1,), None, 5), CommandWorkload()),
    ],
)
def test_an_image_that_ran_in_one_way_only_has_no_growth(
    tools: Tools, wanted: ScalingWanted, workload: WorkloadKind
) -> None:
    found = scaled(tools, wanted, workload)
    assert found.halted is not None
    assert found.halted.why is Halt.NOTHING_VARIES


def test_a_load_that_is_too_large_is_refused_before_anything_runs(tools: Tools) -> None:
    with pytest.raises(ConfigurationError, match="1000 is the most"):
        next(run([subject(CommandWorkload()), subject()], ScalingWanted((1, 2), (10, 2000), 2), tools, Silence()))
    assert tools.specs == []
