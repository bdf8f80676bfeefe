"""Counts a Python process's memory by memray, whose extension module membudget puts beside this file's folder.

`sitecustomize.py` loads it. Only the extension is used, by names of its own: the service may bring other versions of
memray, rich and typing_extensions. What it imports of them gets a stand-in that is gone afterwards.

memray adds up what each stack of calls holds while the service runs (AGGREGATED_ALLOCATIONS). A trace of all
allocations would grow without end: parsing 3,000 small JSON texts leaves 150 MB, which take 13 s to read. The sums can
be read once memray has stopped, so a process answers once.
"""

import _frozen_importlib
import _frozen_importlib_external
import _imp
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType, TracebackType

    Frames = Sequence[tuple[str, str, int]]
    """Functions with file and line, the innermost first."""
    Held = Sequence[tuple[int, Frames]]
    """Bytes, and the calls that took them. The largest first."""

_NAME = "memray._memray"
_MOST_FRAMES = 40
_MOST_STACKS = 400
_NEVER_MS = 1 << 31
"""How often memray's own thread notes RSS, which nobody reads."""
_SILENT = 60
_LARGE = 512
"""From this size on, rounding does not matter."""


class Failed(Exception):
    """Raised if memray cannot be used. The message is the reason."""


class _Anything:
    """What memray imports and does not use."""

    def __init__(self, *_unused: object, **_also: object) -> None:
        pass


class _Destination:
    pass


class _FileDestination(_Destination):
    """Where memray writes to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.overwrite = True
        self.compress_on_exit = False
        self.buffered = False


class _SocketDestination(_Destination):
    pass


def _module(name: str, **names: object) -> "ModuleType":
    module = type(sys)(name)
    module.__dict__.update(names, __getattr__=lambda _: _Anything)
    return module


class _StandIns:
    """Lets memray import what it wants, as long as the context lasts."""

    def __init__(self, *more: str) -> None:
        paths = {"stdlib": None, "site_packages": (), "sys_path": ()}
        modules = (
            _module("rich", print=_Anything),
            _module("rich.progress"),
            _module("memray", __path__=[]),
            _module(
                "memray._destination",
                Destination=_Destination,
                FileDestination=_FileDestination,
                SocketDestination=_SocketDestination,
            ),
            _module("memray._metadata"),
            _module("memray._stats"),
            _module("memray._thread_name_interceptor"),
            _module("memray.reporters", __path__=[]),
            _module("memray.reporters.module_tools", get_python_path_info=lambda: paths),
        )
        self._new = {module.__name__: module for module in (*modules, *map(_module, more))}
        self._old: dict[str, ModuleType | None] = {}

    def __enter__(self) -> None:
        self._old = {name: sys.modules.get(name) for name in self._new}
        sys.modules.update(self._new)

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        for name, module in self._old.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


class Memray:
    """memray in this process, and in processes that it forks."""

    def __init__(self, folder: str) -> None:
        """Load the extension from a folder that has what a wheel has. Raises ImportError."""
        paths = (os.path.join(folder, "memray", "_memray" + suffix) for suffix in _imp.extension_suffixes())
        path = next((one for one in paths if os.path.exists(one)), None)
        if path is None:
            raise ImportError("it is for another version of Python or architecture")
        loader = _frozen_importlib_external.ExtensionFileLoader(_NAME, path)
        with _StandIns():
            spec = _frozen_importlib.ModuleSpec(_NAME, loader, origin=path)
            sys.modules[_NAME] = self._memray = _frozen_importlib.module_from_spec(spec)
            try:
                loader.exec_module(self._memray)
            except BaseException:
                del sys.modules[_NAME]
                raise
        self._memray.set_log_level(_SILENT)  # it writes to the service's output
        # memray looks for greenlets at each call, so it is told of them only where the service may have them.
        found = _frozen_importlib_external.PathFinder.find_spec("greenlet")
        self._greenlet = ("greenlet",) if found is not None else ()
        self._files: list[int] = []
        """The descriptors of the anonymous file: this module's and memray's."""
        self._is_of: tuple[int, int] | None = None
        """Its device and inode."""
        self._tracker: _Tracker | None = None
        os.register_at_fork(after_in_child=self._forked)

    def start(self) -> None:
        """Count from here on. The sums go into an anonymous file, so nothing has to be writable."""
        file = os.memfd_create("membudget-memray")
        self._files = [file, os.dup(file)]
        self._is_of = _identity(file)
        os.close(self._files[1])  # the number that memray gets next
        with _StandIns(*self._greenlet):
            tracker = self._memray.Tracker(
                destination=_FileDestination("/proc/self/fd/%d" % file),
                file_format=self._memray.FileFormat.AGGREGATED_ALLOCATIONS,
                memory_interval_ms=_NEVER_MS,
                trace_python_allocators=True,
            )
            tracker.__enter__()
        self._tracker = tracker

    def stop(self, *, is_of_now: bool) -> "Held":
        """Return what this process holds now, or what it held when it held the most. Raises Failed."""
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            raise Failed("memray does not count in this process")
        if not self._has_files():
            raise Failed("the service has closed files that are not its own")
        file = self._files[0]
        tracker.__exit__(None, None, None)
        try:
            with self._memray.FileReader("/proc/self/fd/%d" % file) as reader:
                if is_of_now:
                    return _largest(reader.get_leaked_allocation_records(merge_threads=True))
                return _largest(reader.get_high_watermark_allocation_records(merge_threads=True))
        finally:
            os.close(file)

    def _forked(self) -> None:
        """Begin anew in a child. What it shares with its parent counts in the parent."""
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        try:
            tracker.__exit__(None, None, None)  # it has let go of the parent's sums before, and writes nothing
            if self._has_files():
                for file in self._files:
                    os.close(file)
            self.start()
        except Exception:
            pass  # the service closes all files, or has none left: this process has no profile

    def _has_files(self) -> bool:
        """Return whether the descriptors are still those. memray would write to whatever else they are now."""
        try:
            return all(_identity(file) == self._is_of for file in self._files)
        except OSError:
            return False


def _identity(file: int) -> "tuple[int, int]":
    status = os.fstat(file)
    return status.st_dev, status.st_ino


def _largest(records: "Iterable[_Record]") -> "Held":
    """Return the largest records. The last of them has no calls, and the bytes of all others."""
    sizes = [(_taken(one.size, one.n_allocations), number, one) for number, one in enumerate(records)]
    sizes.sort(reverse=True)
    held = [(size, one.stack_trace(max_stacks=_MOST_FRAMES)) for size, _, one in sizes[:_MOST_STACKS]]
    return [*held, (sum(size for size, _, _ in sizes[_MOST_STACKS:]), [])]


def _taken(size: int, count: int) -> int:
    """Return how much memory objects take that asked for `size` bytes in total.

    Python rounds small ones up to 16 bytes (Objects/obmalloc.c, ALIGNMENT), and so does malloc.
    """
    each = -(-size // count) if count else _LARGE
    return size if each >= _LARGE else max(size, count * -(-each // 16) * 16)


if TYPE_CHECKING:
    from typing import Protocol

    class _Tracker(Protocol):
        def __enter__(self) -> object: ...
        def __exit__(self, *of_an_error: object) -> None: ...

    class _Record(Protocol):
        size: int
        n_allocations: int

        def stack_trace(self, max_stacks: int) -> Frames: ...
