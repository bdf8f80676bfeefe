"""What two hundred trials in one process leave behind.

    make bench-leaks

A trial here is as short as can be (nothing held, for a millisecond), since what leaks does so once a trial. The first
trials fill caches; growth counts from the twentieth on.
"""

import gc
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from benchmarks.truth import Bench, bench
from membudget.engine.cgroup_removal import our_cgroups
from membudget.engine.cgroups import run_of
from membudget.engine.connection import RUN_LABEL, Engine
from membudget.engine.run_id import RunId

TRIALS = int(os.environ.get("TRIALS", "200"))
WARM = min(20, TRIALS // 2)
SHORTEST = (0, 0, 1, 1, 0)
BOUND_MIB = 5

_CGROUPS = Path("/sys/fs/cgroup")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """What this process holds, and what of its runs is on the machine."""

    rss_bytes: int
    descriptors: int
    threads: int
    containers: int
    cgroups: int
    """The runs', with those inside of them."""


def main() -> int:
    """Print the table; 1 when something stayed."""
    with bench() as on:
        before = held(on.engine)
        warm, last, helper_growth = _run(on)
        after = held(on.engine)
        print(f"\n{on.where}; {TRIALS} trials in one process\n")
        grown = last.rss_bytes - warm.rss_bytes
        rows: list[list[object]] = [
            ["memory of this process", _mib(warm.rss_bytes), _mib(last.rss_bytes), _mib(after.rss_bytes), _kib(grown)],
            ["memory of the sampling process", "", "", "", _kib(helper_growth)],
            ["descriptors", warm.descriptors, last.descriptors, after.descriptors, last.descriptors - warm.descriptors],
            ["threads", warm.threads, last.threads, after.threads, last.threads - warm.threads],
            ["containers", warm.containers, last.containers, after.containers, last.containers - warm.containers],
            ["cgroups", warm.cgroups, last.cgroups, after.cgroups, after.cgroups - before.cgroups],
        ]
        headings = ["what", f"after trial {WARM}", f"after trial {TRIALS}", "after clean-up", "left"]
        print(tabulate(rows, headings, tablefmt="github"))
    stayed = (after.threads, after.containers, after.cgroups) != (before.threads, before.containers, before.cgroups)
    leaks = last.descriptors > warm.descriptors or grown > BOUND_MIB << 20
    return 1 if stayed or leaks else 0


def _run(on: Bench) -> tuple[Held, Held, int]:
    """What is held after some trials and after all, and by how much the sampling process grew meanwhile."""
    with on.trials(100, highest_rate_hz=100) as trials:
        for _ in range(WARM):
            trials.run(*SHORTEST)
        warm, helper = held(on.engine), _children_rss_bytes()
        for _ in range(TRIALS - WARM):
            trials.run(*SHORTEST)
        return warm, held(on.engine), _children_rss_bytes() - helper


def held(engine: Engine) -> Held:
    """What is held now; garbage that waits to be collected is none."""
    gc.collect()
    return Held(
        rss_bytes=_rss_bytes(os.getpid()),
        descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threads=threading.active_count(),
        containers=_containers(engine),
        cgroups=_cgroups(),
    )


def _containers(engine: Engine) -> int:
    found = engine.client.api.containers(all=True, filters={"label": RUN_LABEL})
    return sum(_is_ours(RunId.parse(one["Labels"][RUN_LABEL])) for one in found)


def _cgroups() -> int:
    """In the memory controller's tree: runs, and the trials of each."""
    tree = _CGROUPS if (_CGROUPS / "cgroup.controllers").exists() else _CGROUPS / "memory"
    runs = [name for name in our_cgroups(_CGROUPS) if _is_ours(run_of(name))]
    return sum(1 + sum(path.is_dir() for path in (tree / run).rglob("*")) for run in runs)


def _is_ours(run: RunId | None) -> bool:
    return run is not None and run.owner.pid == os.getpid()


def _children_rss_bytes() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sum(_rss_bytes(int(pid)) for pid in children)


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"


def _kib(count: int) -> str:
    return f"{count / 1024:+.0f} KiB"


if __name__ == "__main__":
    sys.exit(main())
