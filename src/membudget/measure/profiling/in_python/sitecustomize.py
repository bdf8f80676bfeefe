"""Lets a Python process say which lines hold its memory, when it gets SIGRTMAX - 1.

membudget puts this file first in PYTHONPATH of a profiled trial's container. It runs in the service's own Python, from
3.8 on, and imports nothing that Python does not bring along. Each answer is the content of an anonymous file that stays
open (memfd_create(2)), so nothing has to be writable. Its name has the number of the answer, and its last line is "E".

memray counts if its extension module lies beside this file's folder (membudget_memray.py), otherwise tracemalloc.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

    Place = tuple[str, int]
    """A file, and a line in it."""
    from membudget.measure.profiling.in_python.membudget_memray import Frames, Held, Memray

    Calls = Sequence[Place]
_FRAMES = 10
"""How many calls are kept of each piece of memory. More take more time, above all during imports."""
_MOST_STACKS = 200
_MOST_CANDIDATES = 6
"""How many functions that begin before a line are looked at to find the one that contains it. The line may be in none:
it is the module's.
"""
_LONGEST_NAME = 200
_ALONE_S = 10.0
"""How long other threads wait for an answer. A service under load with four threads would make it take five times as
long, and allocate meanwhile.
"""
_own = os.path.abspath(__file__)
_folder = os.path.dirname(_own)
_MEMRAY_NOW = _folder + "-memray-now"
_memray_folder = next((one for one in (_folder + "-memray", _MEMRAY_NOW) if os.path.isdir(one)), "")
"""Where memray is, if it is to count. The name says whether it is asked for now or for the peak."""
_memray: "Memray | None" = None
_not_memray = ""
"""Why memray, which was to count, does not."""
_said = ""
"""What memray counted. It cannot be asked again."""
_number = 0
_last = -1
_known: "dict[Place, str]" = {}
"""The names of the functions at places that were looked up for earlier answers. Other places are in no function."""


def _answer(*_unused: object) -> None:
    global _number, _last
    if _last >= 0:
        try:
            os.close(_last)
        except OSError:
            pass  # the service closes all files when it starts a daemon
    _number += 1
    _last = os.memfd_create("membudget-profile-%d" % _number)
    import gc

    interval, collects = sys.getswitchinterval(), gc.isenabled()
    if _memray is None:  # which reads a file, and would wait that long for each other thread
        sys.setswitchinterval(_ALONE_S)
    gc.disable()  # so many new tuples would set off a collection of everything again and again
    try:
        said = _profile()
    except Exception as error:
        said = "X\t%s\n" % _text("%s: %s" % (type(error).__name__, error))
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()
    data = (said + "E\n").encode()
    while data:
        data = data[os.write(_last, data) :]


def _profile() -> str:
    """Return lines: N frame, S bytes and frames from the innermost outwards, R bytes of all other stacks.

    If memray counted, M comes first.
    """
    global _said
    if _not_memray:
        raise RuntimeError(_not_memray)
    if _memray is not None:
        _said = _said or _of_memray(_memray.stop(is_of_now=_memray_folder == _MEMRAY_NOW))
        return _said
    import _tracemalloc

    pieces: dict[Calls, list[int]] = {}
    for trace in _tracemalloc._get_traces():
        # What is added up later needs no memory now. All that this module takes is traced as well.
        of_calls = pieces.get(trace[2])
        if of_calls is None:
            pieces[trace[2]] = [trace[1]]
        else:
            of_calls.append(trace[1])
    largest = sorted(((sum(of), calls) for calls, of in pieces.items() if calls[0][0] != _own), reverse=True)
    del pieces
    rest = sum(size for size, _ in largest[_MOST_STACKS:])
    kept = largest[:_MOST_STACKS]
    new = {place for _, calls in kept for place in calls if place not in _known}
    found = _names(new)
    for place in new:
        _known[place] = found.get(place, "<module>")
    return "".join((*_stack_lines(kept), "R\t%d\n" % rest))


def _stack_lines(kept: "list[tuple[int, Calls]]") -> "Iterator[str]":
    """Yield the lines of stacks and of their frames."""
    numbers: dict[Place, int] = {}
    library = os.path.dirname(os.__file__) + os.sep
    for size, calls in kept:
        calls = [place for at, place in enumerate(calls) if at == 0 or place != calls[at - 1]]
        for place in calls:
            if place not in numbers:
                numbers[place] = len(numbers)
                file, line = place
                yield "N\t%s\t%s\t%d\t%d\n" % (_text(_known[place]), _text(file), line, _is_library(file, library))
        yield "S\t%d\t%s\n" % (size, ",".join(str(numbers[place]) for place in calls))


def _of_memray(held: "Held") -> str:
    """Return the lines of what memray counted."""
    sums: dict[Calls, int] = {}
    names: dict[Place, str] = {}
    for size, frames in held:
        calls = _calls(frames, names)
        if calls is not None:
            sums[calls] = sums.get(calls, 0) + size
    rest = sums.pop((), 0)
    _known.update(names)
    _known.update(_names(set(names)))
    stacks = [(size, calls) for calls, size in sums.items()]
    return "".join(("M\n", *_stack_lines(stacks), "R\t%d\n" % rest))


def _calls(frames: "Frames", names: "dict[Place, str]") -> "Calls | None":
    """Return the places of frames, and note the names of their functions. None if the memory is this module's.

    A comprehension counts as the function around it.
    """
    calls: list[Place] = []
    inner = None
    for at, (name, file, line) in enumerate(frames):
        if file.startswith((_folder + os.sep, _memray_folder + os.sep)):
            if at == 0:
                return None
            continue
        if inner is not None and inner[0] == file:
            if not inner[1]:  # memray does not know the line in Python 3.9
                calls[-1] = inner = (file, line)
            names[inner] = name
            inner = inner if name in _COMPREHENSIONS else None
            continue
        names.setdefault((file, line), name)
        calls.append((file, line))
        inner = (file, line) if name in _COMPREHENSIONS else None
    return tuple(calls)


def _names(places: "set[Place]") -> "dict[Place, str]":
    """Return the names of the functions at these places, as far as the functions still exist.

    tracemalloc keeps files and lines. The functions are found among all that the garbage collector knows, with those
    inside of them.
    """
    import gc

    files = {file for file, _ in places}
    codes: dict[CodeType, str] = {}
    left = [
        (one.__code__, one.__qualname__)
        for one in gc.get_objects()
        if type(one) is type(_names) and one.__code__.co_filename in files
    ]
    while left:
        code, name = left.pop()
        if code in codes:
            continue
        codes[code] = getattr(code, "co_qualname", name)
        left += [
            (inner, "%s.<locals>.%s" % (name, inner.co_name)) for inner in code.co_consts if type(inner) is type(code)
        ]
    of_files: dict[str, list[tuple[int, int, CodeType, str]]] = {}
    for number, (code, name) in enumerate(codes.items()):
        of_files.setdefault(code.co_filename, []).append((code.co_firstlineno, number, code, name))
    for candidates in of_files.values():
        candidates.sort(reverse=True)
    found: dict[Place, str] = {}
    for file, line in places:
        for _, _, code, name in _before(line, of_files.get(file, [])):
            if line in _lines(code):
                found[file, line] = _outside_of_comprehensions(name)
                break
    return found


def _before(line: int, candidates: "list[tuple[int, int, CodeType, str]]") -> "list[tuple[int, int, CodeType, str]]":
    """Return the last candidates that begin before a line, or in it. All are sorted, the last one first."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if candidates[middle][0] > line:
            low = middle + 1
        else:
            high = middle
    return candidates[low : low + _MOST_CANDIDATES]


_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def _outside_of_comprehensions(name: str) -> str:
    while name.endswith(_COMPREHENSIONS) and ".<locals>." in name:
        name = name.rpartition(".<locals>.")[0]
    return name


def _lines(code: "CodeType") -> "Iterator[int | None]":
    """Yield the lines of a function."""
    if hasattr(code, "co_lines"):  # 3.10
        return (line for _, _, line in code.co_lines())
    import dis

    return (line for _, line in dis.findlinestarts(code))


def _is_library(file: str, library: str) -> bool:
    return file.startswith((library, "<frozen", "<unknown>")) or "site-packages/" in file or "dist-packages/" in file


def _text(said: str) -> str:
    """Return the end of a text without tabs, newlines and other controls."""
    end = said[-_LONGEST_NAME:]
    return end if end.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in end)


def _run_the_one_that_this_hides() -> None:
    """Run the image's own `sitecustomize`, as if this one did not exist.

    The module for `live_heap` has the same function: each is alone in its volume, and can import nothing of ours.
    """
    import _frozen_importlib
    import _frozen_importlib_external

    own = os.path.dirname(__file__)
    sys.modules.pop("membudget_memray", None)
    sys.path[:] = [folder for folder in sys.path if folder != own]
    found = _frozen_importlib_external.PathFinder.find_spec("sitecustomize")
    if found is not None and found.loader is not None:
        module = _frozen_importlib.module_from_spec(found)
        sys.modules["sitecustomize"] = module
        found.loader.exec_module(module)


def _start() -> None:
    global _memray, _not_memray
    if _memray_folder:
        try:
            import membudget_memray  # type: ignore[import-not-found]

            memray = membudget_memray.Memray(_memray_folder)
            memray.start()
            _memray = memray
        except Exception as error:
            _not_memray = "memray cannot be loaded: %s" % error
    else:
        import _tracemalloc

        _tracemalloc.start(_FRAMES)


try:
    _signal.signal(_signal.SIGRTMAX - 1, _answer)
    _start()
except Exception:
    pass  # not the main thread: this process cannot be asked
_run_the_one_that_this_hides()
