"""Where the project's tooling keeps what is slow to make: outside of the repository, keyed by what it is made of."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def folder(name: str) -> Path:
    """A folder of the cache, made when it is not there."""
    chosen = os.environ.get("MEMBUDGET_DEV_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(chosen) if chosen else users / "membudget-dev"
    path = base / name
    path.mkdir(parents=True, exist_ok=True)
    return path


class Claim:
    """That a process uses something. The kernel drops it when the process ends, also if it is killed (flock(2))."""

    def __init__(self, lock: IO[str]) -> None:
        self._lock = lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_alone = True
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.is_alone = False

    def share(self) -> None:
        """Let others use it, too. Until then, they wait."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)


@contextmanager
def claimed(name: str) -> Iterator[Claim]:
    """Claim something that processes of this machine use side by side. The first one is alone until it shares it."""
    with (folder("locks") / name).open("w") as lock:
        yield Claim(lock)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Do what processes of this machine must not do at the same time: tests run side by side."""
    with (folder("locks") / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
