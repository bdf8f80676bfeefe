"""Where the project's tooling keeps what is slow to make: outside of the repository, keyed by what it is made of."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(name: str) -> Path:
    """A folder of the cache, made when it is not there."""
    chosen = os.environ.get("MEMBUDGET_DEV_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(chosen) if chosen else users / "membudget-dev"
    path = base / name
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Do what processes of this machine must not do at the same time: tests run side by side."""
    with (folder("locks") / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
