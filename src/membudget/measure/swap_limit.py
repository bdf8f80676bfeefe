"""Whether a memory limit bounds what a container takes: not where it may swap beyond it. Pure."""

from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import format_size

_FIX = (
    "turn swap off on the engine's machine (swapoff -a), or boot it with swapaccount=1 (cgroup v1; `docker info` then"
    " says nothing of missing swap limit support)"
)


def require_swap_limit(*, limits_swap: bool, swap_bytes: int | None) -> None:
    """Raise EnvironmentFault where a container could swap without end instead of reaching its limit.

    `limits_swap`: the engine can limit memory and swap together. `swap_bytes`: the machine's swap; None: not known.
    """
    if limits_swap or swap_bytes == 0:
        return
    swap = f"has {format_size(swap_bytes)} of swap" if swap_bytes is not None else "may have swap"
    raise EnvironmentFault(
        f"the engine's machine {swap}, and its kernel does not limit swap by container: a container would swap"
        " instead of reaching its memory limit, so no memory figure or OOM kill would mean anything",
        fix=_FIX,
    )
