from pathlib import PurePosixPath

import pytest

from membudget.engine.cgroups import CgroupDriver, EngineKind, trial_cgroup
from membudget.engine.run_id import ProcessIdentity, RunId

RUN = RunId(ProcessIdentity("0123abcd", "effffffc", 42, 777), 1_763_000_000, "beef")
TOP = f"membudget_{RUN}"


@pytest.mark.parametrize(
    ("engine", "driver", "leaves"),
    [
        ("docker", "cgroupfs", [f"{TOP}/t3/abc"]),
        ("docker", "systemd", [f"{TOP}.slice/{TOP}-t3.slice/docker-abc.scope"]),
        ("podman", "cgroupfs", [f"{TOP}/t3/libpod-abc/container", f"{TOP}/t3/libpod-abc"]),
        (
            "podman",
            "systemd",
            [
                f"{TOP}.slice/{TOP}-t3.slice/libpod-abc.scope/container",
                f"{TOP}.slice/{TOP}-t3.slice/libpod-abc.scope",
            ],
        ),
    ],
)
def test_each_engine_has_its_own_name_for_a_containers_cgroup(
    engine: EngineKind, driver: CgroupDriver, leaves: list[str]
) -> None:
    cgroup = trial_cgroup(RUN, 3, driver, engine)

    assert cgroup.leaves("abc") == tuple(map(PurePosixPath, leaves))


def test_the_parent_is_named_alike_for_every_engine() -> None:
    assert trial_cgroup(RUN, 1, "cgroupfs", "podman").parent_argument == f"/{TOP}/t1"
    assert trial_cgroup(RUN, 1, "systemd", "podman").parent_argument == f"{TOP}-t1.slice"


def test_only_podman_has_processes_of_its_own_beside_the_container() -> None:
    assert trial_cgroup(RUN, 1, "cgroupfs", "podman").is_shared
    assert not trial_cgroup(RUN, 1, "cgroupfs").is_shared
