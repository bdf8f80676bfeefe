"""Checks of the place to measure from: membudget's own process, a helper container, or the engine's statistics."""

from dataclasses import dataclass, replace

from membudget.core.errors import DoctorCheck, EnvironmentFault, MembudgetError, shortened
from membudget.core.untrusted_text import Quoted
from membudget.engine.connection import Engine, EngineInfo
from membudget.engine.helper import find_helper_image
from membudget.engine.vantage import vantage_on
from membudget.setup.doctor import CannotLook, Finding, ok, refused, warning

_END = "\n"
_LONGEST = 200
_SHORT_ID = len("sha256:") + 12


def helper_image_finding(found: str | EnvironmentFault, *, is_needed: bool) -> Finding:
    """Say whether the engine has an image of membudget. `found` is its ID, or why there is none."""
    check = DoctorCheck.HELPER_IMAGE
    if isinstance(found, EnvironmentFault):
        if is_needed:
            return refused(check, found)
        raise CannotLook("not needed: this process sees the engine's cgroups, and is root")
    use = "" if is_needed else ", not needed here"
    return ok(check, "the engine has membudget's image ", Quoted(found[:_SHORT_ID]), use)


def look_for_helper_image(engine: Engine, version: str, asked: str | None) -> Finding:
    """Look for the image that helper containers are made of."""
    try:
        is_needed = not vantage_on(engine).acts_alone
    except EnvironmentFault:  # the check of the probe says why
        is_needed = True
    try:
        return helper_image_finding(find_helper_image(engine, version, asked), is_needed=is_needed)
    except EnvironmentFault as fault:
        return helper_image_finding(fault, is_needed=is_needed)


def no_probe(error: MembudgetError) -> Finding:
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


def probe_finding(found: ProbeFound, info: EngineInfo) -> Finding:
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
