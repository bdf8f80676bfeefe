"""Which trials may run side by side: as many as there are places for, and as memory holds at their limits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Admission:
    """Lets trials in. Threads wait until there is room."""

    def __init__(self, places: int, free_bytes: int) -> None:
        self._places = places
        self._most = self._free = free_bytes
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, limit_bytes: int | None) -> Iterator[None]:
        """Room for one trial that may use up to `limit_bytes`; None: there is no telling, it runs alone.

        A trial that asks for more than there is runs alone, too: the kernel, not we, has the last word on it.
        """
        need = self._most if limit_bytes is None else min(limit_bytes, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._places and need <= self._free)
            self._running += 1
            self._free -= need
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._free += need
                self._changed.notify_all()


def cpu_sets(cpus: int, places: int) -> list[str | None]:
    """The CPUs of each place, so that none takes another's time; one place alone has them all, unnamed."""
    if places <= 1:
        return [None]
    share = max(1, cpus // places)
    return [_listed(place * share % cpus, share) for place in range(places)]


def _listed(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"
