"""Commands inside the started service, one after another: what they use counts to its memory."""

import dataclasses
import time
from pathlib import Path

from membudget.budgets.workload_parts import Commands, Driver, ExecCommand
from membudget.core.quantities import format_duration
from membudget.engine.containers import LOG_TAIL_LINES, CannotStart, Containers
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.engine.stream import LineTail, feed
from membudget.measure.inputs import existing, read_input
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult
from membudget.measure.workload.service import TIMED_OUT, Service


def run_commands(group: Commands, service: Service, deadline: float) -> WorkloadResult:
    """Run the commands until one fails, or `deadline` (on `time.monotonic`) passes."""
    for command in group.commands:
        result = _run(command, service, deadline)
        if not result.passed:
            return result
    return WORKLOAD_PASSED


def exit_in_words(exit_code: int, expected: int) -> str:
    """How a process ended: "code 3 (expected 2)"."""
    return f"code {exit_code}{f' (expected {expected})' if expected else ''}"


def _run(command: ExecCommand, service: Service, deadline: float) -> WorkloadResult:
    options = ExecOptions(
        command=command.run,
        environment=command.env,
        workdir=command.workdir,
        user=command.user,
        reads_input=command.stdin is not None,
    )
    what = f"the command {' '.join(command.run)}"
    own_deadline = time.monotonic() + command.timeout / 1000 if command.timeout is not None else deadline
    exec_id, stream = service.containers.start_exec(service.container_id, options)
    tail = LineTail(LOG_TAIL_LINES)
    try:
        if command.stdin is not None:
            feed(stream, read_input(service.checkout, command.stdin, "workload.commands.stdin"))
        while (frame := stream.next_frame(min(deadline, own_deadline))) is not None:
            tail.feed(frame[1])
    except TimeoutError:
        if own_deadline >= deadline:
            return dataclasses.replace(TIMED_OUT, output_tail=tail.lines())
        reason = f"{what} still ran after {format_duration(command.timeout or 0)}"
        return WorkloadResult(passed=False, reason=reason, output_tail=tail.lines())
    finally:
        stream.close()
    exit_code = service.containers.exec_exit_code(exec_id)
    if exit_code == command.expect:
        return WORKLOAD_PASSED
    reason = f"{what} exited with {exit_in_words(exit_code, command.expect)}"
    return WorkloadResult(passed=False, reason=reason, output_tail=tail.lines())


_LIVENESS_POLL_S = 0.25


def run_driver(driver: Driver, service: Service, deadline: float) -> WorkloadResult:
    """Let a container be the load until it ends, or `deadline` (on `time.monotonic`) passes.

    Raises ConfigurationError for a file that is not there.
    """
    containers = service.containers
    try:
        container_id = _start(containers, service.container_id, driver, service.checkout)
    except CannotStart as error:
        reason = f"the driver {driver.image} cannot start: {error}"
        return service.ended_or(WorkloadResult(passed=False, reason=reason))
    try:
        while not containers.wait(container_id, min(deadline - time.monotonic(), _LIVENESS_POLL_S)):
            if time.monotonic() >= deadline:
                return dataclasses.replace(TIMED_OUT, output_tail=containers.log_tail(container_id))
            if not containers.state(service.container_id).running:
                return service.ended()
        exit_code = containers.state(container_id).exit_code
        if exit_code == driver.expect:
            return WORKLOAD_PASSED
        reason = f"the driver {driver.image} exited with {exit_in_words(exit_code, driver.expect)}"
        tail = containers.log_tail(container_id)
        return service.ended_or(WorkloadResult(passed=False, reason=reason, output_tail=tail))
    finally:
        containers.remove(container_id)


def _start(containers: Containers, service_id: str, driver: Driver, checkout: Path | None) -> str:
    sources = {
        path: existing(checkout, name, "workload.files") for path, name in driver.files.items()
    }  # before anything is made
    options = ContainerOptions(
        image=driver.image,
        name=f"driver-{service_id[:12]}",
        role="driver",
        command=driver.command,
        entrypoint=driver.entrypoint,
        memory_bytes=driver.limit,
        network=f"container:{service_id}",
        environment=driver.env,
    )
    container_id = containers.create(options)
    try:
        for path, source in sources.items():
            containers.copy_in(container_id, source, "/", path.lstrip("/"))
        containers.start(container_id)
    except BaseException:
        containers.remove(container_id)
        raise
    return container_id
