from dataclasses import replace

import pytest

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.quantities import GIB, MIB
from membudget.setup.doctor import CheckState
from membudget.setup.doctor_engine import (
    EngineFound,
    Space,
    SpacePurpose,
    buildx_finding,
    clock_finding,
    compose_finding,
    disk_finding,
    engine_finding,
    temporary_folder,
)
from tests.support.engine_info import DOCKER
from tests.support.findings import said

PODMAN = replace(DOCKER, kind="podman", version="4.3.1")
DEAD = EnvironmentFault("no engine answers", fix="start Docker", check=DoctorCheck.ENGINE)
UNLIMITED = EnvironmentFault("cannot limit memory", fix="boot it anew", check=DoctorCheck.MEMORY)
BUILDX, COMPOSE = "github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0", "2.26.1-4\n"
OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.mark.parametrize(
    ("found", "answer_ms", "state", "seen", "fix"),
    [
        (DOCKER, 2.4, OK, "Docker 26.1.5, API 1.45, linux/amd64, at unix:///run/docker.sock, answers in 2 ms", ""),
        (replace(DOCKER, rootless=True), 2.4, OK, "rootless Docker 26.1.5", ""),
        (PODMAN, 2.4, OK, "Podman 4.3.1", ""),
        (DOCKER, 340.0, WARNING, "answers in 340 ms: that is slow", "look at the load"),
        (DEAD, 0.0, FAILED, "no engine answers", "start Docker"),
        (UNLIMITED, 0.0, OK, "an engine answers, but cannot be used: see memory", ""),
    ],
    ids=["docker", "rootless", "podman", "slow", "dead", "unusable"],
)
def test_the_engine(found: EngineFound, answer_ms: float, state: CheckState, seen: str, fix: str) -> None:
    told = said(lambda: engine_finding(found, "unix:///run/docker.sock", answer_ms))

    assert told[0] is state
    assert seen in told[1]
    assert told[2].startswith(fix)


def test_a_login_in_the_engines_address_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "tcp://me:geheimnis1@engine:2376"
    monkeypatch.setenv("DOCKER_HOST", address)

    assert "geheimnis1" not in said(lambda: engine_finding(DOCKER, address, 1))[1]


@pytest.mark.parametrize(
    ("text", "found", "state", "seen"),
    [
        (BUILDX, DOCKER, OK, "version 0.13.1"),
        (BUILDX, DEAD, OK, "version 0.13.1"),
        ("built by hand", DOCKER, OK, "unknown version"),
        (BUILDX, PODMAN, WARNING, "version 0.13.1; on Podman it builds in a container of its own"),
    ],
    ids=["docker", "no engine", "strange", "podman"],
)
def test_buildx(text: str, found: EngineFound, state: CheckState, seen: str) -> None:
    assert said(lambda: buildx_finding(text, found))[:2] == (state, seen)


@pytest.mark.parametrize(
    ("text", "found", "is_needed", "state", "seen"),
    [
        (COMPOSE, DOCKER, True, OK, "version 2.26.1-4"),
        (EnvironmentFault("no plugin", fix="install it"), DOCKER, False, WARNING, "no plugin"),
        (EnvironmentFault("no plugin", fix="install it"), DOCKER, True, FAILED, "no plugin"),
        (COMPOSE, PODMAN, False, WARNING, "services beside an image need a Docker engine, and this is Podman"),
        (COMPOSE, PODMAN, True, FAILED, "services beside an image need a Docker engine, and this is Podman"),
    ],
    ids=["there", "missing", "missing and needed", "podman", "podman and needed"],
)
def test_compose(
    text: str | EnvironmentFault, found: EngineFound, *, is_needed: bool, state: CheckState, seen: str
) -> None:
    assert said(lambda: compose_finding(text, found, is_needed=is_needed))[:2] == (state, seen)


@pytest.mark.parametrize(
    ("skew_s", "state", "seen"),
    [
        (0.0, OK, "the engine's clock and this one agree within a second"),
        (-0.4, OK, "the engine's clock and this one agree within a second"),
        (4.0, OK, "the engine's clock is 4.0 s ahead"),
        (-200.0, WARNING, "the engine's clock is 3 m 20 s behind"),
        (31.0, WARNING, "the engine's clock is 31.0 s ahead"),
        (None, SKIPPED, "the engine does not tell its time"),
    ],
)
def test_the_clock(skew_s: float | None, state: CheckState, seen: str) -> None:
    assert said(lambda: clock_finding(skew_s))[:2] == (state, seen)


def space(free_bytes: int | None, purpose: SpacePurpose = SpacePurpose.ENGINE) -> Space:
    return Space(purpose, "/var/lib/docker", free_bytes)


@pytest.mark.parametrize(
    ("spaces", "state", "seen"),
    [
        ((space(40 * GIB),), OK, "the engine (/var/lib/docker): 40.0 GiB free"),
        (
            (space(None), space(GIB, SpacePurpose.TEMPORARY)),
            OK,
            "the engine (/var/lib/docker): cannot be seen from here; temporary files (/var/lib/docker): 1.0 GiB free",
        ),
        ((space(40 * GIB), space(GIB)), WARNING, "the engine (/var/lib/docker): 40.0 GiB free; the engine"),
        ((space(100 * MIB), space(40 * GIB)), FAILED, "the engine (/var/lib/docker): 100.0 MiB free"),
        ((space(400 * MIB, SpacePurpose.TEMPORARY),), WARNING, "temporary files (/var/lib/docker): 400.0 MiB free"),
        ((space(50 * MIB, SpacePurpose.TEMPORARY),), FAILED, "temporary files (/var/lib/docker): 50.0 MiB free"),
        ((space(None),), SKIPPED, "the engine (/var/lib/docker): cannot be seen from here"),
    ],
    ids=["much", "one unseen", "little", "too little", "little for files", "too little for files", "unseen"],
)
def test_the_disks(spaces: tuple[Space, ...], state: CheckState, seen: str) -> None:
    told = said(lambda: disk_finding(spaces))
    assert told[0] is state
    assert told[1].startswith(seen)


def test_where_temporary_files_lie() -> None:
    assert temporary_folder().is_dir()
