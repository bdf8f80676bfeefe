"""The containers of a manifest's pod as a trial's plan."""

from membudget.budgets.deployed_pod import (
    DeployedPod,
    PodContainer,
    PodFile,
    PodMount,
    PodProbe,
    PodVolume,
    VolumeKind,
)
from membudget.engine.connection import RUN_LABEL
from membudget.engine.options import ContainerOptions
from membudget.measure.pod.compose_file import Project, project_model
from membudget.measure.pod.manifest_plan import SANDBOX, manifest_plan
from membudget.measure.pod_plan import Condition, PodPlan

FILES = PodVolume("conf", VolumeKind.FILES, None, (PodFile("a.conf", "1"), PodFile("d/b", "2")))
INIT = PodContainer(name="init", runs_to_end=True, mounts=(PodMount("fast", "/f"), PodMount("data", "/d", "sub")))
PROXY = PodContainer(name="proxy", image="envoy", started=PodProbe(port=9901), limit_bytes=64 << 20)
AGENT = PodContainer(name="agent", image="agent", started=PodProbe(("ok", "$X")))
MAIN = PodContainer(
    name="main",
    arguments=("serve", "$HOME"),
    environment=(("PRICE", "$5"),),
    read_only=True,
    dropped=("ALL",),
    mounts=(PodMount("fast", "/f"), PodMount("conf", "/etc/c"), PodMount("data", "/all", read_only=True)),
)
LATER = PodContainer(name="later", image="later", read_only=True, mounts=(PodMount("conf", "/etc/one", "a.conf"),))
VOLUMES = (FILES, PodVolume("data"), PodVolume("fast", VolumeKind.MEMORY, 4096))
POD = DeployedPod("main", (INIT, PROXY, AGENT, MAIN, LATER), VOLUMES, PodProbe(http="/r", port=80), (8080,))


TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": "size=4096,mode=1777"}


def plan(*, is_open: bool = False, keeps_healthcheck: bool = False) -> PodPlan:
    return manifest_plan(POD, is_open=is_open, keeps_healthcheck=keeps_healthcheck)


def test_each_container_waits_for_what_its_cluster_waits_for() -> None:
    made = plan()
    assert sorted(made.services) == sorted([SANDBOX, "init", "proxy", "agent", "main", "later"])
    assert [name for name in made.services if name != SANDBOX] == ["init", "proxy", "agent", "main", "later"]
    assert made.services["init"].needs == {SANDBOX: Condition.STARTED}
    assert made.services["agent"].needs == {
        SANDBOX: Condition.STARTED, "init": Condition.COMPLETED, "proxy": Condition.ANSWERS,
    }  # fmt: skip
    assert made.services["main"].needs == made.services["later"].needs
    assert made.services["main"].needs["agent"] is Condition.HEALTHY
    assert made.services["proxy"].started is not None
    assert made.services["proxy"].started.tcp == 9901
    assert (made.measured, made.sidecars, made.ports) == ("main", ("init", "proxy", "agent", "later"), (8080,))


def test_the_sandbox_starts_first_and_holds_network_and_volumes() -> None:
    made = plan()
    assert next(iter(made.services)) == SANDBOX
    sandbox = made.services[SANDBOX].definition
    assert (sandbox["network_mode"], sandbox["cap_drop"]) == ("none", ["ALL"])
    assert {service.definition["network_mode"] for name, service in made.services.items() if name != SANDBOX} == {
        f"service:{SANDBOX}"
    }
    assert plan(is_open=True).services[SANDBOX].definition["network_mode"] == "bridge"
    assert made.volumes == {
        "volume-0": {"driver": "local", "driver_opts": TMPFS},
        "volume-1": {}, "volume-2": {}, "volume-3": {},
    }  # fmt: skip
    assert made.sandbox is not None
    assert made.sandbox.volumes == {"/volume-1": (), "/volume-2": FILES.files, "/volume-3": ()}


def test_settings_are_written_as_compose_reads_them() -> None:
    main = plan().services["main"].definition
    assert (main["command"], main["environment"]) == (["serve", "$$HOME"], {"PRICE": "$$5"})
    assert "entrypoint" not in main
    assert "mem_limit" not in main
    assert main["read_only"] is True
    assert main["volumes"] == [
        {"type": "volume", "source": name, "target": path, "read_only": read_only, "volume": {"nocopy": True}}
        for name, path, read_only in (
            ("volume-0", "/f", False),
            ("volume-2", "/etc/c", True),
            ("volume-3", "/all", True),
        )
    ]
    assert plan().services["proxy"].definition["mem_limit"] == 64 << 20
    assert all(one.definition["security_opt"] == ["no-new-privileges"] for one in plan().services.values())


def test_a_single_file_is_copied_into_a_container_that_stays_writable() -> None:
    later = plan().services["later"]
    assert (later.files, later.definition["read_only"]) == ((("/etc/one", FILES.files[0]),), False)


def test_the_healthcheck_of_an_image_is_not_run_as_in_a_cluster() -> None:
    off = {"disable": True}
    made = plan()
    assert made.services["main"].definition["healthcheck"] == off
    assert not made.has_healthcheck
    assert made.services["agent"].definition["healthcheck"] == {"test": ["CMD", "ok", "$$X"]}
    kept = plan(keeps_healthcheck=True).services
    assert "healthcheck" not in kept["main"].definition
    assert kept["init"].definition["healthcheck"] == off


def test_what_compose_is_told_has_labels_and_drivers() -> None:
    made = plan()
    places = {"main": ContainerOptions(image="i", name="trial1", role="trial", memory_bytes=1 << 26)}
    names = {name: name for name in made.services}
    model = project_model(made, Project("p", "run", dict.fromkeys(names, "i"), names, places))
    volumes = model["volumes"]
    assert isinstance(volumes, dict)
    assert volumes["volume-0"] == {**made.volumes["volume-0"], "labels": {RUN_LABEL: "run"}}  # type: ignore[dict-item]
