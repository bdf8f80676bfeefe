"""What is wrong with the settings of runtimes: the ceiling that a runtime has against the container's limit.

A smoke workload seldom fills a heap. So an image passes here and is killed in production, or pays for memory that its
runtime never uses. Findings never change a verdict.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.held_memory import held_memory_findings
from membudget.judge.measurement import ImageMeasurement, Presence, SideMeasurement
from membudget.judge.runtime_finding import MARGIN, RuntimeFinding
from membudget.measure.runtimes.runtime import (
    Malloc,
    PreforkServer,
    Runtime,
    RuntimeAnswer,
    RuntimeKind,
)

FAR_BELOW = 0.5
"""A ceiling with what is beside it is far below the limit if both need less than this part of it."""
GO_NEAR_LIMIT = 0.75
"""A Go program that comes this near to its limit needs GOMEMLIMIT."""
_INITIAL_HEAP = ("-Xms", "-XX:InitialHeapSize=")
"""How a JVM's command line writes what its heap begins with."""
_LEAST_HEAP_BYTES = 64 * MIB
"""A smaller heap that is reserved and unused is not worth a word."""
_SMALL_JVM_BYTES = 250 * MIB
"""With less memory, HotSpot takes half of it for the heap (MinRAMPercentage), whatever MaxRAMPercentage says
(src/hotspot/share/runtime/arguments.cpp, set_heap_size)."""
DOTNET_LIMIT = "GCHeapHardLimit"
"""The largest heap of .NET, as a hexadecimal number of bytes."""
NODE_YOUNG_MIB = 4
"""How much Node's ceiling is above --max-old-space-size: its young generation, rounded up."""
REDIS_SHARE = 0.75
"""The part of the limit that fits as Redis's maxmemory: buffers, fragmentation and the copy of a save take the rest."""
ARENA_SHARE = 0.1
_LEAST_ARENAS = 5
"""Fewer arenas than that, or arenas with less than that part of the limit, are not worth a word."""
_WORKERS = {
    PreforkServer.GUNICORN: "--workers={}",
    PreforkServer.UVICORN: "--workers={}",
    PreforkServer.PUMA: "-w {}",
    PreforkServer.UNICORN: "worker_processes {}",
    PreforkServer.PHP_FPM: "pm.max_children = {}",
    PreforkServer.APACHE: "ServerLimit {}",
}
"""How servers write the number of their workers. Apache's MaxRequestWorkers counts threads with the modules event and
worker, but ServerLimit counts processes with each module (httpd, docs/manual/mod/mpm_common.html).
"""
_GO_SIZE = re.compile(r"(\d{1,15})(B|KiB|MiB|GiB|TiB)?")
_GO_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def judge_runtimes(images: Sequence[ImageMeasurement], rules: Collection[RuntimeRule]) -> tuple[RuntimeFinding, ...]:
    """Return which of these rules the runtimes of the head break. Rules that need an unknown figure are kept."""
    return tuple(
        finding
        for image in images
        for finding in _without_contradiction([one for one in _of_image(image) if one.rule in rules])
    )


def _without_contradiction(findings: Sequence[RuntimeFinding]) -> Iterator[RuntimeFinding]:
    """Leave out what the measured workers of PHP-FPM allow if their memory_limit, which is the most, allows less."""
    above = [one.runtime for one in findings if one.rule is RuntimeRule.CEILING_ABOVE_LIMIT]
    for one in findings:
        is_weaker = one.rule is RuntimeRule.WORKERS_ABOVE_LIMIT and one.runtime.kind is RuntimeKind.PHP_FPM
        if not (is_weaker and one.runtime in above):
            yield one


def _of_image(image: ImageMeasurement) -> Iterator[RuntimeFinding]:
    side = image.side_for_maximums
    if side is None or image.presence is Presence.REMOVED:
        return
    for runtime in side.runtimes:
        known = _Known(image, side, runtime)
        yield from known.of_workers()
        yield from known.of_arenas()
        yield from held_memory_findings(image, runtime)
        if runtime.kind is RuntimeKind.GO:
            yield from known.of_go()
        elif runtime.kind in (RuntimeKind.PHP_FPM, RuntimeKind.POSTGRES):
            continue
        elif runtime.kind is RuntimeKind.REDIS:
            yield from known.of_redis()
        elif runtime.answer is not None and runtime.answer.ceiling_bytes is not None:
            yield from known.of_heap(runtime.answer, runtime.answer.ceiling_bytes)


@dataclass(frozen=True, slots=True)
class _Known:
    image: ImageMeasurement
    side: SideMeasurement
    runtime: Runtime

    @property
    def _limit(self) -> int:
        return self.image.limit_bytes

    def of_heap(self, answer: RuntimeAnswer, ceiling: int) -> Iterator[RuntimeFinding]:
        """Yield the rules that a runtime with a heap of its own breaks."""
        beside, limit = self.runtime.beside_bytes, self._limit
        setting = self._heap_setting
        if answer.sees_limit is False and not (setting or "").startswith(("-Xmx", "-XX:MaxHeapSize")):
            off = self.runtime.setting("-XX:-UseContainerSupport")
            yield self._finding(RuntimeRule.NO_CONTAINER_SUPPORT, ceiling, beside, off, "-XX:+UseContainerSupport")
        elif ceiling > limit:
            yield self._of_ceiling(RuntimeRule.HEAP_ABOVE_LIMIT, ceiling, beside, setting)
        elif beside is not None and ceiling + beside > limit:
            yield self._of_ceiling(RuntimeRule.CEILING_ABOVE_LIMIT, ceiling, beside, setting)
        elif beside is not None and self.runtime.kind is not RuntimeKind.DOTNET:
            most = self.runtime.at_most_beside_bytes
            if ceiling + most < FAR_BELOW * limit:
                yield self._of_ceiling(RuntimeRule.CEILING_FAR_BELOW_LIMIT, ceiling, most, setting)
        yield from self._of_reserved(answer, ceiling)

    def _of_reserved(self, answer: RuntimeAnswer, ceiling: int) -> Iterator[RuntimeFinding]:
        heap, initial = self.runtime.heap_bytes, answer.initial_bytes
        setting = self.runtime.setting(*_INITIAL_HEAP)
        if setting is None or heap is None or initial is None or initial < ceiling or ceiling < _LEAST_HEAP_BYTES:
            return
        if heap < ceiling / 2:
            name = next(name for name in _INITIAL_HEAP if setting.startswith(name))
            fitting = f"{name}{max(1, -(-heap // MIB))}m"
            yield RuntimeFinding(
                RuntimeRule.HEAP_RESERVED_UNUSED, self.image.name, self.runtime, ceiling, None, self._limit,
                held_bytes=heap, setting=setting, fitting=fitting,
            )  # fmt: skip

    def of_workers(self) -> Iterator[RuntimeFinding]:
        """Yield whether the workers of a server have room. Shared pages must not count several times.

        Nothing is certain if workers are missing: the rest of the container would hold them.
        """
        workers, server = self.runtime.workers, self.runtime.server
        is_known = self.runtime.counts_pages_once and self.runtime.has_all_workers
        if server is None or len(workers) < 2 or not is_known:
            return
        largest = max(workers)
        # `others_bytes` is all that the container held but its largest process, which may be a worker or not.
        whole, known = self.runtime.container_bytes, self.runtime.held_bytes + self.runtime.others_bytes
        rest = max(0, (whole if whole is not None else known) - sum(workers))
        if rest + largest * (len(workers) + 1) <= self._limit or largest == 0:
            return
        fits = (int((1 - MARGIN) * self._limit) - rest) // largest - 1
        needed = _limit_for(rest + largest * (len(workers) + 1))
        yield RuntimeFinding(
            RuntimeRule.WORKERS_ABOVE_LIMIT, self.image.name, self.runtime, largest * len(workers), rest, self._limit,
            held_bytes=largest, fitting=_WORKERS[server].format(fits) if fits > 0 else None, fitting_limit_bytes=needed,
        )  # fmt: skip

    def of_arenas(self) -> Iterator[RuntimeFinding]:
        """Yield whether the arenas of glibc's malloc hold much of the limit, and nothing limits their number."""
        runtime = self.runtime
        is_limited = "MALLOC_ARENA_MAX" in runtime.variables or "arena_max" in runtime.variables.get(
            "GLIBC_TUNABLES", ""
        )
        is_much = runtime.arenas >= _LEAST_ARENAS and runtime.arena_bytes >= ARENA_SHARE * self._limit
        if runtime.malloc is Malloc.GLIBC and is_much and not is_limited:
            yield RuntimeFinding(
                RuntimeRule.MALLOC_ARENAS, self.image.name, runtime, None, None, self._limit,
                held_bytes=runtime.arena_bytes, fitting="MALLOC_ARENA_MAX=2",
            )  # fmt: skip

    def of_redis(self) -> Iterator[RuntimeFinding]:
        """Yield the rules that a Redis breaks."""
        if self.runtime.answer is None:
            return
        ceiling = self.runtime.answer.ceiling_bytes
        fitting = f"maxmemory {int(REDIS_SHARE * self._limit) // MIB}mb"
        if ceiling is None:
            yield RuntimeFinding(RuntimeRule.NO_MAXMEMORY, self.image.name, self.runtime, None, None, self._limit,
                                 held_bytes=self._held, fitting=fitting)  # fmt: skip
        elif ceiling > self._limit:
            yield self._finding(RuntimeRule.HEAP_ABOVE_LIMIT, ceiling, None, "maxmemory", fitting)

    def of_go(self) -> Iterator[RuntimeFinding]:
        """Yield the rules that a Go program breaks."""
        setting = self.runtime.variables.get("GOMEMLIMIT")
        ceiling, beside = go_memory_limit(setting), self.runtime.others_bytes
        written = f"GOMEMLIMIT={setting}" if setting is not None else None
        fitting = self._go_fitting(beside)
        if ceiling is None:
            held = self._held
            if held is not None and held >= GO_NEAR_LIMIT * self._limit:
                yield RuntimeFinding(
                    RuntimeRule.NO_GO_MEMORY_LIMIT, self.image.name, self.runtime, None, beside, self._limit,
                    held_bytes=held, setting=written, fitting=fitting,
                )  # fmt: skip
        elif ceiling > self._limit:
            yield self._finding(RuntimeRule.HEAP_ABOVE_LIMIT, ceiling, beside, written, fitting)
        elif ceiling + beside > self._limit:
            yield self._finding(RuntimeRule.CEILING_ABOVE_LIMIT, ceiling, beside, written, fitting)

    def _go_fitting(self, beside: int) -> str | None:
        """Return the usual 90 % of the limit, without what other processes hold."""
        mib = int(0.9 * self._limit - beside) // MIB
        return f"GOMEMLIMIT={mib}MiB" if mib > 0 else None

    @property
    def _held(self) -> int | None:
        """The head's peak RSS. An OOM-killed head reached its limit."""
        kills = self.side.metrics.get(Metric.OOM_KILLS)
        if kills is not None and kills.value and not self.side.only_sidecars_were_killed:
            return self._limit
        peak = self.side.metrics.get(Metric.PEAK_RSS)
        return peak.value if peak is not None else None

    @property
    def _heap_setting(self) -> str | None:
        if self.runtime.kind is RuntimeKind.DOTNET:
            names = (name for name in self.runtime.variables if DOTNET_LIMIT in name)
            return next((f"{name}={self.runtime.variables[name]}" for name in names), None)
        if self.runtime.kind is RuntimeKind.NODE:
            return self.runtime.setting("--max-old-space-size", "--max_old_space_size")
        absolute = self.runtime.setting("-Xmx", "-XX:MaxHeapSize=")
        return absolute or self.runtime.setting("-XX:MaxRAMPercentage=")

    def _of_ceiling(self, rule: RuntimeRule, ceiling: int, beside: int | None, setting: str | None) -> RuntimeFinding:
        most = self.runtime.at_most_beside_bytes
        finding = self._finding(rule, ceiling, beside, setting, self._fitting(most, setting))
        if finding.fitting_limit_bytes is None:
            return finding
        return replace(finding, fitting_limit_bytes=_limit_for(ceiling + most))

    def _fitting(self, beside: int, setting: str | None) -> str | None:
        """Return the largest heap that fits beside what was measured, written as the setting is written now."""
        room = int((1 - MARGIN) * self._limit) - beside
        if self.runtime.kind is RuntimeKind.DOTNET:
            return f"DOTNET_{DOTNET_LIMIT}={room // MIB * MIB:#x}" if room >= MIB else None
        if self.runtime.kind is RuntimeKind.NODE:
            mib = room // MIB - NODE_YOUNG_MIB
            return f"--max-old-space-size={mib}" if mib > 0 else None
        if setting is not None and setting.startswith(("-Xmx", "-XX:MaxHeapSize")):
            name = "-Xmx" if setting.startswith("-Xmx") else "-XX:MaxHeapSize="
            return f"{name}{room // MIB}m" if room >= MIB else None
        if self._limit < _SMALL_JVM_BYTES:
            return f"-Xmx{room // MIB}m" if room >= MIB else None
        percent = int(100 * room / self._limit)
        return f"-XX:MaxRAMPercentage={percent}" if percent > 0 else None

    def _finding(
        self, rule: RuntimeRule, ceiling: int, beside: int | None, setting: str | None, fitting: str | None
    ) -> RuntimeFinding:
        grows = rule is not RuntimeRule.CEILING_FAR_BELOW_LIMIT
        is_of_limit = (
            setting is not None and "Percentage" not in setting and "Container" not in setting
        ) or not fitting
        return RuntimeFinding(
            rule, self.image.name, self.runtime, ceiling, beside, self._limit, setting=setting, fitting=fitting,
            fitting_limit_bytes=_limit_for(ceiling + (beside or 0)) if grows and is_of_limit else None,
        )  # fmt: skip


def _limit_for(needed: int) -> int:
    """Return the smallest limit that leaves the margin free, in whole MiB."""
    return -int(-needed / (1 - MARGIN) // MIB) * MIB


def go_memory_limit(text: str | None) -> int | None:
    """Return the bytes of a GOMEMLIMIT. None if it is not set, is "off", or is not one (Go, runtime/debug)."""
    found = _GO_SIZE.fullmatch(text or "")
    return int(found[1]) * _GO_UNITS[found[2] or ""] if found is not None else None
