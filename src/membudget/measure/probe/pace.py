"""How often to look: fast while memory moves, slow while it rests, and never for more than a share of a core.

Standard library only: the probe imports it.
"""

FAST_FACTOR = 4
"""Looks come this much faster while memory moves."""
FASTEST_HZ = 1000
_FAST_LOOKS = 12
"""As many without movement, and it rests."""
_DEEP_REST_LOOKS = 100
"""As many, and it rests deeply."""
_DEEP_REST_FACTOR = 1.5
_TOO_MUCH_CPU, _LITTLE_CPU = 0.024, 0.016
"""Shares of one core: above the first it looks no faster than it was asked to, until it is below the second."""
WATCH_NS = 500_000_000
"""How often the share is looked at."""


class Pace:
    """The time between two looks."""

    def __init__(self, rate_hz: int) -> None:
        self._rest_s = 1 / rate_hz
        self._fast_s = max(1 / FASTEST_HZ, self._rest_s / FAST_FACTOR)
        # Where somebody asks for the fastest there is, there is no slower.
        self._deep_rest_s = self._rest_s * (_DEEP_REST_FACTOR if rate_hz < FASTEST_HZ else 1)
        self._still = 0
        """Looks since memory moved."""
        self._thrifty = False
        self._watched_from: tuple[int, int] | None = None

    @property
    def interval_s(self) -> float:
        """Until the next look."""
        if self._still <= _FAST_LOOKS:
            return self._rest_s if self._thrifty else self._fast_s
        return self._rest_s if self._still <= _DEEP_REST_LOOKS else self._deep_rest_s

    def looked(self, *, moved: bool) -> None:
        """A look was taken, and memory had moved or not since the one before."""
        self._still = 0 if moved else self._still + 1

    def spent(self, now_ns: int, cpu_ns: int) -> None:
        """Until `now_ns`, looking took `cpu_ns` of CPU time in all."""
        if self._watched_from is not None:
            since_ns, spent_ns = now_ns - self._watched_from[0], cpu_ns - self._watched_from[1]
            self._thrifty = spent_ns > since_ns * (_LITTLE_CPU if self._thrifty else _TOO_MUCH_CPU)
        self._watched_from = now_ns, cpu_ns
