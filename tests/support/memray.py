"""memray for a Python of the tests: fetched once for all runs on this machine."""

import os
import platform
import shutil
from pathlib import Path

import dev_cache
from membudget.measure.profiling.interpreter import Interpreter
from membudget.measure.profiling.memray_folder import MemrayFolders
from membudget.measure.profiling.memray_wheels import wheel_for

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORM = f"linux/{_MACHINES[platform.machine()]}"


def memray_folder(interpreter: Interpreter) -> Path:
    """The folder to mount. The first call needs the package index."""
    with dev_cache.locked("memray"):
        folders = MemrayFolders(dev_cache.folder("memray"), dev_cache.folder("memray-unpacked"), os.environ)
        found = folders.folder(interpreter, PLATFORM)
    assert isinstance(found, Path), found
    return found


def cached_memray(cache: Path, interpreter: Interpreter) -> None:
    """Put the wheel into a cache of membudget, which then fetches nothing."""
    memray_folder(interpreter)
    wheel = wheel_for(interpreter, PLATFORM)
    assert wheel is not None
    (cache / "memray").mkdir(parents=True)
    shutil.copy(dev_cache.folder("memray") / "memray" / wheel.file, cache / "memray")
