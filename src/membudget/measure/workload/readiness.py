"""Readiness that the engine knows of: a line of the container's output, or the image's own HEALTHCHECK."""

import time

from membudget.engine.containers import Containers
from membudget.engine.stream import FramedStream, LineTail
from membudget.measure.trial import WORKLOAD_PASSED, WorkloadResult

_HEALTH_POLL_S = 0.1


def wait_for_log(output: FramedStream, text: str, deadline: float) -> WorkloadResult:
    """Wait until the container's output, attached before it started, contains `text` within a line."""
    window = LineTail(lines=2)
    try:
        while (frame := output.next_frame(deadline)) is not None:
            for part in frame[1].splitlines(keepends=True):
                window.feed(part)
                if any(text in line for line in window.lines()):
                    return WORKLOAD_PASSED
    except TimeoutError:
        return _not_ready(f'no line of the output contains "{text}"')
    return _not_ready(f'the container ended before it printed "{text}"')


def wait_for_health(containers: Containers, container_id: str, deadline: float) -> WorkloadResult:
    """Wait until the image's HEALTHCHECK says healthy."""
    while time.monotonic() < deadline:
        containers.run_healthcheck(container_id)
        state = containers.state(container_id)
        if state.health is None:
            return _not_ready("the image has no HEALTHCHECK; choose another kind of readiness")
        if state.health == "healthy":
            return WORKLOAD_PASSED
        if not state.running:
            return _not_ready("the container ended before its HEALTHCHECK said healthy")
        time.sleep(_HEALTH_POLL_S)
    return _not_ready("its HEALTHCHECK did not say healthy in time")


def _not_ready(why: str) -> WorkloadResult:
    return WorkloadResult(passed=False, reason=f"not ready: {why}")
