"""cgroup v2 with systemd, as on GitHub's runners, in an emulated machine: one boot, all cases."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import base_image
import cgroup2_vm
import own_image
from membudget.core.quantities import MIB
from membudget.version import VERSION
from tests.support.engine import require_engine
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import build, build_light_helper

pytestmark = [pytest.mark.cgroup2_vm, pytest.mark.engine, pytest.mark.timeout(3600)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the machine left."""

    folder: Path

    def case(self, name: str) -> Any:
        """One case: exit_code, stdout, stderr."""
        return json.loads((self.folder / f"{name}.json").read_text())

    def measured(self, name: str) -> Any:
        """The JSON that a case printed."""
        case = self.case(name)
        assert case["exit_code"] == 0, case["stderr"]
        return json.loads(case["stdout"])


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at work."""

    process: subprocess.Popen[bytes]
    results: Path
    log: Path


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Prepare images here, begin the job there. It takes minutes, in which other tests run beside it."""
    if os.environ.get("MEMBUDGET_WITHOUT_CGROUP2_VM") == "1":
        pytest.skip("MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves the cgroup v2 machine out")
    try:
        tool = cgroup2_vm.provide()
    except cgroup2_vm.Unavailable as error:
        skip_for_want_of(f"there is no cgroup v2 machine: {error}, or leave it out with MEMBUDGET_WITHOUT_CGROUP2_VM=1")
    require_engine().close()
    for suite in ("bookworm", "trixie"):
        base_image.provide(suite)
    own_image.build(f"membudget:{VERSION}")
    job = tmp_path_factory.mktemp("cgroup2") / "job"
    job.mkdir()
    built = build()
    images = [built.truth, built.trouble, build_light_helper(f"membudget:{VERSION}")]
    subprocess.run(["docker", "save", "--output", str(job / "images.tar"), *images], check=True)
    shutil.copy(Path(__file__).with_name("cgroup2_job.py"), job)
    results, log = job.with_name("results"), job.with_name("log")
    with cgroup2_vm.running(tool, job, results, "python3 /job/in/job/cgroup2_job.py", log) as process:
        yield Machine(process, results, log)


@pytest.fixture(scope="module")
def seen(machine: Machine) -> Seen:
    """What is there when the job is done."""
    code = machine.process.wait()
    assert code == 0, machine.log.read_text(errors="replace")
    return Seen(machine.results)


def test_the_machine_begins(machine: Machine) -> None:
    assert machine.process.poll() is None, machine.log.read_text(errors="replace")


def test_a_known_peak_is_found_by_the_kernel_and_by_sampling(seen: Seen) -> None:
    document = seen.measured("host-truth")
    assert_v2_with_systemd(document["environment"])
    truth = 220 * MIB
    assert document["metrics"]["peak_rss"]["value"] == pytest.approx(truth, rel=0.02)
    assert document["metrics"]["peak_memory"]["value"] == pytest.approx(truth, abs=0.02 * truth + 2 * MIB)
    assert document["metrics"]["oom_kills"]["value"] == 0


def test_no_spike_is_missed_and_the_certificate_says_so(seen: Seen) -> None:
    document = seen.measured("host-spikes")
    assert document["metrics"]["peak_rss"]["value"] == pytest.approx(84 * MIB, rel=0.01)
    certificate = document["trials"][0]["certificate"]
    assert certificate["conclusion"] == "confirmed"
    assert certificate["kernel_peak_bytes"] - certificate["largest_sampled_bytes"] <= certificate["resolution_bytes"]


def test_what_only_v2_has_is_there(seen: Seen) -> None:
    metrics = seen.measured("host-oom")["metrics"]
    assert metrics["memory_pressure"]["value"] > 0
    assert metrics["swap_peak"] == {**metrics["swap_peak"], "value": 0, "precision": "exact"}
    assert metrics["cpu_seconds"]["value"] > 0


@pytest.mark.parametrize("place", ["host", "action"])
def test_an_oom_kill_of_a_child_is_counted_though_pid_1_lives(seen: Seen, place: str) -> None:
    document = seen.measured(f"{place}-oom")
    assert document["metrics"]["oom_kills"]["value"] >= 1
    assert document["trials"][0]["exit_code"] == 0
    assert document["environment"]["probe"].startswith("probe container" if place == "action" else "host cgroup files")
    killed = document["trials"][0]["oom"]["killed"][0]
    assert killed["name"] == "truth"
    assert killed["anon_bytes"] == pytest.approx(64 * MIB, rel=0.05)


@pytest.mark.parametrize("place", ["host", "action"])
def test_the_doctor_finds_nothing_wrong(seen: Seen, place: str) -> None:
    document = seen.measured("doctor" if place == "host" else "action-doctor")
    checks = {check["check"]: check for check in document["checks"]}
    assert {"ok"} == {checks[name]["state"] for name in ("disk", "memory", "pressure", "probe")}
    assert checks["probe"]["seen"].startswith("host cgroup files" if place == "host" else "probe container")
    held, spike, kills = checks["self-test"]["figures"]
    assert held["measured"] == pytest.approx(64 * MIB, abs=MIB // 2)
    assert spike["measured"] <= 96.5 * MIB  # emulated: a spike may be over before it is seen whole
    assert (kills["known"], kills["measured"]) == (1, 1)
    if place == "host":
        assert checks["cgroups"]["seen"].startswith("v2, systemd driver, Linux ")


def test_a_group_kill_counts_each_process_once(seen: Seen) -> None:
    """The kernel itself counts the first of a group (memory.oom.group) twice."""
    document = seen.measured("host-oom-group")
    assert document["metrics"]["oom_kills"]["value"] == 2
    assert len(document["trials"][0]["oom"]["killed"]) == 2
    assert document["trials"][0]["exit_code"] == 137


@pytest.mark.parametrize("name", ["fit", "fit-oom-group"])
def test_a_fit_has_the_same_answer_whether_the_kernel_kills_one_process_or_all(seen: Seen, name: str) -> None:
    (image,) = seen.measured(name)["images"]
    assert 40 * MIB < image["survives_bytes"] <= 43 * MIB
    assert any(rung["killed"] for rung in image["rungs"])


def test_the_curve_of_a_fit_has_what_is_read_again_and_how_long_processes_wait(seen: Seen) -> None:
    """How much that is, and whether a trial at 8 MiB ends in time, depends on how slow the machine is."""
    case = seen.case("fit-reclaim")
    assert case["exit_code"] in (0, 3), case["stderr"]
    (image,) = json.loads(case["stdout"])["images"]
    passed = [rung for rung in image["rungs"] if rung["passed"] and rung["limit_bytes"] is not None]
    assert any(rung["limit_bytes"] < 20 * MIB for rung in passed)
    for rung in passed:
        assert None not in (rung["refaulted_bytes"], rung["stalled_ms"], rung["stalled_percent"])


def test_each_phase_has_a_mark_of_its_own(seen: Seen) -> None:
    report = json.loads((seen.folder / "report.json").read_text())
    service = report["images"][1]["head"]
    steady, settle = service["trials"][0]["phases"]
    assert (steady["name"], settle["name"]) == ("steady", "settle")
    assert steady["peak_memory"]["value"] == pytest.approx(60 * MIB, rel=0.05)
    assert settle["peak_memory"]["value"] == pytest.approx(20 * MIB, rel=0.1)
    assert settle["peak_memory"]["precision"].startswith("exact")
    assert service["metrics"]["settled_rss"]["value"] == pytest.approx(20 * MIB, rel=0.05)


def test_a_check_finds_growth(seen: Seen) -> None:
    assert seen.case("check")["exit_code"] == 1, seen.case("check")["stderr"]
    report = json.loads((seen.folder / "report.json").read_text())
    assert_v2_with_systemd(report["environment"])
    image = report["images"][0]
    assert image["base"]["metrics"]["peak_rss"]["value"] == pytest.approx(20 * MIB, rel=0.05)
    assert image["head"]["metrics"]["peak_rss"]["value"] == pytest.approx(30 * MIB, rel=0.05)


@pytest.mark.parametrize("name", [
    "host-truth", "host-spikes", "host-oom", "host-oom-group", "fit", "fit-oom-group", "fit-reclaim", "action-oom",
    "check",
])  # fmt: skip
def test_nothing_unexpected_is_said(seen: Seen, name: str) -> None:
    said = seen.case(name)["stderr"]
    assert "Exception ignored" not in said
    assert "Traceback" not in said
    assert "clean-up is incomplete" not in said


def test_nothing_stays_behind(seen: Seen) -> None:
    assert seen.case("after") == seen.case("before")


def assert_v2_with_systemd(environment: dict[str, Any]) -> None:
    assert (environment["cgroup_version"], environment["cgroup_driver"]) == (2, "systemd")
