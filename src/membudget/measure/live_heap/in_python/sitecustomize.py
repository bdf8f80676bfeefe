"""Lets a Python process say what it keeps, when it gets SIGRTMAX - 1.

membudget puts this file first in PYTHONPATH of a trial's container, if a budget concerns `live_heap`. It runs in the
service's own Python, from 3.8 on, and imports nothing before it is asked that Python has not imported itself. The
answer is the content of an anonymous file that stays open (memfd_create(2)), so nothing has to be writable.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys


def _answer(*_unused: object) -> None:
    try:
        said = "bytes=%d" % _kept()
    except Exception as error:
        said = "error=%s: %s" % (type(error).__name__, error)
    os.write(os.memfd_create("membudget-live-heap"), (said.replace("\n", " ")[:400] + "\n").encode())


def _kept() -> int:
    import ctypes  # noqa: F401 - before the count, not in the middle of it
    import gc

    for _ in range(3):
        gc.collect()
    return _in_malloc() + _in_pymalloc()


def _in_malloc() -> int:
    """Return what malloc has given out. Another malloc takes the place of glibc's if it is preloaded."""
    import ctypes

    libc = ctypes.CDLL(None)
    size = ctypes.c_size_t(0)
    if hasattr(libc, "mallctl"):  # jemalloc: its figures are those of the last epoch
        epoch = ctypes.c_uint64(1)
        libc.mallctl(b"epoch", None, None, ctypes.byref(epoch), ctypes.c_size_t(8))
        length = ctypes.c_size_t(ctypes.sizeof(size))
        if libc.mallctl(b"stats.allocated", ctypes.byref(size), ctypes.byref(length), None, ctypes.c_size_t(0)) != 0:
            raise OSError("jemalloc was built without statistics")
        return size.value
    if hasattr(libc, "MallocExtension_GetNumericProperty"):  # tcmalloc
        libc.MallocExtension_GetNumericProperty(b"generic.current_allocated_bytes", ctypes.byref(size))
        return size.value
    if hasattr(libc, "mi_malloc"):
        raise OSError("mimalloc does not say what it has given out")
    if not hasattr(libc, "mallinfo2"):
        raise OSError("this C library does not say what malloc has given out (glibc 2.33 and newer do)")

    class Info(ctypes.Structure):
        _fields_ = [
            ("arena", ctypes.c_size_t), ("ordblks", ctypes.c_size_t), ("smblks", ctypes.c_size_t),
            ("hblks", ctypes.c_size_t), ("hblkhd", ctypes.c_size_t), ("usmblks", ctypes.c_size_t),
            ("fsmblks", ctypes.c_size_t), ("uordblks", ctypes.c_size_t), ("fordblks", ctypes.c_size_t),
            ("keepcost", ctypes.c_size_t),
        ]  # fmt: skip

    libc.mallinfo2.restype = Info
    info = libc.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _in_pymalloc() -> int:
    """Return what Python's own allocator has given out, which it only prints. 0 if it is off (PYTHONMALLOC)."""
    printed = os.memfd_create("membudget-pymalloc")
    kept = os.dup(2)
    os.dup2(printed, 2)
    try:
        sys._debugmallocstats()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    with os.fdopen(printed, "rb") as file:
        file.seek(0)
        for line in file:
            if line.startswith(b"# bytes in allocated blocks"):
                return int(line.split(b"=")[1].replace(b",", b""))
    return 0


def _run_the_one_that_this_hides() -> None:
    """Run the image's own `sitecustomize`, as if this one did not exist."""
    import _frozen_importlib
    import _frozen_importlib_external

    own = os.path.dirname(__file__)
    sys.path[:] = [folder for folder in sys.path if folder != own]
    found = _frozen_importlib_external.PathFinder.find_spec("sitecustomize")
    if found is not None and found.loader is not None:
        module = _frozen_importlib.module_from_spec(found)
        sys.modules["sitecustomize"] = module
        found.loader.exec_module(module)


try:
    _signal.signal(_signal.SIGRTMAX - 1, _answer)
except Exception:
    pass  # not the main thread: this process cannot be asked
_run_the_one_that_this_hides()
