"""Checks images whose page tables grew, in a copy of the tree that `sampled_metric.patch` extends.

`python -m tests.extension.page_tables BUDGETS REPORT`: a trial of the head of "v2" and of "v1" is what the sampler, and
all that comes after it, make of a cgroup's files of that version. Their bases are as tests/support makes them up.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from membudget.budgets.workload import CommandWorkload
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.certificate import EngineWord
from membudget.measure.figures import Startup, TrialSeen, trial_figures
from membudget.measure.probe.messages import Follow, ProbeReport
from membudget.measure.probe.sampler import Sampler
from membudget.measure.probe.snapshots import SnapshotProcess
from membudget.measure.trial import Trial, TrialSpec
from membudget.measure.workload.exercised import NOT_ASKED
from tests.extension.fake_check import write_checked
from tests.support.builders import trial

FILES = {
    1: {
        "memory.usage_in_bytes": "60000000",
        "memory.stat": "total_rss 40000000\ntotal_shmem 0\ntotal_inactive_file 0\ntotal_cache 0\ntotal_swap 0",
        "memory.oom_control": "oom_kill 0",
        "memory.kmem.usage_in_bytes": "20000000",
    },
    2: {
        "memory.current": "60000000",
        "memory.stat": "anon 40000000\nfile 0\nkernel 20000000\npagetables 12582912\nsock 0\nshmem 0\ninactive_file 0",
        "memory.events": "max 0\noom_kill 0",
    },
}


def measured(version: CgroupVersion) -> Trial:
    """A trial of a container whose cgroup holds FILES."""
    report = followed(version)
    spec = TrialSpec("shop", "shop", None, 1000, CommandWorkload())
    startup = Startup(None, was_ready_at_once=False, why_not_awaited=CommandWorkload.no_readiness)
    seen = TrialSeen(report, (), (), startup, (), NOT_ASKED)
    figures = trial_figures(spec, seen, EngineWord(False, version, exit_code=0), rate_hz=100)
    return replace(trial(), metrics=figures.metrics, series=report.series)


def followed(version: CgroupVersion) -> ProbeReport:
    """What the sampler saw of it."""
    with TemporaryDirectory() as folder:
        leaf = Path(folder) / "trial" / "container"
        leaf.mkdir(parents=True)
        for name, text in FILES[version].items():
            for place in (leaf, leaf.parent):
                (place / name).write_text(f"{text}\n")
        parent = str(leaf.parent)
        snapshots = SnapshotProcess()
        sampler = Sampler(Follow(parent, (str(leaf),), parent, "/trial", version, rate_hz=100), snapshots)
        try:
            sampler.begin_phase("run")
            sampler.look()
            return sampler.report()
        finally:
            snapshots.close()


if __name__ == "__main__":
    heads: dict[str, Callable[[], Trial]] = {"v2 head": partial(measured, 2), "v1 head": partial(measured, 1)}
    write_checked(Path(sys.argv[1]), Path(sys.argv[2]), heads)
