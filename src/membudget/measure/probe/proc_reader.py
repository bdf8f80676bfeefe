"""Reads a snapshot of a container's processes from /proc.

Every process is first read cheaply (statm). Then the largest are read in full (smaps), as many as the time allows. Near
the limit, and while memory still moves, only `status` is read, which holds a process for microseconds (see `pace`).
Source: proc(5). Uses the standard library only, because the probe imports this module.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from membudget.measure.probe.clues import Programs, Settings, telling_libraries
from membudget.measure.probe.messages import Depth
from membudget.measure.probe.process_use import Clues, FileUse, MapClues, ProcessUse, Snapshot
from membudget.measure.probe.readings import KIB
from membudget.measure.probe.smaps import LARGEST_SMAPS_BYTES, MemoryMap, parse_smaps, tmpfs_devices

MOST_PROCESSES = 40
_MOST_FILES = 10
_MOST_ARGUMENTS, _LONGEST_ARGUMENT = 8, 100
_NEGLIGIBLE_BYTES = 64 << 10
_CHUNK_BYTES = 1 << 10
"""About the text of one mapping. The kernel holds the process while it produces the text, at most a page of it."""
_HURRY_EVERY = 8
"""After so many pieces the probe looks whether a larger peak waits. That takes a system call each time."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RUNTIME = "runc:["
"""The container runtime's name for itself before it becomes the container's program."""
_MOST_PARENTS = 4
"""So many parents of the largest processes are listed too if they are smaller. A server's first process often is."""
_MOST_MAP_CLUES = 12
"""Of so many processes, the largest, the probe keeps what their memory maps tell of their runtime."""
_NUMBERS_LINE = re.compile(rb"^(Threads|PPid):\s+(\d+)$", re.MULTILINE)
_STATUS_LINE = re.compile(rb"^(VmHWM|RssAnon|RssFile|RssShmem):\s+(\d+) kB$", re.MULTILINE)


class Guard(Protocol):
    """Decides whether processes may be read."""

    def is_far(self) -> bool:
        """Return whether the cgroup is currently far from its limit."""

    def begin_process(self) -> None:
        """Note that reading a process begins."""

    def end_process(self) -> None:
        """Note that reading a process has ended, so that nothing holds its memory any more."""


class SnapshotStart(NamedTuple):
    """The start of a snapshot, and the cgroup's memory at that time."""

    time_us: int
    rss_bytes: int
    anon_bytes: int


def _never() -> bool:
    return False


@dataclass(slots=True)
class Reader:
    """Reads processes as far as a guard allows. It remembers command lines, because it reads none near the limit."""

    proc: Path = Path("/proc")
    budget_s: float = 0.15
    is_hurried: Callable[[], bool] = _never
    """Whether a larger peak waits to be looked at. Then no more maps are read, so that this snapshot ends at once."""
    cpu_ns: int = 0
    """The CPU time of reading for the last snapshot, without parsing the texts afterwards."""
    _arguments: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    _settings: dict[tuple[int, str], Settings] = field(default_factory=dict)
    _maps: dict[tuple[int, str], MapClues] = field(default_factory=dict)
    """What the last memory map of a process told of its runtime."""
    _programs: Programs = field(default_factory=Programs)

    def forget(self) -> None:
        """Forget all command lines and clues, because another trial begins."""
        self._arguments.clear()
        self._settings.clear()
        self._maps.clear()
        self._programs.forget()

    def take(
        self, cgroup: Path, moment: SnapshotStart, guard: Guard, depth: Depth = Depth.MAPS, *, is_brief: bool = False
    ) -> Snapshot | None:
        """Read the processes of `cgroup` and its descendants, for about `budget_s` seconds.

        Once the guard says that the limit is near, no more maps and command lines are read. A brief look reads no maps,
        and command lines only once. Returns None if there are no processes yet, or none any more.
        """
        begun, cpu_before_ns = time.monotonic(), time.process_time_ns()
        pids = set(_pids(cgroup))
        alive = sorted(_sizes(self.proc, pids), key=lambda process: process.rss_bytes, reverse=True)
        seen: list[_Seen] = []
        denied, is_far, wants_maps = 0, True, depth is Depth.MAPS and not is_brief
        for process in alive[:MOST_PROCESSES]:
            is_far = is_far and guard.is_far()
            has_time = wants_maps and time.monotonic() - begun < self.budget_s and not self.is_hurried()
            guard.begin_process()
            try:
                smaps = self._read_smaps(process.pid, guard) if is_far and has_time else None
                denied += smaps is None and is_far and has_time
            except _NearLimit:
                smaps, is_far = None, False
            except _Hurried:
                smaps = None
            one = self._see(process, smaps, with_arguments=is_far, are_old_good=is_brief)
            guard.end_process()
            if one is not None:
                seen.append(one)
        smaller = alive[MOST_PROCESSES:]
        parents = _parents(seen, smaller)
        seen += self._see_parents(parents, guard, is_far=is_far, is_brief=is_brief)
        took_us = round((time.monotonic() - begun) * 1e6)
        self.cpu_ns = time.process_time_ns() - cpu_before_ns
        if not seen:
            return None
        maps = [self._map(one) for one in seen]
        whole = [memory for memory in maps if memory is not None]
        snapshot = Snapshot(
            time_us=moment.time_us,
            rss_bytes=moment.rss_bytes,
            anon_bytes=moment.anon_bytes,
            took_us=took_us,
            process_count=len(pids),
            summed_rss_bytes=sum(process.rss_bytes for process in alive),
            summed_pss_bytes=sum(memory.pss for memory in whole) if whole else None,
            unreadable=len(pids) - len(alive) + denied,
            processes=tuple(
                _use(one, memory, self._clues(one, memory if place < _MOST_MAP_CLUES else None))
                for place, (one, memory) in enumerate(zip(seen, maps, strict=True))
            ),
            kinds={},
            dirty_bytes=0,
            files=(),
            detail=_detail(len(alive) - len(whole), len(alive), depth, is_far=is_far, is_brief=is_brief),
            is_near_limit=not is_far,
            is_after_kill=depth is Depth.STATUS,
            others_anon_bytes=sum(process.anon_bytes for process in smaller if process not in parents),
        )
        return _with_kinds(snapshot, whole)

    def _see_parents(
        self, parents: "Iterable[_Process]", guard: Guard, *, is_far: bool, is_brief: bool
    ) -> "Iterator[_Seen]":
        """Yield what is seen of processes whose maps are not read."""
        for process in parents:
            guard.begin_process()
            one = self._see(process, None, with_arguments=is_far and guard.is_far(), are_old_good=is_brief)
            guard.end_process()
            if one is not None:
                yield one

    def _map(self, one: "_Seen") -> MemoryMap | None:
        """Return the sums of a memory map. Files of a tmpfs are looked for if `status` has more shared memory."""
        if one.smaps is None:
            return None
        memory = parse_smaps(one.smaps)
        if _status(one).get("RssShmem", 0) - memory.shmem_rss <= _NEGLIGIBLE_BYTES:
            return memory
        try:
            mounts = (self.proc / str(one.process.pid) / "mountinfo").read_bytes()
        except OSError:
            return memory
        return parse_smaps(one.smaps, tmpfs_devices(mounts))

    def _read_smaps(self, pid: int, guard: Guard) -> bytes | None:
        """Return the memory map, or None if the process ended or may not be read.

        Raises _NearLimit near the limit, and _Hurried if a larger peak waits.
        """
        data = bytearray()
        try:
            descriptor = os.open(self.proc / str(pid) / "smaps", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            while len(data) < LARGEST_SMAPS_BYTES:
                if not guard.is_far():
                    raise _NearLimit
                if not len(data) // _CHUNK_BYTES % _HURRY_EVERY and self.is_hurried():
                    raise _Hurried
                chunk = os.read(descriptor, _CHUNK_BYTES)
                if not chunk:
                    break
                data += chunk
            return bytes(data) or None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _see(
        self, process: "_Process", smaps: bytes | None, *, with_arguments: bool, are_old_good: bool
    ) -> "_Seen | None":
        """Read the rest about a process. Returns None if it has ended or is not yet the container's program."""
        folder = self.proc / str(process.pid)
        try:
            name = (folder / "comm").read_bytes().removesuffix(b"\n").decode(errors="replace")
            # The command line is read from the process's own memory, under its locks.
            if with_arguments and not (are_old_good and (process.pid, name) in self._arguments):
                self._arguments[process.pid, name] = _arguments(folder)
                self._settings[process.pid, name] = self._programs.settings(folder)
            status = (folder / "status").read_bytes()
        except OSError:
            return None
        if name.startswith(_RUNTIME):
            return None
        return _Seen(process, name, self._arguments.get((process.pid, name), ()), status, smaps)

    def _clues(self, one: "_Seen", memory: MemoryMap | None) -> Clues:
        """Return what tells a process's runtime. What only a memory map tells is that of its last one."""
        key = (one.process.pid, one.name)
        if memory is not None:
            held = memory.held_anon + memory.held_shmem
            libraries = telling_libraries(memory.paths)
            self._maps[key] = MapClues(held, libraries, tuple(memory.areas), memory.arenas, memory.arena_bytes)
        known = self._settings.get(key)
        if known is None:
            folder = self.proc / str(one.process.pid)
            known = self._programs.settings(folder, with_words=False)
        numbers = {name: int(value) for name, value in _NUMBERS_LINE.findall(one.status)}
        return Clues(
            known.executable,
            known.is_go,
            known.words,
            known.variables,
            numbers.get(b"Threads"),
            numbers.get(b"PPid"),
            self._maps.get(key),
        )


class _NearLimit(Exception):
    """Raised when the cgroup comes near its limit while a memory map is read."""


class _Hurried(Exception):
    """Raised when a larger peak waits to be looked at while a memory map is read."""


class _Process(NamedTuple):
    pid: int
    rss_bytes: int
    anon_bytes: int


class _Seen(NamedTuple):
    """The kernel's texts about a process. They are parsed once no process is held any more."""

    process: _Process
    name: str
    arguments: tuple[str, ...]
    status: bytes
    smaps: bytes | None


def _detail(unread: int, alive: int, depth: Depth, *, is_far: bool, is_brief: bool) -> str | None:
    if not is_far:
        return "near the limit no memory map is read: it would keep the memory of a process that is being killed"
    if depth is not Depth.MAPS:
        return "no memory map is read since the kernel killed processes for memory in an earlier trial"
    if is_brief:
        return "no memory map was read: the peak did not last long enough, or had been looked at shortly before"
    return f"{unread} of {alive} processes, the smaller ones first, were not read whole" if unread else None


def _pids(cgroup: Path) -> Iterator[int]:
    """Yield the processes of a cgroup and its descendants, without those outside our PID namespace (listed as 0)."""
    for folder, _, files in os.walk(cgroup):
        if "cgroup.procs" in files:
            try:
                listed = Path(folder, "cgroup.procs").read_bytes().split()
            except OSError:
                continue
            yield from (pid for pid in map(int, listed) if pid)


def _sizes(proc: Path, pids: Iterable[int]) -> Iterator[_Process]:
    """Yield the processes that are still alive, with their RSS and its anonymous part."""
    for pid in pids:
        try:
            words = (proc / str(pid) / "statm").read_bytes().split()
            resident, shared = int(words[1]), int(words[2])  # shared: file-backed and shared memory (proc(5))
            yield _Process(pid, resident * _PAGE_BYTES, max(0, resident - shared) * _PAGE_BYTES)
        except (OSError, ValueError, IndexError):
            continue


def _parents(children: "Iterable[_Seen]", among: "Sequence[_Process]") -> "Sequence[_Process]":
    """Return the largest parents of these processes that are `among` others."""
    if not among:
        return ()
    pids = {int(value) for one in children for name, value in _NUMBERS_LINE.findall(one.status) if name == b"PPid"}
    return [process for process in among if process.pid in pids][:_MOST_PARENTS]


def _arguments(folder: Path) -> tuple[str, ...]:
    with (folder / "cmdline").open("rb") as file:
        words = file.read(_MOST_ARGUMENTS * 4096).split(b"\0")[:_MOST_ARGUMENTS]
    return tuple(word.decode(errors="replace")[:_LONGEST_ARGUMENT] for word in words if word)


def _status(one: _Seen) -> dict[str, int]:
    return {name.decode(): int(kib) * KIB for name, kib in _STATUS_LINE.findall(one.status)}


def _use(one: _Seen, memory: MemoryMap | None, clues: Clues | None) -> ProcessUse:
    status = _status(one)
    return ProcessUse(
        pid=one.process.pid,
        name=one.name,
        arguments=one.arguments,
        rss_bytes=memory.rss if memory is not None else one.process.rss_bytes,
        pss_bytes=memory.pss if memory is not None else None,
        shared_bytes=memory.rss - memory.private if memory is not None else None,
        high_water_bytes=status.get("VmHWM"),
        anon_bytes=status.get("RssAnon"),
        shmem_bytes=status.get("RssShmem"),
        file_bytes=status.get("RssFile"),
        held_anon_bytes=memory.held_anon if memory is not None else None,
        held_shmem_bytes=memory.held_shmem if memory is not None else None,
        clues=clues,
    )


def _with_kinds(snapshot: Snapshot, maps: Sequence[MemoryMap]) -> Snapshot:
    """Return the snapshot with what only memory maps tell: kinds, files and dirty pages."""
    kinds = sum((memory.kinds for memory in maps), Counter[str]())
    files = sum((memory.files for memory in maps), Counter[str]())
    return replace(
        snapshot,
        kinds=dict(kinds),
        files=tuple(FileUse(path, pss) for path, pss in files.most_common(_MOST_FILES)),
        dirty_bytes=sum(memory.dirty_file for memory in maps),
        huge_bytes=sum(memory.huge for memory in maps) if maps else None,
    )
