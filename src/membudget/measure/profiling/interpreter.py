"""Which CPython a container runs, by what the judged trials saw of its processes. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from membudget.measure.runtimes.recognise import main_processes
from membudget.measure.trial import Trial

_PROGRAM = re.compile(r"python3\.(\d{1,3})")
"""Builds without the global lock have a "t" behind the number. They need other wheels."""
_LIBRARY = re.compile(r"libpython3\.(\d{1,3})\.so(?:\.[\d.]+)?")
_MUSL = re.compile(r"(?:ld-musl|libc\.musl)")
_GLIBC = re.compile(r"libc(?:-2\.\d+\.so|\.so\.6)")


class Libc(StrEnum):
    """The C library of an interpreter."""

    GLIBC = "glibc"
    MUSL = "musl"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What an extension module has to fit."""

    minor: int
    """11 for Python 3.11."""
    libc: Libc


def interpreter_of(trials: Sequence[Trial]) -> Interpreter | None:
    """Return the CPython of the container's main program. None if its version or its C library is not known.

    Its names are text from outside. What does not fit cannot be loaded, which is a reason for another profiler.
    """
    clues = [process.clues for process in main_processes(trials) if process.clues is not None]
    programs = {PurePosixPath(one.executable).name for one in clues if one.executable is not None}
    libraries = {PurePosixPath(path).name for one in clues if one.map is not None for path in one.map.libraries}
    minors = {int(found[1]) for name in programs if (found := _PROGRAM.fullmatch(name)) is not None}
    minors |= {int(found[1]) for name in libraries if (found := _LIBRARY.fullmatch(name)) is not None}
    libcs = {Libc.MUSL for name in libraries if _MUSL.match(name)}
    libcs |= {Libc.GLIBC for name in libraries if _GLIBC.fullmatch(name)}
    return Interpreter(minors.pop(), libcs.pop()) if len(minors) == len(libcs) == 1 else None
