"""What tells which runtime a process is, and how its memory is set: as little of it as that needs.

Command lines and environments hold secrets. Only words that set memory are kept, and only variables by name. Uses the
standard library only, because the probe imports this module.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from membudget.measure.probe.go_program import is_of_go

_MOST_ENVIRONMENT_BYTES = 256 << 10
_MOST_COMMAND_LINE_BYTES = 32 << 10
_MOST_WORDS = 40
_LONGEST_PATH = 300
_MOST_LIBRARIES = 12

_MEMORY_WORD = re.compile(
    rb"-X(?:mx|ms|mn|ss)\w{1,20}"
    rb"|-XX:[+-]?\w{1,60}(?:=[\w.]{1,30})?"
    rb"|memory_limit=-?\d{1,12}[KMGkmg]?"
    rb"|--(?:max|min|initial)[_-](?:old[_-]space|semi[_-]space|heap)[_-]size(?:=\d{1,12})?"
)
"""The settings of a JVM, PHP and Node that set memory, without those whose values are commands or paths."""
_DATABASES = frozenset({b"postgres", b"postmaster"})
_DATABASE_WORD = re.compile(
    rb"(?:shared_buffers|work_mem|max_connections)=\d{1,12}[kMGT]?B?"
    rb"|(?:config_file|data_directory)=[\w./+-]{1,250}"
    rb"|-D[\w./+-]{1,250}"
)
"""The settings of PostgreSQL that set memory, and those that name the folder or the file where they are set."""
_DATABASE_OPTION = re.compile(rb"-([BcDNS])(.*)|--([\w-]{1,60}=.*)", re.DOTALL)
_DATABASE_NAMES = {b"B": b"shared_buffers=", b"N": b"max_connections=", b"S": b"work_mem=", b"D": b"-D"}
"""What PostgreSQL's short options set (src/backend/postmaster/postmaster.c)."""
_NUMBER = re.compile(rb"[\w.%+-]{1,40}")
_LIST = re.compile(rb"[\w./:=,+-]{1,300}")
_OPTIONS = frozenset({b"JAVA_TOOL_OPTIONS", b"JDK_JAVA_OPTIONS", b"_JAVA_OPTIONS", b"NODE_OPTIONS"})
_VARIABLES = {
    **dict.fromkeys(_OPTIONS, _MEMORY_WORD),
    **dict.fromkeys(
        (
            b"GOMEMLIMIT", b"GOGC", b"MALLOC_ARENA_MAX", b"MALLOC_TRIM_THRESHOLD_", b"MALLOC_MMAP_THRESHOLD_",
            b"DOTNET_GCHeapHardLimit", b"DOTNET_GCHeapHardLimitPercent", b"COMPlus_GCHeapHardLimit",
            b"COMPlus_GCHeapHardLimitPercent", b"WEB_CONCURRENCY",
            b"TCMALLOC_RELEASE_RATE", b"TCMALLOC_AGGRESSIVE_DECOMMIT",
        ),
        _NUMBER,
    ),
    **dict.fromkeys((b"GLIBC_TUNABLES", b"LD_PRELOAD", b"MALLOC_CONF"), _LIST),
}  # fmt: skip
"""The variables that are kept, each with what a value, or a word of it, may look like. Nothing else is read out."""
_LIBRARY = re.compile(
    r"/(?:libjvm|libjemalloc|libtcmalloc|libmimalloc|libc[.-]|ld-musl|libc\.musl|libcoreclr|libpython|libruby"
    r"|libnode|libphp|libbeam)[^/]*$"
)
"""The mapped files that tell of a runtime or of its malloc."""


def executable(folder: Path) -> str | None:
    """Return the path of a process's program as the container sees it. Reading the link holds none of its memory."""
    try:
        path = str((folder / "exe").readlink())
    except OSError:
        return None
    return path.removesuffix(" (deleted)").encode(errors="replace").decode(errors="replace")[:_LONGEST_PATH]


class Settings(NamedTuple):
    """What the program, the command line and the environment of a process tell of its runtime and its memory."""

    executable: str | None
    is_go: bool
    words: tuple[str, ...]
    variables: dict[str, str]


@dataclass(slots=True)
class Programs:
    """Knows which programs Go made. Each file is read once, although many processes may run it."""

    _known: dict[tuple[int, int], bool] = field(default_factory=dict)

    def is_go(self, folder: Path) -> bool:
        """Return whether Go made a process's program. It is read from the file, not from the process."""
        try:
            program = os.open(folder / "exe", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            found = os.fstat(program)
            key = found.st_dev, found.st_ino
            if key not in self._known:
                self._known[key] = is_of_go(program)
            return self._known[key]
        except OSError:
            return False
        finally:
            os.close(program)

    def settings(self, folder: Path, *, with_words: bool = True) -> Settings:
        """Return what a process tells, without words and variables if those must not be read. Raises OSError."""
        program, is_go = executable(folder), self.is_go(folder)
        return Settings(program, is_go, *((settings(folder), variables(folder)) if with_words else ((), {})))

    def forget(self) -> None:
        """Forget all files, because another trial begins."""
        self._known.clear()


def settings(folder: Path) -> tuple[str, ...]:
    """Return the words of a process's command line that set memory. Raises OSError."""
    with (folder / "cmdline").open("rb") as file:
        words = file.read(_MOST_COMMAND_LINE_BYTES).split(b"\0")
    if words[0].rpartition(b"/")[2] in _DATABASES:
        return tuple(word.decode() for word in _database_words(words[1:]) if _DATABASE_WORD.fullmatch(word))[
            :_MOST_WORDS
        ]
    return tuple(_memory_words(words))


def _database_words(words: Iterable[bytes]) -> Iterator[bytes]:
    """Yield PostgreSQL's settings as `-c` takes them, however they are written, and the data folder as `-D/path`."""
    rest = iter(words)
    for word in rest:
        option = _DATABASE_OPTION.fullmatch(word)
        if option is None:
            continue
        setting = option[3] if option[3] is not None else option[2] or next(rest, b"")
        if option[1] in (None, b"c"):
            # PostgreSQL reads dashes as underscores (src/backend/utils/misc/guc.c, ParseLongOption), and any case.
            name, _, value = setting.partition(b"=")
            yield name.replace(b"-", b"_").lower() + b"=" + value
        else:
            yield _DATABASE_NAMES[option[1]] + setting


def variables(folder: Path) -> dict[str, str]:
    """Return the variables of a process that set memory. Empty if they may not be read."""
    try:
        with (folder / "environ").open("rb") as file:
            found = file.read(_MOST_ENVIRONMENT_BYTES)
    except OSError:
        return {}
    return dict(kept_variables(found))


def kept_variables(environment: bytes) -> Iterator[tuple[str, str]]:
    """Yield what is kept of an environment, as the kernel writes it."""
    for word in environment.split(b"\0"):
        name, _, value = word.partition(b"=")
        pattern = _VARIABLES.get(name)
        if pattern is None:
            continue
        if name in _OPTIONS:
            yield name.decode(), " ".join(_memory_words(value.split()))
        elif pattern.fullmatch(value):
            yield name.decode(), value.decode()


def _memory_words(words: Iterable[bytes]) -> list[str]:
    return [word.decode() for word in words if _MEMORY_WORD.fullmatch(word)][:_MOST_WORDS]


def telling_libraries(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the mapped files that tell of a runtime or of its malloc."""
    return tuple(sorted(path for path in paths if _LIBRARY.search(path)))[:_MOST_LIBRARIES]
