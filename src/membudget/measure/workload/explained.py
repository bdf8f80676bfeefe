"""Why a service was not ready, or a container did not end: the cause, and what to do, as reasons of trials.

Reasons are stored as they are written here. A trial's reason has one line, and one with the fix.
"""

from collections.abc import Sequence
from dataclasses import replace

from membudget.measure.assumed import ComposeVariables
from membudget.measure.listening import Listening, ports_in_log
from membudget.measure.trial import TrialInputs, WorkloadResult

_MOST_NAMED = 5
FIX = "\n  fix: "
"""What comes between a reason and what to do about it."""
_STILL_STARTING = (
    "look at its last lines of output: it may need a variable (container.env), another service (compose), or more time"
    " (ready.timeout)"
)


def not_ready(
    problem: str, listening: Sequence[Listening], output: Sequence[str], asked: int | None, *, names_tcp: bool = False
) -> str:
    """Return the reason for a service that was not ready.

    `asked` is the port that it was asked at. `names_tcp` says whether the port comes from `ready.tcp`.
    """
    reachable = [one for one in listening if one.is_reachable]
    if any(one.port == asked for one in reachable):
        return problem  # the port is right, and `problem` says what came of asking there
    if reachable:
        port = reachable[0].port
        key = f"ready = {{ tcp = {port} }}" if names_tcp else f"port = {port}"
        return f"{problem}; the service listens on {_named(listening)}{FIX}set {key} in images.NAME.workload"
    if listening:
        where = f"the service listens on {_named(listening)}, where no client at 127.0.0.1 reaches it"
        return f"{problem}; {where}{FIX}let it listen on 0.0.0.0"
    return f"{problem}; {_nowhere(problem, output)}{FIX}{_STILL_STARTING}"


def elsewhere(problem: str, listening: Sequence[Listening], asked: int | None) -> str:
    """Return the reason for requests that failed. If nothing listens on their port, it says where the service does."""
    if asked is None or any(one.port == asked for one in listening):
        return problem
    return not_ready(f"{problem} at port {asked}", listening, (), asked)


def _nowhere(problem: str, output: Sequence[str]) -> str:
    nowhere = "nothing listens on a TCP port"
    hints = ports_in_log(output)
    if hints:
        return f"{nowhere}, though its output names port {hints[-1]}"
    return "its output names no port" if nowhere in problem else nowhere


def not_said(problem: str, listening: Sequence[Listening] | None) -> str:
    """Return the reason for a service that did not print the awaited line, or whose HEALTHCHECK did not say healthy.

    `listening` is None if nobody could look.
    """
    if not listening:
        return f"{problem}; it listens on no TCP port" if listening is not None else problem
    reachable = [one for one in listening if one.is_reachable]
    fix = (
        f"{FIX}if it is ready by then, wait for its port: ready = {{ tcp = {reachable[0].port} }}" if reachable else ""
    )
    return f"{problem}; it listens on {_named(listening)}{fix}"


def is_a_service(listening: Sequence[Listening]) -> str:
    """Return why a one-shot container did not end, if it is a service."""
    port = next((one.port for one in listening if one.is_reachable), listening[0].port)
    workload = f'{{ kind = "http", port = {port}, requests = [{{ path = "/" }}] }}'
    return f"it listens on {_named(listening)}, so it is a service and no one-shot{FIX}workload = {workload}"


NEITHER_ENDED_NOR_RESTED = (
    f"without a workload, it has to end, to listen on a port, or to be idle{FIX}raise `timeout`, or describe the"
    " workload (docs/workloads.md)"
)


def explained(result: WorkloadResult, inputs: TrialInputs, *, listens: bool) -> WorkloadResult:
    """Return a failed result with the variables that only the compose file sets. `listens`: the service has a port."""
    if result.passed:
        return result
    reason = with_variables(result.reason or "", inputs.variables_of_compose, listens=listens)
    return replace(result, reason=reason or None)


def with_variables(reason: str, unset: ComposeVariables | None, *, listens: bool) -> str:
    """Return the reason of a failed trial with the variables that only the compose file sets.

    Where the service listens on a port, the reason's own fix comes first.
    """
    if unset is None or not unset.names or (listens and FIX in reason):
        return reason
    names = ", ".join(unset.names[:_MOST_NAMED])
    more = f" and {len(unset.names) - _MOST_NAMED} more" if len(unset.names) > _MOST_NAMED else ""
    fix = f"{unset.file} sets {names}{more} for {unset.service}: set them in container.env, or add compose = {{}}"
    return f"{reason.partition(FIX)[0]}{FIX}{fix}"


def _named(listening: Sequence[Listening]) -> str:
    names = ", ".join(map(str, listening[:_MOST_NAMED]))
    return names if len(listening) <= _MOST_NAMED else f"{names} and {len(listening) - _MOST_NAMED} more"
