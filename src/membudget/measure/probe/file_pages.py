"""What a cgroup's page cache is made of: the part that could be dropped, and the part that waits for the disk.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel. Uses the standard library only,
because the probe imports this module.
"""

from dataclasses import dataclass

from membudget.core.files import Stored
from membudget.measure.probe.readings import keyed_value

_KEYS = {
    1: (b"total_inactive_file", b"total_mapped_file", b"total_dirty", b"total_writeback"),
    2: (b"inactive_file", b"file_mapped", b"file_dirty", b"file_writeback"),
}
"""The values of memory.stat, by cgroup version."""


@dataclass(frozen=True, slots=True)
class FilePages(Stored):
    """A trial's page cache, from the samples that count."""

    usage_bytes: int
    """The largest usage for which memory.stat was read."""
    clean_bytes: int
    """The page cache that could be dropped at that usage: inactive, not mapped, and already on the disk. At least."""
    dirty_bytes: int
    """The most that ever waited to be written to files, or was being written."""


class FilePageWatch:
    """Notes a trial's page cache, sample by sample."""

    def __init__(self, version: int) -> None:
        self._keys = _KEYS[version]
        self._found: FilePages | None = None

    def note(self, stat: bytes, usage: int) -> None:
        """Note one memory.stat, and the usage that it belongs to. A kernel that lacks a value is left out."""
        try:
            inactive, mapped, dirty, written = (keyed_value(stat, key) for key in self._keys)
        except (KeyError, ValueError):
            return
        before = self._found
        waiting = max(dirty + written, before.dirty_bytes if before is not None else 0)
        if before is not None and usage <= before.usage_bytes:
            usage, clean = before.usage_bytes, before.clean_bytes
        else:
            # Mapped pages begin on the inactive list, also those of libraries in constant use.
            clean = max(0, inactive - mapped - dirty - written)
        self._found = FilePages(usage, clean, waiting)

    @property
    def found(self) -> FilePages | None:
        """What was noted. None if nothing could be."""
        return self._found
