"""The key of a result holds all that a result depends on."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from membudget.budgets.deployed_pod import PodFile
from membudget.budgets.workload import CommandWorkload, DriverWorkload, HttpWorkload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.measure.cache import Around, MachineClass, key_with_surroundings, result_key
from membudget.measure.pod_plan import Condition, PodPlan, PodService, Sandbox
from membudget.measure.trial import TrialInputs, TrialSpec

MACHINE = MachineClass("28.0", "linux/amd64", "6.8", "v2 systemd", "overlay2", 2, "A CPU", 16, "host", 100)
SPEC = TrialSpec("api", "sha256:1", 1 << 27, 60_000, CommandWorkload(), identity="sha256:10")
FILES = ("100644 blob 1\tbody.json",)


def key(spec: TrialSpec = SPEC, machine: MachineClass = MACHINE, files: tuple[str, ...] | None = FILES) -> str | None:
    return result_key(spec, machine, files)


OTHERS = [
    replace(SPEC, identity="sha256:20"),
    replace(SPEC, limit_bytes=None),
    replace(SPEC, timeout_ms=1),
    replace(SPEC, settle_ms=1),
    replace(SPEC, is_alone=True),
    replace(SPEC, asks_live_heap=True),
    replace(SPEC, workload=CommandWorkload(command=("true",))),
    replace(SPEC, workload=HttpWorkload(kind="http", port=1, requests=(HttpRequests(path="/"),))),
    replace(SPEC, unjudged_phases=frozenset({"steady"})),
    replace(SPEC, inputs=TrialInputs(environment={"A": "1"})),
    replace(SPEC, inputs=TrialInputs(tmpfs={"/tmp": 1})),
    replace(SPEC, inputs=TrialInputs(volumes={"/data": Path("data")})),
    replace(SPEC, inputs=TrialInputs(volumes={"/data": Path("other")})),
    replace(SPEC, inputs=TrialInputs(volumes={"/data": Path("data"), "/more": Path("other")})),
    replace(SPEC, inputs=TrialInputs(volumes={"/data": Path("other"), "/more": Path("data")})),
    replace(SPEC, inputs=TrialInputs(read_only=True)),
    replace(SPEC, inputs=TrialInputs(user="1")),
    replace(SPEC, inputs=TrialInputs(cpus=1)),
]


def test_each_part_counts() -> None:
    keys = [key(), *map(key, OTHERS), key(files=()), key(machine=replace(MACHINE, kernel="6.9"))]
    assert len(set(keys)) == len(keys)
    assert all(one is not None and len(one) == 64 for one in keys)


def test_the_same_has_the_same_key_whatever_the_image_is_called() -> None:
    assert key(replace(SPEC, name="web")) == key()


def test_where_the_checkout_lies_does_not_matter() -> None:
    def with_volume(checkout: Path, folder: str) -> TrialSpec:
        return replace(SPEC, inputs=TrialInputs(volumes={"/data": checkout / folder}, checkout=checkout))

    assert key(with_volume(Path("/tmp/a"), "data")) == key(with_volume(Path("/tmp/b"), "data"))
    assert key(with_volume(Path("/tmp/a"), "data")) != key(with_volume(Path("/tmp/a"), "other"))


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, inputs=TrialInputs(is_network_open=True)),
        replace(SPEC, inputs=TrialInputs(pod=PodPlan.__new__(PodPlan))),
        replace(SPEC, workload=DriverWorkload(kind="driver", image="grafana/k6")),
        replace(SPEC, pod_images={"db": "sha256:3"}),
    ],
)
def test_what_depends_on_the_world_has_none(spec: TrialSpec) -> None:
    assert key(spec) is None


def test_unknown_files_make_none() -> None:
    assert key(files=None) is None


def test_an_image_is_known_by_what_it_is_and_not_by_its_id() -> None:
    assert key(replace(SPEC, image_id="sha256:2")) == key()
    assert key(replace(SPEC, identity=None)) is None


DATABASE = PodService({"environment": {"SIZE": "1"}}, "postgres:17", None, (("data", "/data"),))
POD = PodPlan("api", (), {"db": DATABASE, "api": PodService({}, None, None, needs={"db": Condition.HEALTHY})}, {}, {})
AROUND = Around({"service db": "sha256:30", "grafana/k6": "sha256:40"}, ("data: folder 1",), "v2.40.0")


def in_pod(pod: PodPlan = POD) -> TrialSpec:
    return replace(SPEC, inputs=TrialInputs(pod=pod))


def services(**changed: PodService) -> TrialSpec:
    return in_pod(replace(POD, services={**POD.services, **changed}))


def whole_key(spec: TrialSpec, around: Around = AROUND) -> str | None:
    return key_with_surroundings(spec, MACHINE, FILES, around)


@pytest.mark.parametrize(
    ("spec", "around"),
    [
        (replace(in_pod(), identity="sha256:20"), AROUND),
        (services(db=replace(DATABASE, definition={"environment": {"SIZE": "2"}})), AROUND),
        (services(db=replace(DATABASE, copies=(("data", "/other"),))), AROUND),
        (services(api=PodService({}, None, None, needs={"db": Condition.STARTED})), AROUND),
        (in_pod(replace(POD, sidecars=("db",))), AROUND),
        (in_pod(replace(POD, networks={"default": {"internal": False}})), AROUND),
        (in_pod(replace(POD, volumes={"kept": {}})), AROUND),
        (in_pod(replace(POD, sandbox=Sandbox("sandbox", {"/v": (PodFile("a", "1"),)}))), AROUND),
        (services(db=replace(DATABASE, files=(("/etc/a", PodFile("a", "1")),))), AROUND),
        (in_pod(replace(POD, ready=Readiness(http="/ready"))), AROUND),
        (SPEC, AROUND),
        (in_pod(), replace(AROUND, images={**AROUND.images, "service db": "sha256:31"})),
        (in_pod(), replace(AROUND, images={**AROUND.images, "grafana/k6": "sha256:41"})),
        (in_pod(), replace(AROUND, files=("data: folder 2",))),
        (in_pod(), replace(AROUND, compose="v2.41.0")),
        (in_pod(), replace(AROUND, day=date(2026, 11, 27))),
    ],
)
def test_a_key_with_surroundings_differs_if_one_of_them_does(spec: TrialSpec, around: Around) -> None:
    assert whole_key(in_pod()) is not None
    assert whole_key(spec, around) not in (None, whole_key(in_pod()))
    assert whole_key(spec, around) == whole_key(
        spec, replace(around, images=dict(reversed(list(around.images.items()))))
    )


def test_where_nothing_is_around_a_container_its_key_is_that_of_a_check() -> None:
    assert whole_key(SPEC, Around({}, ())) == key()


def test_there_is_no_key_without_what_identifies_image_and_files() -> None:
    assert whole_key(replace(in_pod(), identity=None)) is None
    assert key_with_surroundings(in_pod(), MACHINE, None, AROUND) is None
