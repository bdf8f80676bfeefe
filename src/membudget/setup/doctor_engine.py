"""Checks of the engine and its clients: reachable, buildx, compose, clock, and the space on disks."""

import re
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.quantities import GIB, MIB, format_duration, format_size
from membudget.core.untrusted_text import Quoted
from membudget.engine.child_environment import client_mask
from membudget.engine.connection import SLOW_MS, EngineInfo
from membudget.setup.doctor import CannotLook, CheckFinding, CheckState, failed, ok, refused, warning

EngineFound = EngineInfo | EnvironmentFault
"""The engine's properties, or why it cannot be used."""

_KINDS = {"docker": "Docker", "podman": "Podman"}
_VERSION = re.compile(r"v?\d+(?:\.\d+)+\S*", re.ASCII)


def usable(found: EngineFound) -> EngineInfo:
    """Return the engine's properties. Raises CannotLook if it cannot be used."""
    if isinstance(found, EnvironmentFault):
        raise CannotLook("no engine can be used", blocked_by=found.check or DoctorCheck.ENGINE)
    return found


def engine_finding(found: EngineFound, address: str, answer_ms: float) -> CheckFinding:
    """Say which engine answers, and how fast. An engine that cannot limit memory answers all the same."""
    check = DoctorCheck.ENGINE
    if isinstance(found, EnvironmentFault):
        if found.check in (None, check):
            return refused(check, found)
        return ok(check, "an engine answers, but cannot be used: see ", str(found.check))
    name = f"{'rootless ' if found.rootless else ''}{_KINDS[found.kind]} "
    where = client_mask()(address)
    seen = (name, Quoted(found.version), ", API ", Quoted(found.api_version), ", ", Quoted(found.platform), ", at ",
            Quoted(where), f", answers in {answer_ms:.0f} ms")  # fmt: skip
    if answer_ms < SLOW_MS:
        return ok(check, *seen)
    fix = "look at the load of the engine's machine, and at the connection to it; figures are right, checks take longer"
    return warning(check, *seen, ": that is slow", fix=fix)


def buildx_finding(said: str, found: EngineFound) -> CheckFinding:
    """Say which buildx builds the images. `said` is the output of `docker buildx version`."""
    check = DoctorCheck.BUILDX
    if isinstance(found, EngineInfo) and found.kind == "podman":
        fix = "let the engine pull moby/buildkit, or check on a Docker engine (docs/engines.md)"
        return warning(check, *_version(said), "; on Podman it builds in a container of its own", fix=fix)
    return ok(check, *_version(said))


def compose_finding(said: str | EnvironmentFault, found: EngineFound, *, is_needed: bool) -> CheckFinding:
    """Say which compose runs services beside images. It matters only to images with `compose`."""
    check = DoctorCheck.COMPOSE
    if isinstance(found, EngineInfo) and found.kind == "podman":
        what = "services beside an image need a Docker engine, and this is Podman"
        fix = "check images with `compose` on a Docker engine"
        return failed(check, what, fix=fix) if is_needed else warning(check, what, fix=fix)
    if isinstance(said, EnvironmentFault):
        return refused(check, said, CheckState.FAILED if is_needed else CheckState.WARNING)
    return ok(check, *_version(said))


def _version(said: str) -> tuple[str | Quoted, ...]:
    version = _VERSION.search(said)
    return ("version ", Quoted(version[0].removeprefix("v"))) if version is not None else ("unknown version",)


_SKEW_S = 30
"""Clocks that are kept in step differ by less. Virtual machines fall behind when a laptop sleeps."""


def clock_finding(skew_s: float | None) -> CheckFinding:
    """Say how far the engine's clock is ahead of this process's, in seconds. None if the engine does not tell."""
    check = DoctorCheck.CLOCK
    if skew_s is None:
        raise CannotLook("the engine does not tell its time")
    if abs(skew_s) < 1:
        return ok(check, "the engine's clock and this one agree within a second")
    apart = f"the engine's clock is {format_duration(round(abs(skew_s) * 1000))} {'ahead' if skew_s > 0 else 'behind'}"
    if abs(skew_s) < _SKEW_S:
        return ok(check, apart)
    fix = "set both clocks by NTP; on Docker Desktop, restart it: times in logs and the removal of leftovers go by them"
    return warning(check, apart, fix=fix)


class SpacePurpose(Enum):
    """What a place is for, with the space that is little for it, and too little, in bytes."""

    ENGINE = ("the engine", 2 * GIB, 256 * MIB)
    """Images and containers."""
    TEMPORARY = ("temporary files", 512 * MIB, 64 * MIB)
    """Two checkouts of the repository."""

    def __init__(self, words: str, little_bytes: int, too_little_bytes: int) -> None:
        self.words = words
        self.little_bytes = little_bytes
        self.too_little_bytes = too_little_bytes


@dataclass(frozen=True, slots=True)
class Space:
    """The space that is left at a place."""

    purpose: SpacePurpose
    folder: str | None
    free_bytes: int | None
    """None if it cannot be seen."""

    def has_less(self, than_bytes: int) -> bool:
        """Return whether less is left. False if that cannot be seen."""
        return self.free_bytes is not None and self.free_bytes < than_bytes


def disk_finding(spaces: tuple[Space, ...]) -> CheckFinding:
    """Say how much space is left where the engine and temporary files lie."""
    check = DoctorCheck.DISK
    seen: list[str | Quoted] = []
    for space in spaces:
        free = f"{format_size(space.free_bytes)} free" if space.free_bytes is not None else "cannot be seen from here"
        seen.append(f"{'; ' if seen else ''}{space.purpose.words}")
        seen += [" (", Quoted(space.folder), ")"] if space.folder is not None else []
        seen.append(f": {free}")
    if all(space.free_bytes is None for space in spaces):
        raise CannotLook(*seen)
    fix = "free some space: docker system df shows what the engine keeps; TMPDIR names another folder for checkouts"
    if any(space.has_less(space.purpose.too_little_bytes) for space in spaces):
        return failed(check, *seen, fix=fix)
    if any(space.has_less(space.purpose.little_bytes) for space in spaces):
        return warning(check, *seen, fix=fix)
    return ok(check, *seen)


def temporary_folder() -> Path:
    """Return the folder for checkouts and temporary files. Raises OSError if no folder can be written to."""
    return Path(tempfile.gettempdir())
