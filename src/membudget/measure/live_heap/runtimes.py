"""The processes of a container that run a runtime which can be asked.

Every process is opened once, by its folder in /proc and by a pidfd. Both stay with that process, even if it ends and
another one gets its ID (pidfd_open(2)).
"""

import errno
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from membudget.measure.live_heap.messages import MOST_PROCESSES, AskableRuntime
from membudget.measure.runtime_marks import JVM, NODE, PYTHON, RUBY, by_library, by_program

_INITIAL_NAMESPACE = "pid:[4026531836]"
"""The machine's own PID namespace (include/linux/proc_ns.h). No process outside of a container may be signalled."""
_LARGEST_FILE_BYTES = 1 << 20
"""How much of a file in /proc is read. Memory maps can be longer."""


_ASKED = {
    JVM: AskableRuntime.HOTSPOT,
    NODE: AskableRuntime.NODE,
    PYTHON: AskableRuntime.CPYTHON,
    RUBY: AskableRuntime.RUBY,
}


def runtime_of(program: str, libraries: frozenset[str]) -> AskableRuntime | None:
    """Return the runtime of a process, by the name of its executable and the names of the files that it maps."""
    found = by_library(libraries) or by_program(program, believes_java=True)
    return _ASKED.get(found) if found is not None else None


@dataclass(frozen=True, slots=True)
class RunningRuntime:
    """A process that runs a runtime, held open."""

    runtime: AskableRuntime
    pid: int
    """The process ID in the container."""
    uid: int
    """The effective user."""
    gid: int
    """The effective group."""
    caught: frozenset[int]
    """The signals for which the process has a handler. Others would end it."""
    folder: int
    """The process's folder in /proc, as a descriptor."""
    handle: int
    """A pidfd."""
    rss_bytes: int = 0
    """The process's resident memory when it was opened."""

    def signal(self, number: int) -> None:
        """Send a signal. Raises OSError."""
        signal.pidfd_send_signal(self.handle, number)


Recognise = Callable[[str, frozenset[str]], AskableRuntime | None]
"""Returns what a process runs on, by its program and the files that it maps. None: the process is not wanted."""


@contextmanager
def running_runtimes(first_pid: int | None, recognise: Recognise = runtime_of) -> Iterator[list[RunningRuntime]]:
    """Provide the runtimes in the PID namespace of `first_pid`, or in our own. Raises OSError.

    There are at most `MOST_PROCESSES` + 1.
    """
    with ExitStack() as kept:
        namespace = str(Path(f"/proc/{first_pid or 'self'}/ns/pid").readlink())
        if namespace == _INITIAL_NAMESPACE or (first_pid and namespace == str(Path("/proc/self/ns/pid").readlink())):
            raise OSError(errno.EPERM, "the container has no PID namespace of its own")
        found: list[RunningRuntime] = []
        for path in Path("/proc").iterdir():
            if not path.name.isdecimal() or int(path.name) == os.getpid():
                continue
            with suppress(OSError):  # it has just ended
                if (runtime := _opened(int(path.name), namespace, kept, recognise)) is not None:
                    found.append(runtime)
            if len(found) > MOST_PROCESSES:
                break
        yield sorted(found, key=lambda one: one.pid)


def _opened(pid: int, namespace: str, kept: ExitStack, recognise: Recognise) -> RunningRuntime | None:
    opened = ExitStack()
    try:
        handle = os.pidfd_open(pid)
        opened.callback(os.close, handle)
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, folder)
        found = _recognised(handle, folder, namespace, recognise)
        if found is not None:
            kept.push(opened.pop_all())
        return found
    finally:
        opened.close()


def _recognised(handle: int, folder: int, namespace: str, recognise: Recognise) -> RunningRuntime | None:
    if os.readlink("ns/pid", dir_fd=folder) != namespace:
        return None
    status = _status(read_file("status", folder))
    program = Path(os.readlink("exe", dir_fd=folder)).name.removesuffix(" (deleted)")
    runtime = recognise(program, _mapped(read_file("maps", folder)))
    if runtime is None or status["State"].startswith("Z"):
        return None
    mask = int(status["SigCgt"], 16)
    caught = frozenset(number for number in range(1, 65) if mask >> (number - 1) & 1)
    uid, gid, own = (int(status[key].split()[at]) for key, at in (("Uid", 1), ("Gid", 1), ("NSpid", -1)))
    rss = int(status.get("VmRSS", "0").split()[0]) << 10
    return RunningRuntime(runtime, own, uid, gid, caught, folder, handle, rss)


def _status(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


_MAPPED_FILE = re.compile(r"/([^/\n]+)$", re.MULTILINE)


def _mapped(maps: str) -> frozenset[str]:
    return frozenset(match[1] for match in _MAPPED_FILE.finditer(maps))


def read_file(name: str, folder: int) -> str:
    """Return the beginning of a file in a process's folder. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LARGEST_FILE_BYTES).decode(errors="replace")
