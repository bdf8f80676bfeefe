"""Checks of the engine's machine, and of the place to measure from.

The machine: cgroups, memory, swap and pressure accounting. The place: membudget's own process, a helper container, or
the engine's statistics.
"""

import re
from dataclasses import dataclass, replace

from membudget.core.errors import DoctorCheck, EnvironmentFault, MembudgetError, shortened
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Quoted
from membudget.engine.connection import Engine, EngineInfo
from membudget.engine.helper import find_helper_image
from membudget.engine.vantage import vantage_on
from membudget.measure.certificate import require_swap_limit
from membudget.measure.probe.client import MachineState
from membudget.setup.doctor import CannotLook, CheckFinding, ok, refused, warning
from membudget.setup.doctor_engine import EngineFound, usable

_MARKS_SINCE = (5, 19)
"""The first Linux with memory.peak on cgroup v2 (Documentation/admin-guide/cgroup-v2.rst)."""
_KERNEL = re.compile(r"(\d+)\.(\d+)", re.ASCII)


def cgroups_finding(found: EngineFound) -> CheckFinding:
    """Say which cgroups the engine has. Each trial gets one of its own."""
    check = DoctorCheck.CGROUPS
    if isinstance(found, EnvironmentFault) and found.check is check:
        return refused(check, found)
    info = usable(found)
    version = _KERNEL.match(info.kernel)
    seen = (f"v{info.cgroup_version}, {info.cgroup_driver} driver, Linux ", Quoted(info.kernel))
    if info.cgroup_version == 2 and version is not None and (int(version[1]), int(version[2])) < _MARKS_SINCE:
        what = ": no memory.peak before Linux 5.19, so peak_memory is sampled"
        return warning(check, *seen, what, fix="use a machine with Linux 5.19 or newer for exact peaks")
    return ok(check, *seen)


@dataclass(frozen=True, slots=True)
class LargestLimit:
    """The image with the largest limit in the budgets file."""

    image: str
    limit_bytes: int


def memory_finding(found: EngineFound, machine: MachineState, largest: LargestLimit | None) -> CheckFinding:
    """Say how much memory there is, and whether containers can be limited to a part of it."""
    check = DoctorCheck.MEMORY
    if isinstance(found, EnvironmentFault) and found.check is check:
        return refused(check, found)
    info = usable(found)
    free = f", {format_size(machine.available_bytes)} free" if machine.available_bytes is not None else ""
    seen = f"the engine limits memory; its machine has {format_size(info.memory_bytes)}{free}"
    if largest is None or largest.limit_bytes <= (machine.available_bytes or info.memory_bytes):
        return ok(check, seen)
    asked = ("; ", Quoted(largest.image), f" has a limit of {format_size(largest.limit_bytes)}")
    fix = "use a machine with more memory, or lower the limit: the machine may run out of memory before the container"
    return warning(check, seen, *asked, fix=fix)


def swap_finding(info: EngineInfo, machine: MachineState) -> CheckFinding:
    """Say whether a container that reaches its limit could swap instead."""
    check = DoctorCheck.SWAP
    has = f", the machine has {format_size(machine.swap_bytes)}" if machine.swap_bytes else ", the machine has none"
    if machine.swap_bytes is None:
        has = ""
    if info.limits_swap:
        return ok(check, f"the engine limits memory and swap together{has}")
    try:
        require_swap_limit(limits_swap=False, swap_bytes=machine.swap_bytes)
    except EnvironmentFault as fault:
        return refused(check, fault)
    return ok(check, "the engine cannot limit swap, and the machine has none")


def pressure_finding(info: EngineInfo, machine: MachineState) -> CheckFinding:
    """Say whether the kernel tells how long a container waited for memory (pressure stall information)."""
    check = DoctorCheck.PRESSURE
    if info.cgroup_version == 1:
        fix = "use a machine with cgroup v2 if a budget is set for memory_pressure"
        return warning(check, "cgroup v1 does not count it for containers, so memory_pressure has no figure", fix=fix)
    match machine.has_pressure:
        case None:
            raise CannotLook("the kernel's files cannot be seen from here")
        case True:
            return ok(check, "the kernel counts the time that containers wait for memory")
        case False:
            fix = "boot the engine's machine with psi=1 if a budget is set for memory_pressure"
            return warning(check, "pressure accounting is off, so memory_pressure has no figure", fix=fix)


_END = "\n"
_LONGEST = 200
_SHORT_ID = len("sha256:") + 12


def helper_image_finding(found: str | EnvironmentFault, *, is_needed: bool) -> CheckFinding:
    """Say whether the engine has an image of membudget. `found` is its ID, or why there is none."""
    check = DoctorCheck.HELPER_IMAGE
    if isinstance(found, EnvironmentFault):
        if is_needed:
            return refused(check, found)
        raise CannotLook("not needed: this process sees the engine's cgroups, and is root")
    use = "" if is_needed else ", not needed here"
    return ok(check, "the engine has membudget's image ", Quoted(found[:_SHORT_ID]), use)


def look_for_helper_image(engine: Engine, version: str, asked: str | None) -> CheckFinding:
    """Look for the image that helper containers are made of."""
    try:
        is_needed = not vantage_on(engine).acts_alone
    except EnvironmentFault:  # the check of the probe says why
        is_needed = True
    try:
        return helper_image_finding(find_helper_image(engine, version, asked), is_needed=is_needed)
    except EnvironmentFault as fault:
        return helper_image_finding(fault, is_needed=is_needed)


def no_probe(error: MembudgetError) -> CheckFinding:
    """Say why nothing can be measured from the chosen place."""
    found = refused(DoctorCheck.PROBE, error)
    if found.fix:
        return found
    return replace(found, fix=("build or pull membudget's image again, or choose another place with --probe",))


@dataclass(frozen=True, slots=True)
class ProbeFound:
    """Where trials are measured from."""

    place: str
    sees_cgroups: bool
    """Whether the kernel's own files are read."""
    rate_hz: int
    """Looks per second at rest."""
    is_asked: bool = False
    """Whether `--probe` asked for this place."""
    reasons: tuple[str, ...] = ()
    """What was said while the place was chosen."""


def probe_finding(found: ProbeFound, info: EngineInfo) -> CheckFinding:
    """Say where figures come from, and how often they are read."""
    check = DoctorCheck.PROBE
    if found.sees_cgroups:
        return ok(check, f"{found.place}, sampled {found.rate_hz} times a second, and faster while memory changes")
    seen = "the engine's own statistics, once a second: spikes are missed, and tight verdicts are inconclusive"
    if found.is_asked:
        return warning(check, seen, fix="leave --probe out")
    why = tuple(Quoted(f" ({shortened(reason.partition(_END)[0], _LONGEST)})") for reason in found.reasons)
    fix = "run membudget as root on the engine's machine, or give the engine membudget's image"
    if info.rootless:
        fix = "use an engine that runs as root (docs/engines.md)"
    return warning(check, seen, *why, fix=fix)
