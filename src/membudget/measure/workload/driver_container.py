"""A driver container: any image as the load, in the service's own network namespace, outside its cgroup."""

import dataclasses
import time
from pathlib import Path

from membudget.budgets.workload import Driver
from membudget.engine.containers import CannotStart, Containers
from membudget.engine.options import ContainerOptions
from membudget.measure.inputs import existing
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult
from membudget.measure.workload.exec import TIMED_OUT, exit_in_words
from membudget.measure.workload.http_driver import ServiceGone

_LIVENESS_POLL_S = 0.25


def run_driver(
    containers: Containers, service_id: str, driver: Driver, checkout: Path | None, deadline: float
) -> WorkloadResult:
    """Let a container be the load until it ends, or `deadline` (on `time.monotonic`) passes.

    Raises ServiceGone when the service ends meanwhile, ConfigurationError for a file that is not there.
    """
    try:
        container_id = _start(containers, service_id, driver, checkout)
    except CannotStart as error:
        return WorkloadResult(passed=False, reason=f"the driver {driver.image} cannot start: {error}")
    try:
        while not containers.wait(container_id, min(deadline - time.monotonic(), _LIVENESS_POLL_S)):
            if time.monotonic() >= deadline:
                return dataclasses.replace(TIMED_OUT, output_tail=containers.log_tail(container_id))
            if not containers.state(service_id).running:
                raise ServiceGone
        exit_code = containers.state(container_id).exit_code
        if exit_code == driver.expect:
            return WORKLOAD_PASSED
        reason = f"the driver {driver.image} exited with {exit_in_words(exit_code, driver.expect)}"
        return WorkloadResult(passed=False, reason=reason, output_tail=containers.log_tail(container_id))
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
