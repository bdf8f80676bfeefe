"""Why a service was not ready, or a container did not end: the cause, and what to do, as results of workloads.

Reasons are stored as they are written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from membudget.measure.assumed import UnsetVariables
from membudget.measure.listening import Listening, places, ports_in_log
from membudget.measure.trial import WorkloadResult

_MOST_NAMED = 5
_STILL_STARTING = (
    "look at its last lines of output: it may need a variable (container.env), another service (compose), or more time"
    " (ready.timeout)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """What is known of a service that was not ready, besides where it listens."""

    asked: int | None
    """The port that it was asked at. None if it was asked at none."""
    names_tcp: bool = False
    """Whether the port comes from `ready.tcp`."""
    says_nowhere: bool = False
    """Whether the result's reason already says that nothing listens."""
    output: Sequence[str] = ()
    """The last lines of the service's output."""


def not_ready(result: WorkloadResult, listening: Sequence[Listening], unready: Unready) -> WorkloadResult:
    """Return the result for a service that was not ready, with where it listens and what to do about it."""
    reachable = [one for one in listening if one.is_reachable]
    if any(one.port == unready.asked for one in reachable):
        return result  # the port is right, and the reason says what came of asking there
    if reachable:
        port = reachable[0].port
        key = f"ready = {{ tcp = {port} }}" if unready.names_tcp else f"port = {port}"
        return _also(result, f"the service listens on {_named(listening)}", f"set {key} in images.NAME.workload")
    if listening:
        where = f"the service listens on {_named(listening)}, where no client at 127.0.0.1 reaches it"
        return _also(result, where, "let it listen on 0.0.0.0")
    return _also(result, _nowhere(unready), _STILL_STARTING)


def elsewhere(result: WorkloadResult, listening: Sequence[Listening], asked: int | None) -> WorkloadResult:
    """Return the result for requests that failed. If nothing listens on their port, it says where the service does."""
    if asked is None or any(one.port == asked for one in listening):
        return result
    return not_ready(replace(result, reason=f"{result.reason} at port {asked}"), listening, Unready(asked=asked))


def _nowhere(unready: Unready) -> str:
    nowhere = "nothing listens on a TCP port"
    hints = ports_in_log(unready.output)
    if hints:
        return f"{nowhere}, though its output names port {hints[-1]}"
    return "its output names no port" if unready.says_nowhere else nowhere


def not_said(result: WorkloadResult, listening: Sequence[Listening] | None) -> WorkloadResult:
    """Return the result for a service that did not print the awaited line, or whose HEALTHCHECK did not say healthy.

    `listening` is None if nobody could look.
    """
    if not listening:
        return _also(result, "it listens on no TCP port") if listening is not None else result
    port = next((one.port for one in listening if one.is_reachable), None)
    fix = f"if it is ready by then, wait for its port: ready = {{ tcp = {port} }}" if port is not None else None
    return _also(result, f"it listens on {_named(listening)}", fix)


def is_a_service(result: WorkloadResult, listening: Sequence[Listening]) -> WorkloadResult:
    """Return the result for a one-shot container that did not end, because it is a service."""
    port = next((one.port for one in listening if one.is_reachable), listening[0].port)
    workload = f'{{ kind = "http", port = {port}, requests = [{{ path = "/" }}] }}'
    reason = f"it listens on {_named(listening)}, so it is a service and no one-shot"
    return replace(result, reason=reason, fix=f"workload = {workload}")


NEITHER_ENDED_NOR_RESTED = WorkloadResult(
    passed=False,
    timed_out=True,
    reason="without a workload, it has to end, to listen on a port, or to be idle",
    fix="raise `timeout`, or describe the workload (docs/workloads.md)",
)


def with_variables(result: WorkloadResult, look_up: UnsetVariables | None, *, listens: bool) -> WorkloadResult:
    """Return the result, which names the variables that only the compose file sets if the workload failed.

    `listens` says whether the service listens on a port. Then a fix that the result already has is likelier to help.
    """
    if result.passed or look_up is None or (listens and result.fix is not None):
        return result
    unset = look_up()
    if unset is None or not unset.names:
        return result
    names = ", ".join(unset.names[:_MOST_NAMED])
    more = f" and {len(unset.names) - _MOST_NAMED} more" if len(unset.names) > _MOST_NAMED else ""
    fix = f"{unset.file} sets {names}{more} for {unset.service}: set them in container.env, or add compose = {{}}"
    return replace(result, fix=fix)


def _also(result: WorkloadResult, seen: str, fix: str | None = None) -> WorkloadResult:
    """Return the result with what else was seen, and what to do about it."""
    return replace(result, reason=f"{result.reason}; {seen}", fix=fix)


def _named(listening: Sequence[Listening]) -> str:
    named = places(listening)
    names = ", ".join(named[:_MOST_NAMED])
    return names if len(named) <= _MOST_NAMED else f"{names} and {len(named) - _MOST_NAMED} more"
