"""The last resort: the engine's own statistics, once a second. Changes between two readings are missed."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from membudget.core.errors import EnvironmentFault
from membudget.engine.cgroups import TrialCgroup
from membudget.engine.connection import Engine, engine_errors
from membudget.measure.probe.client import MachineState, Watching
from membudget.measure.probe.messages import HostSettings, KernelLog, PhaseReading, ProbeReport, Reading, Series
from membudget.measure.probe.readings import MemoryReading

RATE_HZ = 1
_END_S = 10.0
_UNKNOWN = "the engine's statistics do not say"


@dataclass
class _Seen:
    """The statistics of one container so far."""

    origin: float = field(default_factory=time.monotonic)
    series: Series = field(default_factory=Series)
    kernel_peak: int | None = None
    cpu_us: int | None = None

    def now_us(self) -> int:
        return round((time.monotonic() - self.origin) * 1e6)

    def take(self, sample: Mapping[str, object]) -> None:
        """Add one answer of GET /containers/ID/stats. Its memory is empty while the container does not run."""
        memory = _mapping(sample.get("memory_stats"))
        stats = _mapping(memory.get("stats"))
        usage = memory.get("usage")
        if not isinstance(usage, int) or not stats:
            return
        # On v1, the keys that begin with total_ include descendants.
        anon = _number(stats, "total_rss", "anon")
        inactive_file = _number(stats, "total_inactive_file", "inactive_file")
        shmem = _number(stats, "total_shmem", "shmem")
        self.series.append(self.now_us(), MemoryReading(anon, shmem, inactive_file, usage))
        mark = memory.get("max_usage")
        if isinstance(mark, int):
            self.kernel_peak = max(mark, self.kernel_peak or 0)
        cpu_ns = _mapping(_mapping(sample.get("cpu_stats")).get("cpu_usage")).get("total_usage")
        if isinstance(cpu_ns, int) and cpu_ns:
            self.cpu_us = cpu_ns // 1000


class EngineStatsProbe:
    """Follows a container through the engine's statistics."""

    place = "the engine's statistics: 1 Hz, may miss spikes"
    sees_cgroups = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen = _Seen()
        self._thread: threading.Thread | None = None
        self._phases: list[tuple[str, int]] = []
        self._ended_us: int | None = None

    def follow(self, cgroup: TrialCgroup, container_id: str, watching: Watching) -> None:
        """Start reading the engine's statistics of the container."""
        del cgroup, watching
        self._join()
        self._seen = _Seen()
        self._phases = []
        self._ended_us = None
        self._thread = threading.Thread(target=self._read, args=(container_id, self._seen), daemon=True)
        self._thread.start()

    def begin_phase(self, name: str) -> None:
        """Begin another phase of the trial."""
        self._phases.append((name, self._seen.now_us()))

    def end_phase(self) -> None:
        """End the last phase."""
        self._ended_us = self._seen.now_us()

    def finish(self) -> ProbeReport:
        """Return what the statistics said. The container is gone by now, which ends its statistics."""
        seen = self._seen
        end_us = self._ended_us or seen.now_us()
        self._join()
        ends = [begin for _, begin in self._phases[1:]] + [end_us]
        no_mark = "the engine's statistics have no mark of the kernel's"
        return ProbeReport(
            series=seen.series,
            phases=tuple(
                PhaseReading(name, begin, end, Reading(None, no_mark))
                for (name, begin), end in zip(self._phases, ends, strict=True)
            ),
            effort=None,
            kernel_peak=Reading(seen.kernel_peak, note="lower bound: as of the engine's last statistics")
            if seen.kernel_peak is not None
            else Reading(None, no_mark),
            oom_kills=Reading(None, _UNKNOWN),
            limit_hits=Reading(None, _UNKNOWN),
            refaulted_bytes=Reading(None, _UNKNOWN),
            swap_peak=Reading(None, _UNKNOWN),
            stalled_us=Reading(None, _UNKNOWN),
            cpu_usage_us=Reading(seen.cpu_us, note="as of the engine's last statistics")
            if seen.cpu_us is not None
            else Reading(None, _UNKNOWN),
            snapshot_reason=_UNKNOWN,
            kernel_log=KernelLog(reason=_UNKNOWN, is_whole=False),
            settings=HostSettings(),
        )

    def rss_now(self) -> int | None:
        """Return RSS as the engine last reported it, in bytes."""
        rss = self._seen.series.rss_bytes
        return rss[-1] if rss else None

    def kills_now(self) -> int | None:
        """Return None: the engine's statistics do not say."""
        return None

    def available_bytes(self) -> int | None:
        """Return None: the engine's statistics do not say."""
        return None

    def swap_bytes(self) -> int | None:
        """Return None: the engine's statistics do not say."""
        return None

    def machine(self) -> MachineState:
        """Return nothing: the engine's statistics do not say."""
        return MachineState()

    def close(self) -> None:
        """Wait for the engine's last answer."""
        self._join()

    def _read(self, container_id: str, seen: _Seen) -> None:
        # The trial reports its own failures. Here, a failure only ends the statistics.
        with contextlib.suppress(EnvironmentFault), engine_errors("reading the engine's statistics"):
            for sample in self._samples(container_id):
                seen.take(sample)

    def _samples(self, container_id: str) -> Iterator[Mapping[str, object]]:
        for sample in self._engine.client.api.stats(container_id, decode=True, stream=True):
            yield _mapping(sample)

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(_END_S)
            self._thread = None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(stats: Mapping[str, object], *keys: str) -> int:
    """Return the value of the first of `keys` that has one, or 0."""
    return next((value for key in keys if isinstance(value := stats.get(key), int)), 0)
