import dataclasses
import os
import socket

import docker
import pytest

from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.engine.connection import Engine, EngineInfo
from membudget.engine.vantage import ProbePlace, look

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
    vantage = look(engine(info, address))

    assert not vantage.reads_cgroups
    assert not vantage.acts_alone
    with pytest.raises(ConfigurationError, match="does not run on the machine of the engine"):
        look(engine(info, address), "host")


def test_whoever_asks_for_a_container_does_not_look_from_the_host() -> None:
    assert not look(engine(HERE), "container").reads_cgroups


def test_a_rootless_engine_leaves_only_its_statistics_and_says_why() -> None:
    vantage = look(engine(dataclasses.replace(HERE, rootless=True)))

    assert (vantage.reads_cgroups, vantage.is_root) == (False, False)
    assert vantage.only_statistics is not None
    assert "is rootless" in vantage.only_statistics
    assert look(engine(HERE)).only_statistics is None


@pytest.mark.parametrize("place", ["host", "container"])
def test_a_rootless_engines_cgroups_cannot_be_asked_for(place: ProbePlace) -> None:
    with pytest.raises(ConfigurationError) as caught:
        look(engine(dataclasses.replace(HERE, rootless=True, name="laptop")), place)

    assert f"--probe {place}: the engine laptop is rootless" in caught.value.what
    assert caught.value.fix is not None
    assert "--probe engine" in caught.value.fix


def test_a_rootless_podman_has_no_statistics_to_fall_back_on() -> None:
    with pytest.raises(EnvironmentFault, match="is rootless") as caught:
        look(engine(dataclasses.replace(HERE, rootless=True, kind="podman")))

    assert caught.value.fix is not None
    assert "an engine that runs as root" in caught.value.fix
