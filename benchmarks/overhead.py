"""What measuring costs: CPU time of ours, throughput and memory of whom we measure.

    make bench-overhead

- CPU: the sampling process, and its snapshots, in percent of one core: at rest, and while memory never stands still.
- Throughput: a program that does nothing but allocate, touch and free, with and without sampling, in pairs.
- Memory: what a container of 20 MiB was charged, with and without, by its cgroup's own counters. Pages charged is
  the count of pages ever charged to it (v1 memory.stat, pgpgin): one byte of ours would be one page more.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from benchmarks.truth import Bench, bench
from membudget.engine.cgroup_layout import memory_root, trial_cgroup
from membudget.engine.docker_containers import ContainerOptions, Containers
from membudget.trials.certificate import Certificate
from membudget.trials.probe import CgroupProbe
from membudget.trials.readings import keyed_value

PAIRS = 11
REPEATS = 7
AT_REST = (20, 0, 1, 1, 5000)
NEVER_AT_REST = (20, 8, 2, 1000, 2)
CHURN = (20, 8, 0, 400, 0)
HOLDING = (20, 0, 1, 1, 600)


def main() -> int:
    """Print the tables."""
    with bench() as on:
        print(f"\n{on.where}\n")
        print(tabulate(cpu(on), ["CPU of ours", "at", "of one core", "with snapshots", "looks"], tablefmt="github"))
        print()
        print(tabulate(throughput(on), ["throughput", "pairs", "median change", "quartiles"], tablefmt="github"))
        print()
        headings = ["memory of a container of 20 MiB", "pages charged", "usage", "kernel's mark", "processes"]
        print(tabulate(memory(on), headings, tablefmt="github"))
    return 0


def cpu(on: Bench) -> Iterator[list[str]]:
    """What sampling itself takes."""
    for what, rate_hz, arguments in (
        ("at rest", 100, AT_REST),
        ("never at rest", 100, NEVER_AT_REST),
        ("at rest", 1000, AT_REST),
        ("never at rest", 1000, NEVER_AT_REST),
    ):
        with on.trials(rate_hz, highest_rate_hz=rate_hz) as trials:
            certificates = [trials.run(*arguments).certificate for _ in range(3)]
        alone = [_share(one, with_snapshots=False) for one in certificates if one is not None]
        all_in_all = [_share(one, with_snapshots=True) for one in certificates if one is not None]
        looks = [one.effort.looks for one in certificates if one is not None and one.effort is not None]
        yield [
            what, f"{rate_hz} Hz", f"{statistics.median(alone):.2f} %", f"{statistics.median(all_in_all):.2f} %",
            f"{statistics.median(looks):.0f}",
        ]  # fmt: skip


def _share(certificate: Certificate, *, with_snapshots: bool) -> float:
    effort = certificate.effort
    assert effort is not None
    return 100 * (effort.cpu_us + (effort.snapshots_cpu_us if with_snapshots else 0)) / max(1, effort.wall_us)


def throughput(on: Bench) -> Iterator[list[str]]:
    """Work done with and without, in turns."""
    for rate_hz in (100, 1000):
        changes = []
        with on.containers() as containers, on.probe() as probe:
            for pair in range(PAIRS):
                order = (None, rate_hz) if pair % 2 else (rate_hz, None)
                took = {rate: Watched(on, containers, probe, 2 * pair + n).run(CHURN, rate).seconds
                        for n, rate in enumerate(order)}  # fmt: skip
                changes.append(100 * (took[None] / took[rate_hz] - 1))
        low, _, high = statistics.quantiles(changes, n=4)
        middle = f"{statistics.median(changes):+.2f} %"
        yield [f"sampled at {rate_hz} Hz", str(PAIRS), middle, f"{low:+.2f} to {high:+.2f} %"]


def memory(on: Bench) -> Iterator[list[str]]:
    """What the cgroup was charged."""
    with on.containers() as containers, on.probe() as probe:
        for number, rate_hz in enumerate((None, 100, 1000)):
            runs = [
                Watched(on, containers, probe, 1000 * (number + 1) + repeat).run(HOLDING, rate_hz)
                for repeat in range(REPEATS)
            ]
            pages, usage, mark = (
                statistics.median(getattr(run, name) for run in runs) for name in ("pages", "usage", "mark")
            )
            processes = max(run.processes for run in runs)
            yield [
                "not sampled" if rate_hz is None else f"sampled at {rate_hz} Hz",
                f"{pages:.0f}", f"{usage / 1024:.0f} KiB", f"{mark / 1024:.0f} KiB", str(processes),
            ]  # fmt: skip


@dataclass(frozen=True)
class Counters:
    """What a container's run came to."""

    seconds: float
    pages: int
    usage: int
    mark: int
    processes: int


@dataclass(frozen=True)
class Watched:
    """A container run with or without sampling, by nothing but the engine and its cgroup's files."""

    on: Bench
    containers: Containers
    probe: CgroupProbe
    number: int

    def run(self, arguments: tuple[int, ...], rate_hz: int | None) -> Counters:
        """Run truth; None: nobody looks."""
        info = self.on.engine.info
        cgroup = trial_cgroup(self.containers.run, self.number, info.cgroup_driver)
        root = Path(memory_root(info.cgroup_version))
        container_id = self.containers.create(
            ContainerOptions(
                image=self.on.image_id,
                name=f"trial{self.number}",
                role="trial",
                command=tuple(map(str, arguments)),
                cgroup_parent=cgroup.parent_argument,
            )
        )
        try:
            if rate_hz is not None:
                self.probe.follow(cgroup, container_id, rate_hz)
            self.containers.start(container_id)
            begun = time.monotonic()
            time.sleep(0.3)  # into the program, whose memory then stands still where it is to be counted
            leaf = root / cgroup.leaf(container_id)
            pages = keyed_value((leaf / "memory.stat").read_bytes(), b"pgpgin") if info.cgroup_version == 1 else 0
            usage = int(
                (leaf / ("memory.usage_in_bytes" if info.cgroup_version == 1 else "memory.current")).read_text()
            )
            processes = len((leaf / "cgroup.procs").read_text().split())
            self.containers.wait(container_id, 120)
            seconds = time.monotonic() - begun
        finally:
            self.containers.remove(container_id)
        mark_file = "memory.max_usage_in_bytes" if info.cgroup_version == 1 else "memory.peak"
        mark = int((root / cgroup.path / mark_file).read_text())
        if rate_hz is not None:
            self.probe.finish()
        return Counters(seconds, pages, usage, mark, processes)


if __name__ == "__main__":
    sys.exit(main())
