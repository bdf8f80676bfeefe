from dataclasses import replace

import pytest

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.quantities import GIB, MIB
from membudget.engine.connection import EngineInfo
from membudget.measure.probe.client import MachineState
from membudget.setup.doctor import CheckState
from membudget.setup.doctor_engine import EngineFound
from membudget.setup.doctor_machine import (
    LargestLimit,
    cgroups_finding,
    memory_finding,
    pressure_finding,
    swap_finding,
)
from tests.support.engine_info import DOCKER
from tests.support.findings import said

V1 = replace(DOCKER, cgroup_version=1, cgroup_driver="cgroupfs", kernel="5.10.0")
DEAD = EnvironmentFault("no engine answers", fix="start Docker", check=DoctorCheck.ENGINE)
NO_DRIVER = EnvironmentFault("the engine manages no cgroups", fix="another engine", check=DoctorCheck.CGROUPS)
NO_LIMIT = EnvironmentFault("cannot limit memory", fix="boot it anew", check=DoctorCheck.MEMORY)
SEEN = MachineState(available_bytes=11 * GIB, swap_bytes=0, has_pressure=True)
OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.mark.parametrize(
    ("found", "state", "seen"),
    [
        (DOCKER, OK, "v2, systemd driver, Linux 6.12.43+deb13-amd64"),
        (V1, OK, "v1, cgroupfs driver, Linux 5.10.0"),
        (replace(DOCKER, kernel="strange"), OK, "v2, systemd driver, Linux strange"),
        (replace(DOCKER, kernel="5.19.0"), OK, "v2, systemd driver, Linux 5.19.0"),
        (replace(DOCKER, kernel="5.15.0"), WARNING, "v2, systemd driver, Linux 5.15.0: no memory.peak before"),
        (NO_DRIVER, FAILED, "the engine manages no cgroups"),
        (NO_LIMIT, SKIPPED, "no engine can be used, see memory"),
        (DEAD, SKIPPED, "no engine can be used, see engine"),
    ],
    ids=["v2", "v1", "strange kernel", "marks", "no marks", "no driver", "no limit", "dead"],
)
def test_the_cgroups(found: EngineFound, state: CheckState, seen: str) -> None:
    told = said(lambda: cgroups_finding(found))
    assert told[0] is state
    assert told[1].startswith(seen)


@pytest.mark.parametrize(
    ("found", "machine", "largest", "state", "seen"),
    [
        (DOCKER, SEEN, None, OK, "the engine limits memory; its machine has 16.0 GiB, 11.0 GiB free"),
        (DOCKER, MachineState(), None, OK, "the engine limits memory; its machine has 16.0 GiB"),
        (DOCKER, SEEN, LargestLimit("api", 11 * GIB), OK, "the engine limits memory"),
        (DOCKER, SEEN, LargestLimit("api", 12 * GIB), WARNING, "the engine limits memory; its machine has 16.0 GiB"),
        (DOCKER, MachineState(), LargestLimit("api", 17 * GIB), WARNING, "the engine limits memory"),
        (NO_LIMIT, MachineState(), None, FAILED, "cannot limit memory"),
        (DEAD, MachineState(), None, SKIPPED, "no engine can be used, see engine"),
    ],
    ids=["seen", "unseen", "limit fits", "limit above free", "limit above all", "no limit", "dead"],
)
def test_the_memory(
    found: EngineFound, machine: MachineState, largest: LargestLimit | None, state: CheckState, seen: str
) -> None:
    told = said(lambda: memory_finding(found, machine, largest))
    assert told[0] is state
    assert told[1].startswith(seen)
    assert state is not WARNING or "api has a limit of 1" in told[1]


@pytest.mark.parametrize(
    ("limits_swap", "swap_bytes", "state", "seen"),
    [
        (True, 0, OK, "the engine limits memory and swap together, the machine has none"),
        (True, 512 * MIB, OK, "the engine limits memory and swap together, the machine has 512.0 MiB"),
        (True, None, OK, "the engine limits memory and swap together"),
        (False, 0, OK, "the engine cannot limit swap, and the machine has none"),
        (False, 512 * MIB, FAILED, "the engine's machine has 512.0 MiB of swap"),
        (False, None, FAILED, "the engine's machine may have swap"),
    ],
)
def test_the_swap(*, limits_swap: bool, swap_bytes: int | None, state: CheckState, seen: str) -> None:
    told = said(lambda: swap_finding(replace(DOCKER, limits_swap=limits_swap), MachineState(swap_bytes=swap_bytes)))
    assert told[0] is state
    assert told[1].startswith(seen)


@pytest.mark.parametrize(
    ("info", "has_pressure", "state", "seen"),
    [
        (DOCKER, True, OK, "the kernel counts the time that containers wait for memory"),
        (DOCKER, False, WARNING, "pressure accounting is off, so memory_pressure has no figure"),
        (DOCKER, None, SKIPPED, "the kernel's files cannot be seen from here"),
        (V1, True, WARNING, "cgroup v1 does not count it for containers, so memory_pressure has no figure"),
    ],
)
def test_the_pressure(info: EngineInfo, *, has_pressure: bool | None, state: CheckState, seen: str) -> None:
    assert said(lambda: pressure_finding(info, MachineState(has_pressure=has_pressure)))[:2] == (state, seen)
