"""Where the project's tooling keeps what is slow to make: outside of the repository, keyed by what it is made of."""

import os
from pathlib import Path


def folder(name: str) -> Path:
    """A folder of the cache, made when it is not there."""
    chosen = os.environ.get("MEMBUDGET_DEV_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(chosen) if chosen else users / "membudget-dev"
    path = base / name
    path.mkdir(parents=True, exist_ok=True)
    return path
