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
import atexit
import errno
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
_FIRST_FILE = 900
"""memray's descriptors are above this number if the process may have that many. The service's own come below."""
_ROOM = 16
_LARGEST_FILE = 1 << 40
_PIECE_BYTES = 1 << 16
_LARGE = 512
"""From this size on, rounding does not matter."""


class MemrayFailed(Exception):
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


class _Lent:
    """Gives memray anonymous files by numbers that the service has taken over, as long as the context lasts."""

    def __init__(self, numbers: "Sequence[int]") -> None:
        self._numbers = numbers
        self._kept: list[tuple[int, int, bool]] = []
        """The service's files: where they are meanwhile, their own number, and whether programs inherit it."""

    def __enter__(self) -> None:
        try:
            for number in self._numbers:
                self._lend(number)
        except BaseException:
            self.__exit__()
            raise

    def _lend(self, number: int) -> None:
        try:
            self._kept.append((os.dup(number), number, os.get_inheritable(number)))
        except OSError as error:
            if error.errno != errno.EBADF:  # no descriptor is left
                raise
        lent = os.memfd_create("membudget-memray")
        os.ftruncate(lent, _LARGEST_FILE)  # memray maps it, and would be killed behind its end
        if lent != number:
            os.dup2(lent, number, inheritable=False)
            os.close(lent)

    def __exit__(self, *_of_an_error: object) -> None:
        for kept, number, is_inherited in reversed(self._kept):
            os.dup2(kept, number, inheritable=is_inherited)
            os.close(kept)


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
        # A memray that is told of greenlet looks for greenlets at each call. It is told only if greenlet is installed.
        found = _frozen_importlib_external.PathFinder.find_spec("greenlet")
        self._greenlet = ("greenlet",) if found is not None else ()
        self._file = -1
        """This module's descriptor of the anonymous file."""
        self._files: dict[int, tuple[int, int] | None] = {}
        """It and memray's descriptors, each with its device and inode."""
        self._tracker: _Tracker | None = None
        os.register_at_fork(after_in_child=self._forked)
        # Nothing is registered before, so this runs after all that the service does at its end.
        atexit.register(self._end)

    def start(self) -> None:
        """Count from here on. The sums go into an anonymous file, so nothing has to be writable."""
        below = _filled(os.memfd_create("membudget-memray"))
        try:
            own, *next_ones = (os.dup(below[0]) for _ in range(3))
            for file in next_ones:
                os.close(file)  # memray gets these numbers: of the same file, and of the process's status
            with _StandIns(*self._greenlet):
                tracker = self._memray.Tracker(
                    destination=_FileDestination("/proc/self/fd/%d" % own),
                    file_format=self._memray.FileFormat.AGGREGATED_ALLOCATIONS,
                    memory_interval_ms=_NEVER_MS,
                    trace_python_allocators=True,
                )
                tracker.__enter__()
        finally:
            for file in below:
                os.close(file)
        self._file, self._tracker = own, tracker
        self._files = {file: _identity(file) for file in (own, *next_ones)}

    def stop(self, *, is_of_now: bool) -> "Held":
        """Return what this process holds now, or what it held when it held the most. Raises Failed."""
        if self._tracker is None:
            raise MemrayFailed("memray does not count in this process")
        if self._lost():
            raise MemrayFailed("the service has closed files that are not its own")
        tracker, self._tracker = self._tracker, None
        tracker.__exit__(None, None, None)
        try:
            _end_after_content(self._file)
            with self._memray.FileReader("/proc/self/fd/%d" % self._file) as reader:
                if is_of_now:
                    return _largest(reader.get_leaked_allocation_records(merge_threads=True))
                return _largest(reader.get_high_watermark_allocation_records(merge_threads=True))
        finally:
            os.close(self._file)

    def _end(self) -> None:
        """Stop memray before the process ends. It would write to its files by number, whatever they are by then."""
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        try:
            with _Lent([file for file in self._lost() if file != self._file]):
                tracker.__exit__(None, None, None)
        except Exception:
            pass  # no descriptor is left

    def _forked(self) -> None:
        """Begin anew in a child. What it shares with its parent counts in the parent."""
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        try:
            tracker.__exit__(None, None, None)  # it has let go of the parent's sums before, and writes nothing
            for file in self._files.keys() - self._lost():
                os.close(file)
            self.start()
        except Exception:
            pass  # the service closes all files, or has none left: this process has no profile

    def _lost(self) -> "list[int]":
        """Return the numbers that are other files now, or none. memray would write to them, and close them."""
        return [file for file, was in self._files.items() if was is None or _identity(file) != was]


def _filled(file: int) -> "list[int]":
    """Return `file` and copies of it, in all free numbers below `_FIRST_FILE`.

    Without copies if the process may not have `_ROOM` files more than that.
    """
    copies: list[int] = []
    most = _FIRST_FILE
    try:
        while max([file, *copies[-1:]]) < _FIRST_FILE + _ROOM:
            copies.append(os.dup(file))
    except OSError:
        most = 0
    for copy in copies:
        if copy >= most:
            os.close(copy)
    return [file, *(copy for copy in copies if copy < most)]


def _identity(file: int) -> "tuple[int, int] | None":
    try:
        status = os.fstat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _end_after_content(file: int) -> None:
    """Cut off the zeros at the end of what memray wrote.

    memray's reader looks for that end from behind, and reads 8 KiB for each zero: 77,000 reads of a file of 1.3 MB.
    """
    end, content = os.fstat(file).st_size, b""
    while end and not content:
        begin = max(0, end - _PIECE_BYTES)
        content = os.pread(file, end - begin, begin).rstrip(b"\0")
        end = begin + len(content)
    os.ftruncate(file, end)


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
