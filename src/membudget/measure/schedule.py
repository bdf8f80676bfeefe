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


def cpu_shares(cpus: int, places: int) -> list[tuple[int, ...]]:
    """The CPUs of each place, so that none takes another's time."""
    share = max(1, cpus // places)
    return [tuple(number % cpus for number in range(place * share, (place + 1) * share)) for place in range(places)]


def cpu_list(share: tuple[int, ...], wanted: int, cpus: int) -> str | None:
    """The CPUs of one container, as the kernel lists them: `wanted` of a share; None: all `cpus` of the machine."""
    given = share[:wanted]
    return None if len(given) == cpus else ",".join(map(str, given))
