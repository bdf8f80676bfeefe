"""memray for a Python of the tests: fetched once for all runs on this machine."""

import platform
from pathlib import Path

import dev_cache
from membudget.measure.profiling.interpreter import Interpreter
from membudget.measure.profiling.memray_folder import MemrayFolders

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORM = f"linux/{_MACHINES[platform.machine()]}"


def memray_folder(interpreter: Interpreter) -> Path:
    """The folder to mount. The first call needs the package index."""
    with dev_cache.locked("memray"):
        folders = MemrayFolders(dev_cache.folder("memray"), dev_cache.folder("memray-unpacked"), {})
        found = folders.folder(interpreter, PLATFORM)
    assert isinstance(found, Path), found
    return found
