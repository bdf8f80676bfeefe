from dataclasses import replace

import pytest

from membudget.core.errors import ConfigurationError, EnvironmentFault, MembudgetError
from membudget.engine.connection import EngineInfo
from membudget.engine.helper import HelperFailed
from membudget.setup.doctor import CheckState
from membudget.setup.doctor_machine import ProbeFound, helper_image_finding, no_probe, probe_finding
from tests.support.engine_info import DOCKER
from tests.support.findings import said

MISSING = EnvironmentFault("the engine has no image membudget:1", fix="build it")
ID = "sha256:0123456789abcdef0123456789abcdef"
OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.mark.parametrize(
    ("found", "is_needed", "state", "seen"),
    [
        (ID, True, OK, "the engine has membudget's image sha256:0123456789ab"),
        (ID, False, OK, "the engine has membudget's image sha256:0123456789ab, not needed here"),
        (MISSING, True, FAILED, "the engine has no image membudget:1"),
        (MISSING, False, SKIPPED, "not needed: this process sees the engine's cgroups, and is root"),
    ],
)
def test_the_helper_image(found: str | EnvironmentFault, *, is_needed: bool, state: CheckState, seen: str) -> None:
    assert said(lambda: helper_image_finding(found, is_needed=is_needed))[:2] == (state, seen)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ConfigurationError("--probe host: not here", fix="leave --probe out"), "leave --probe out"),
        (HelperFailed("the helper ended early"), "build or pull membudget's image again"),
    ],
)
def test_why_nothing_can_be_measured(error: MembudgetError, fix: str) -> None:
    state, seen, told = said(lambda: no_probe(error))
    assert (state, seen) == (FAILED, error.what)
    assert told.startswith(fix)


STATISTICS = "the engine's own statistics, once a second: spikes are missed, and tight verdicts are inconclusive"


@pytest.mark.parametrize(
    ("found", "info", "state", "seen", "fix"),
    [
        (
            ProbeFound("host cgroup files", sees_cgroups=True, rate_hz=100),
            DOCKER,
            OK,
            "host cgroup files, sampled 100 times a second, and faster while memory changes",
            "",
        ),
        (
            ProbeFound("x", sees_cgroups=False, rate_hz=1, reasons=("there is no image\n  fix: build it",)),
            DOCKER,
            WARNING,
            f"{STATISTICS} (there is no image)",
            "run membudget as root on the engine's machine, or give the engine membudget's image",
        ),
        (
            ProbeFound("x", sees_cgroups=False, rate_hz=1),
            replace(DOCKER, rootless=True),
            WARNING,
            STATISTICS,
            "use an engine that runs as root (docs/engines.md)",
        ),
        (
            ProbeFound("x", sees_cgroups=False, rate_hz=1, is_asked=True),
            DOCKER,
            WARNING,
            STATISTICS,
            "leave --probe out",
        ),
    ],
    ids=["kernel's files", "no helper image", "rootless", "asked for"],
)
def test_the_place_to_measure_from(found: ProbeFound, info: EngineInfo, state: CheckState, seen: str, fix: str) -> None:
    assert said(lambda: probe_finding(found, info)) == (state, seen, fix)
