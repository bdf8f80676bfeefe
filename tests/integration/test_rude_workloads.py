"""Workloads that hang, flood or multiply: each ends in time, with a clear outcome, and costs membudget no memory."""

import contextlib
import os
import resource
import sys
import time
from pathlib import Path

import pytest

import processes
from membudget.budgets.workload import Step, StepsWorkload, Workload
from membudget.budgets.workload_parts import Driver, ExecCommand, HttpRequests, Readiness
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, command, http

LONGEST_OVERTIME_S = 300
"""Also on a busy machine; left alone, they would take ten minutes and more."""
MOST_MEMORY_BYTES = 150 * MIB
FORK_BOMB = f"""# of {os.getpid()}, and of nobody else on this machine
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.1)
"""
FLOOD = "import os\npiece = b'x' * (1 << 20)\nfor _ in range(200):\n    os.write(1, piece)\n"
"""More than what membudget may hold. The engine takes seconds of CPU time for each gibibyte."""


WEIGHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def steps(step: Step) -> StepsWorkload:
    return StepsWorkload(kind="steps", ready=Readiness(tcp=8080), steps=(step,))


@pytest.mark.parametrize(
    "workload",
    [
        http(HttpRequests(path="/sleep/600", count=1)),
        http(HttpRequests(path="/sleep/600", connections=5, count=9, rate=2)),
        http(HttpRequests(path="/endless", count=1)),
        steps(Step(exec=(ExecCommand(run=("sleep", "600")),))),
        steps(Step(exec=(ExecCommand(run=("true",)),), duration="1h")),
        steps(Step(idle="1h")),
        steps(Step(driver=Driver(image="IMAGE", command=("sleep", "600")))),
        command("python3", "-c", "import signal; signal.pause()"),
    ],
)
def test_a_trial_ends_in_its_time(from_host: Trials, images: PreparedImages, workload: Workload) -> None:
    if isinstance(workload, StepsWorkload) and workload.steps[0].driver is not None:
        driver = workload.steps[0].driver.model_copy(update={"image": images.service})
        workload = steps(Step(driver=driver))
    begun = time.monotonic()
    trial = from_host.run(images.service, workload, timeout_ms=1500)
    took_s = time.monotonic() - begun
    assert trial.outcome is Outcome.TIMED_OUT
    assert str(trial.reason).startswith("still running after 1.5 s")
    assert took_s < 1.5 + LONGEST_OVERTIME_S


def test_a_service_that_is_not_ready_in_its_time(from_host: Trials, images: PreparedImages) -> None:
    for timeout_s in (0.5, 10.0, 60.0):  # on a busy machine the service takes seconds to listen
        ready = Readiness(tcp=9, timeout=f"{timeout_s * 1000:.0f}ms")
        trial = from_host.run(images.service, http(ready=ready), timeout_ms=600_000)
        if "; the service listens" in str(trial.reason):
            break
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    refused = "port 9: connection refused; the service listens on"
    assert str(trial.reason).startswith(f"not ready within {timeout_s:.1f} s: {refused}")


def test_a_fork_bomb_ends_with_its_container(from_host: Trials, images: PreparedImages) -> None:
    begun = time.monotonic()
    trial = from_host.run(images.service, command("python3", "-c", FORK_BOMB), limit_mib=64, timeout_ms=5000)
    assert trial.outcome in (Outcome.TIMED_OUT, Outcome.OOM_KILLED)
    assert time.monotonic() - begun < 5 + LONGEST_OVERTIME_S
    assert not [name for name in names_of_processes() if FORK_BOMB.encode() in name]


def names_of_processes() -> list[bytes]:
    """The command lines of this machine's processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes())
    return found


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_flood_of_output_costs_membudget_nothing(images: PreparedImages, exit_code: int) -> None:
    flood = f"{FLOOD}os._exit({exit_code})"
    measure = [sys.executable, "-m", "membudget", "measure", "--trials=1", "--limit=64MiB", "--timeout=2m"]
    command = [sys.executable, "-c", WEIGHED, *measure, images.service, "--", "python3", "-c", flood]
    done = processes.run(command, timeout_s=240)
    assert done.returncode == (0 if exit_code == 0 else 3)
    assert "peak RSS" in done.stdout
    largest_kib = int(done.stderr.splitlines()[-1])  # of membudget and of its helpers
    assert largest_kib * 1024 < MOST_MEMORY_BYTES


def test_a_flood_of_a_commands_output_costs_membudget_nothing(from_host: Trials, images: PreparedImages) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trial = from_host.run(
        images.service, steps(Step(exec=(ExecCommand(run=("python3", "-c", FLOOD)),))), timeout_ms=120_000
    )
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
