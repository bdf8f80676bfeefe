"""The load of a workload, as the connections that it has open at once, and the same workload with another load."""

from collections.abc import Sequence

from membudget.budgets.workload import HttpWorkload, StepsWorkload
from membudget.budgets.workload_parts import HttpRequests, WorkloadKind
from membudget.core.errors import ConfigurationError

_REQUESTS_EACH = 4
"""The least requests of each connection. Fewer connections would otherwise be open at once than were ordered."""
MOST_AT_ONCE, MOST_IDLE, MOST_PER_SECOND = 1000, 20_000, 100_000
"""What a workload may have at most: `concurrency`, `connections` and `rate`."""


def load_of(workload: WorkloadKind) -> int | None:
    """Return how many connections a workload has open at once. None if it sends no HTTP requests."""
    return max(map(_connections, _groups(workload)), default=None)


def with_load(workload: WorkloadKind, connections: int, most: int) -> WorkloadKind:
    """Return a workload with another number of connections. It sends as many requests as with `most` connections.

    `concurrency`, `connections` and `rate` all grow alike. Raises ConfigurationError if no workload may have as many.
    """
    base = load_of(workload)
    if base is None:
        return workload

    def changed(groups: Sequence[HttpRequests]) -> tuple[HttpRequests, ...]:
        return tuple(_changed(group, connections, base, most) for group in groups)

    match workload:
        case HttpWorkload():
            return workload.model_copy(update={"requests": changed(workload.requests)})
        case StepsWorkload():
            steps = (
                step.model_copy(update={"http": changed(step.http)}) if step.http is not None else step
                for step in workload.steps
            )
            return workload.model_copy(update={"steps": tuple(steps)})
        case _:
            return workload


def _groups(workload: WorkloadKind) -> list[HttpRequests]:
    match workload:
        case HttpWorkload():
            return list(workload.requests)
        case StepsWorkload():
            return [group for step in workload.steps for group in step.http or ()]
        case _:
            return []


def _connections(group: HttpRequests) -> int:
    return group.concurrency + group.connections


def _changed(group: HttpRequests, wanted: int, base: int, most: int) -> HttpRequests:
    idle, at_once = _parts(group, wanted, base)
    _, most_at_once = _parts(group, most, base)
    rate = max(1, round(group.rate * wanted / base)) if group.rate is not None else None
    requests = group.requests
    for found, allowed, key in (
        (at_once, MOST_AT_ONCE, "concurrency"),
        (idle, MOST_IDLE, "connections"),
        (rate or 0, MOST_PER_SECOND, "rate"),
    ):
        if found > allowed:
            raise ConfigurationError(
                f"with {wanted} connections, the requests to {group.path} need {key} = {found}, and {allowed} is the"
                " most",
                where="--loads",
                fix="choose smaller loads",
            )
    count = max(requests, _REQUESTS_EACH * most_at_once) if requests is not None else None
    return group.model_copy(update={"concurrency": at_once, "connections": idle, "rate": rate, "count": count})


def _parts(group: HttpRequests, wanted: int, base: int) -> tuple[int, int]:
    """Return how many connections are idle and how many send requests, of a load."""
    total = max(1, round(_connections(group) * wanted / base))
    idle = min(round(group.connections * wanted / base), total - 1)
    return idle, total - idle
