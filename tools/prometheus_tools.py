"""Real Prometheus, promtool and Pushgateway: Debian's, fetched once into the tooling's cache.

They need nothing but the C library, so that they run without being installed.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import debian
import dev_cache

_SUITE = "bookworm"
_PACKAGES = ["prometheus", "prometheus-pushgateway"]
_PROGRAMS = ("prometheus", "promtool", "prometheus-pushgateway")


class CannotHaveThem(Exception):
    """The programs cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are."""

    prometheus: str
    promtool: str
    pushgateway: str


def provide() -> Programs:
    """Those of this machine, or else Debian's. Raises CannotHaveThem."""
    found = [path for path in map(shutil.which, _PROGRAMS) if path is not None]
    if len(found) < len(_PROGRAMS):
        folder = _fetched()
        found = [str(folder / name) for name in _PROGRAMS]
    return Programs(*found)


def _fetched() -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise CannotHaveThem(f"{', '.join(_PROGRAMS)} are not on the PATH, and this is no Debian to fetch them from")
    kept = dev_cache.folder(f"prometheus-{_SUITE}")
    with dev_cache.locked("prometheus"):
        if any(not (kept / name).exists() for name in _PROGRAMS):
            debian.say(f"fetching {' and '.join(_PACKAGES)} (Debian {_SUITE})")
            with tempfile.TemporaryDirectory(dir=kept) as scratch:
                try:
                    debian.unpack(_PACKAGES, _SUITE, Path(scratch))
                except SystemExit as error:
                    raise CannotHaveThem(str(error)) from None
                for name in _PROGRAMS:
                    Path(scratch, "usr/bin", name).replace(kept / name)
    return kept
