import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.setup.doctor import CheckState, Figure, KnownTruth
from membudget.setup.doctor_self_test import HELD_BYTES, SPIKE_BYTES, SelfTestRun, judged, programs, self_test
from tests.support.builders import trial
from tests.support.engine_info import DOCKER
from tests.support.findings import said

KILLED = replace(trial(31, oom_kills=1), workload_passed=False)
NO_SWAP_LIMIT = EnvironmentFault("the engine's machine may have swap", fix="turn swap off", check=DoctorCheck.SWAP)
OK, WARNING, FAILED, SKIPPED = CheckState


def runs(held: Trial, spike: Trial, kills: Trial | EnvironmentFault = KILLED) -> tuple[SelfTestRun, ...]:
    return (
        SelfTestRun(KnownTruth.HELD, held),
        SelfTestRun(KnownTruth.SPIKE, spike),
        SelfTestRun(KnownTruth.KILLS, kills),
    )


def uncounted() -> Trial:
    metrics = {**KILLED.metrics, Metric.OOM_KILLS: MetricValue.absent(Metric.OOM_KILLS, "unknown")}
    return replace(KILLED, metrics=metrics)


def failed_trial() -> Trial:
    return trial(None, outcome=Outcome.WORKLOAD_FAILED, reason="the container cannot start: no such file")


@pytest.mark.parametrize(
    ("given", "sees_cgroups", "state", "seen"),
    [
        (
            runs(trial(64.02), trial(96)),
            True,
            OK,
            (
                "held 64.0 MiB: measured 64.0 MiB; a spike of 96.0 MiB for 50 ms: measured 96.0 MiB;"
                " 64.0 MiB under a limit of 32.0 MiB: 1 OOM kill counted"
            ),
        ),
        (runs(trial(64.6), trial(96)), True, FAILED, "held 64.0 MiB: measured 64.6 MiB"),
        (runs(trial(63.4), trial(96)), True, FAILED, "held 64.0 MiB: measured 63.4 MiB"),
        (runs(trial(63.4), trial(96)), False, WARNING, "held 64.0 MiB: measured 63.4 MiB"),
        (runs(trial(None), trial(96)), True, FAILED, "held 64.0 MiB: not seen"),
        (runs(trial(None), trial(96)), False, WARNING, "held 64.0 MiB: not seen"),
        (runs(trial(64), trial(87)), True, OK, "a spike of 96.0 MiB for 50 ms: measured 87.0 MiB"),
        (runs(trial(64), trial(80)), True, WARNING, "a spike of 96.0 MiB for 50 ms: measured 80.0 MiB"),
        (runs(trial(64), trial(0)), False, WARNING, "a spike of 96.0 MiB for 50 ms: measured 0 B"),
        (runs(trial(64), trial(97)), True, FAILED, "a spike of 96.0 MiB for 50 ms: measured 97.0 MiB"),
        (runs(failed_trial(), trial(96)), True, FAILED, "held 64.0 MiB: the container cannot start: no such file"),
        (runs(trial(64), trial(96), trial(64)), True, FAILED, "64.0 MiB under a limit of 32.0 MiB: the limit was not"),
        (runs(trial(64), trial(96), uncounted()), True, WARNING, "killed, but OOM kills cannot be counted"),
        (runs(trial(64), trial(96), NO_SWAP_LIMIT), True, FAILED, "no limit was tried: the engine's machine may have"),
        (
            runs(trial(64), trial(96), replace(KILLED, metrics=trial(3, oom_kills=0).metrics)),
            True,
            FAILED,
            "0 OOM kills counted",
        ),
    ],
)
def test_what_is_known_is_compared_with_what_was_measured(
    given: tuple[SelfTestRun, ...], *, sees_cgroups: bool, state: CheckState, seen: str
) -> None:
    told = said(lambda: judged(given, sees_cgroups=sees_cgroups))

    assert told[0] is state
    assert seen in told[1]


@pytest.mark.parametrize(
    ("given", "sees_cgroups", "fix"),
    [
        (runs(trial(64), trial(0)), False, "measure from the kernel's own files"),
        (runs(trial(64), trial(0)), True, "run again when the machine is less busy"),
        (runs(trial(9), trial(96)), True, "do not trust this engine's figures"),
        (runs(trial(64), trial(96), NO_SWAP_LIMIT), True, "turn swap off"),
    ],
)
def test_what_to_do_depends_on_what_is_wrong(given: tuple[SelfTestRun, ...], *, sees_cgroups: bool, fix: str) -> None:
    assert said(lambda: judged(given, sees_cgroups=sees_cgroups))[2].startswith(fix)


def test_programs_read_figures_beside_the_words() -> None:
    finding = judged(runs(trial(64), trial(95)), sees_cgroups=True)

    assert finding.figures == (
        Figure(KnownTruth.HELD, HELD_BYTES, 64 * MIB, 70 * MIB),
        Figure(KnownTruth.SPIKE, SPIKE_BYTES, 95 * MIB, 101 * MIB),
        Figure(KnownTruth.KILLS, 1, 1, 37 * MIB),
    )


def test_the_engines_statistics_get_time_to_see_something() -> None:
    quick, slow = (programs("amd64", sees_cgroups=sees) for sees in (True, False))

    assert quick.keys() == slow.keys() == {"held", "spike", "kills"}
    assert quick["held"] != slow["held"]


class Pool:
    """Measures in no time what it is told to have measured."""

    sees_cgroups = True

    def __init__(self, trials: Sequence[Trial | EnvironmentFault]) -> None:
        self._trials = list(trials)
        self.specs: list[TrialSpec] = []

    def run(self, spec: TrialSpec) -> Trial:
        self.specs.append(spec)
        found = self._trials.pop(0)
        if isinstance(found, EnvironmentFault):
            raise found
        return found


class Api:
    """Takes one image, and lets it be removed."""

    def __init__(self) -> None:
        self.archive = b""
        self.tags: list[str] = []
        self.answer = '{"status":"sha256:1"}\r\n'

    def import_image_from_data(self, data: bytes, *, repository: str) -> str:
        self.archive = data
        self.tags.append(repository)
        return self.answer

    def remove_image(self, tag: str) -> None:
        self.tags.remove(tag)

    @property
    def api(self) -> "Api":
        return self

    @property
    def images(self) -> "Api":
        return self

    def get(self, reference: str) -> "Api":
        assert reference in self.tags
        return self

    id = "sha256:1"


def engine_with(api: Api, platform: str = "linux/amd64") -> Engine:
    return Engine(cast("object", api), replace(DOCKER, platform=platform), "unix:///x")  # type: ignore[arg-type]


def test_the_programs_are_measured_like_any_image_and_leave_none() -> None:
    api, pool, run = Api(), Pool([trial(64), trial(96), KILLED]), own_run_id()

    finding = self_test(engine_with(api), run, pool)

    assert finding.state is OK
    assert api.tags == []
    with tarfile.open(fileobj=io.BytesIO(api.archive)) as archive:
        assert {member.name: member.mode for member in archive} == {"held": 0o755, "spike": 0o755, "kills": 0o755}
    assert [(spec.image_id, spec.limit_bytes) for spec in pool.specs] == [
        ("sha256:1", None),
        ("sha256:1", None),
        ("sha256:1", 32 * MIB),
    ]


def test_a_fault_of_a_trial_leaves_no_image() -> None:
    api = Api()

    with pytest.raises(EnvironmentFault, match="gone"):
        self_test(engine_with(api), own_run_id(), Pool([EnvironmentFault("gone")]))

    assert api.tags == []


def test_an_engine_that_cannot_make_the_image_says_why() -> None:
    api = Api()
    api.answer = '{"status":"Importing"}\r\n{"error":"no space left on device"}\r\n'

    with pytest.raises(EnvironmentFault, match="the engine cannot make an image: no space left on device"):
        self_test(engine_with(api), own_run_id(), Pool([]))


def test_without_a_limit_on_swap_memory_is_measured_all_the_same() -> None:
    finding = self_test(engine_with(Api()), own_run_id(), Pool([trial(64), trial(96), NO_SWAP_LIMIT]))

    assert [figure.what for figure in finding.figures] == [KnownTruth.HELD, KnownTruth.SPIKE]
    assert finding.state is FAILED


def test_an_architecture_without_a_program_is_skipped() -> None:
    told = said(lambda: self_test(engine_with(Api(), "linux/riscv64"), own_run_id(), Pool([])))

    assert told[0] is SKIPPED
    assert "linux/riscv64" in told[1]
