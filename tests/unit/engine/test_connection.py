"""What engines say of themselves, as recorded; where noted, as their source says they would."""

import dataclasses
import os
import socket
from collections.abc import Mapping

import docker
import pytest

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.engine.connection import Engine, EngineInfo, _engine_info
from membudget.engine.vantage import ProbePlace, vantage_on

# Docker 20.10.24 of Debian 12, on cgroup v1.
DOCKER_INFO: Mapping[str, object] = {
    "Name": "here", "ServerVersion": "20.10.24+dfsg1", "Driver": "overlay2", "NCPU": 2, "MemTotal": 25276502016,
    "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "MemoryLimit": True, "KernelVersion": "6.18.44",
    "SecurityOptions": ["name=seccomp,profile=default"],
}  # fmt: skip
DOCKER_VERSION: Mapping[str, object] = {
    "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64",
    "Components": [{"Name": "Engine"}, {"Name": "containerd"}, {"Name": "runc"}, {"Name": "docker-init"}],
}  # fmt: skip

# Podman 4.3.1 of Debian 12, `podman system service`, as root and as a user, on cgroup v1.
PODMAN_INFO: Mapping[str, object] = {
    "Name": "here", "ServerVersion": "4.3.1", "Driver": "overlay", "NCPU": 2, "MemTotal": 25276502016,
    "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "MemoryLimit": True, "KernelVersion": "6.18.44",
    "SecurityOptions": ["name=seccomp,profile=default"], "Rootless": False, "LoggingDriver": "",
}  # fmt: skip
ROOTLESS_PODMAN_INFO = {**PODMAN_INFO, "Rootless": True}
PODMAN_VERSION: Mapping[str, object] = {
    "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64",
    "Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}, {"Name": "OCI Runtime (runc)"}],
}  # fmt: skip

# Not recorded: moby's daemon/info_unix.go and daemon_unix.go (cgroupDriver) say so of rootless mode.
ROOTLESS_DOCKER_INFO = {
    **DOCKER_INFO,
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
}


def test_docker_and_podman_are_told_apart() -> None:
    docker = _engine_info(DOCKER_INFO, DOCKER_VERSION)
    podman = _engine_info(PODMAN_INFO, PODMAN_VERSION)

    assert (docker.kind, docker.rootless, docker.version) == ("docker", False, "20.10.24+dfsg1")
    assert (podman.kind, podman.rootless, podman.version) == ("podman", False, "4.3.1")
    assert (podman.cgroup_version, podman.cgroup_driver, podman.platform) == (1, "cgroupfs", "linux/amd64")


def test_an_engine_that_says_little_is_taken_for_docker() -> None:
    old = {key: value for key, value in DOCKER_INFO.items() if key not in ("CgroupVersion", "SecurityOptions")}

    info = _engine_info(old, {"ApiVersion": "1.40", "Components": None})

    assert (info.kind, info.rootless, info.cgroup_version) == ("docker", False, 1)


def test_a_rootless_engine_with_a_delegated_memory_controller_is_taken() -> None:
    docker = _engine_info(ROOTLESS_DOCKER_INFO, DOCKER_VERSION)
    podman = _engine_info({**ROOTLESS_PODMAN_INFO, "CgroupVersion": "2", "CgroupDriver": "systemd"}, PODMAN_VERSION)

    assert (docker.rootless, docker.cgroup_version) == (True, 2)
    assert (podman.rootless, podman.kind) == (True, "podman")


def refused(info: Mapping[str, object], version: Mapping[str, object]) -> EnvironmentFault:
    with pytest.raises(EnvironmentFault) as caught:
        _refuse(_engine_info(info, version))
    return caught.value


def _refuse(info: EngineInfo) -> None:
    pytest.fail(f"taken for an engine that limits memory: {info}")


def test_rootless_podman_on_v1_claims_a_limit_that_it_ignores_and_is_refused() -> None:
    error = refused(ROOTLESS_PODMAN_INFO, PODMAN_VERSION)

    assert error.what == "this rootless Podman cannot limit memory: its machine has cgroup v1, where only root may"
    assert error.fix is not None
    assert "use an engine that runs as root" in error.fix
    assert "docs/engines.md" in error.fix


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"CgroupVersion": "1", "CgroupDriver": "none", "MemoryLimit": False}, "its machine has cgroup v1"),
        ({"CgroupDriver": "none", "MemoryLimit": False}, "its cgroup driver is none, not systemd"),
        ({"CgroupDriver": "cgroupfs"}, "its cgroup driver is cgroupfs, not systemd"),
        ({"CgroupDriver": ""}, "its cgroup driver is none, not systemd"),
        ({"MemoryLimit": False}, "the memory controller is not delegated to its user"),
    ],
)
def test_a_rootless_engine_that_cannot_limit_memory_says_what_is_missing(
    changed: Mapping[str, object], missing: str
) -> None:
    assert missing in refused({**ROOTLESS_DOCKER_INFO, **changed}, DOCKER_VERSION).what


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"CgroupDriver": "none"}, "the engine manages no cgroups (cgroup driver: none)"),
        ({"CgroupDriver": None}, "the engine manages no cgroups (cgroup driver: none)"),
        ({"MemoryLimit": False}, "its memory cgroup controller is off"),
    ],
)
def test_an_engine_with_root_that_cannot_limit_memory_is_refused(changed: Mapping[str, object], said: str) -> None:
    error = refused({**DOCKER_INFO, **changed}, DOCKER_VERSION)

    assert said in error.what
    assert error.fix


HERE = EngineInfo(
    name=socket.gethostname(),
    version="28.0",
    api_version="1.48",
    cgroup_version=2,
    cgroup_driver="systemd",
    kernel=os.uname().release,
    platform="linux/amd64",
    storage_driver="overlay2",
    cpus=2,
    memory_bytes=1 << 30,
)
SOCKET = "unix:///nowhere/docker.sock"


def engine(info: EngineInfo, address: str = SOCKET) -> Engine:
    """One that is never asked anything."""
    return Engine(docker.DockerClient(base_url=SOCKET, version="1.41"), info, address)


@pytest.mark.parametrize(
    ("info", "address"),
    [
        (HERE, "tcp://localhost:2375"),
        (HERE, "ssh://somebody@elsewhere"),
        (dataclasses.replace(HERE, name="elsewhere"), SOCKET),
        (dataclasses.replace(HERE, kernel="0.1"), SOCKET),
    ],
    ids=["TCP", "SSH", "another host name", "another kernel"],
)
def test_an_engine_elsewhere_is_not_seen_from_here(info: EngineInfo, address: str) -> None:
    vantage = vantage_on(engine(info, address))

    assert not vantage.reads_cgroups
    assert not vantage.acts_alone
    with pytest.raises(ConfigurationError, match="does not run on the machine of the engine"):
        vantage_on(engine(info, address), "host")


def test_whoever_asks_for_a_container_does_not_look_from_the_host() -> None:
    assert not vantage_on(engine(HERE), "container").reads_cgroups


def test_a_rootless_engine_leaves_only_its_statistics_and_says_why() -> None:
    vantage = vantage_on(engine(dataclasses.replace(HERE, rootless=True)))

    assert (vantage.reads_cgroups, vantage.is_root) == (False, False)
    assert vantage.only_statistics is not None
    assert "is rootless" in vantage.only_statistics
    assert vantage_on(engine(HERE)).only_statistics is None


@pytest.mark.parametrize("place", ["host", "container"])
def test_a_rootless_engines_cgroups_cannot_be_asked_for(place: ProbePlace) -> None:
    with pytest.raises(ConfigurationError) as caught:
        vantage_on(engine(dataclasses.replace(HERE, rootless=True, name="laptop")), place)

    assert f"--probe {place}: the engine laptop is rootless" in caught.value.what
    assert caught.value.fix is not None
    assert "--probe engine" in caught.value.fix


def test_a_rootless_podman_has_no_statistics_to_fall_back_on() -> None:
    with pytest.raises(EnvironmentFault, match="is rootless") as caught:
        vantage_on(engine(dataclasses.replace(HERE, rootless=True, kind="podman")))

    assert caught.value.fix is not None
    assert "an engine that runs as root" in caught.value.fix
