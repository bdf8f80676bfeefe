"""OOM kills in the kernel's own words: which process, and how large it was (/dev/kmsg).

The counters of a cgroup say how many; only the log says who. Two lines of `mm/oom_kill.c` matter:

    oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a/b,task_memcg=/a/b,task=NAME,pid=123,uid=0
    Memory cgroup out of memory: Killed process 123 (NAME) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, ...

The first names the cgroup; every kill up to the next such line is its (memory.oom.group kills several). Standard
library only: the probe imports it.
"""

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

from membudget.trials.probe_messages import KernelLog, KilledProcess

KMSG = Path("/dev/kmsg")
_RECORD_BYTES = 8192
"""Longer than any record (Documentation/ABI/testing/dev-kmsg)."""
_KIB = 1024

_CONTEXT = re.compile(r"oom-kill:constraint=.*?,oom_memcg=(.*?),task_memcg=")
_KILLED = re.compile(
    r"Memory cgroup out of memory: Killed process (\d+) \((.*)\) total-vm:\d+kB,"
    r" anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB"
)
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


def killed_in(cgroup: str, messages: Iterable[str]) -> list[KilledProcess]:
    """The processes that were killed because `cgroup`, or one below it, was out of memory: one for each message."""
    killed: list[KilledProcess] = []
    is_ours = False
    for message in messages:
        if context := _CONTEXT.match(message):
            is_ours = f"{cgroup}/" in f"{context[1]}/"
        elif is_ours and (found := _KILLED.match(message)):
            anon, file, shmem = (int(size) * _KIB for size in found.groups()[2:])
            killed.append(KilledProcess(int(found[1]), _ESCAPED.sub(_character, found[2]), anon, file, shmem))
    return killed


class LogReader:
    """The kernel's log from now on."""

    def __init__(self, path: Path = KMSG) -> None:
        self._reason: str | None = None
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            self._reason = f"the kernel's log {path} cannot be read: {error.strerror}"
            self.close()

    def kills(self, cgroup: str) -> KernelLog:
        """What it said of OOM kills in `cgroup` since this reader was made."""
        told = killed_in(cgroup, self._messages())
        once: dict[int, KilledProcess] = {}
        for process in told:
            once.setdefault(process.pid, process)
        return KernelLog(tuple(once.values()), len(told), self._reason)

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _messages(self) -> Iterable[str]:
        """Each record's text. A record is "PRIORITY,NUMBER,TIME,FLAGS;TEXT", and more lines that are not its text."""
        while self._descriptor is not None:
            try:
                record = os.read(self._descriptor, _RECORD_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:  # EPIPE: overrun, reading goes on with the oldest that is left
                    self._reason = f"the kernel's log could not be read to its end: {error.strerror}"
                    return
                self._reason = "the kernel's log overran: some kills may not be named"
                continue
            if not record:
                return
            yield record.decode(errors="replace").partition("\n")[0].partition(";")[2]


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 16))
