"""Lines of the history, and repositories that keep them."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.line import HistoryLine
from tests.support.repository import Repository

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MACHINE = "linux/amd64 cgroup-v2 4-cpus"


def line(commit: str, mib: float = 40, *, image: str = "api", metric: Metric = Metric.PEAK_RSS) -> HistoryLine:
    """A line about three trials around `mib` MiB."""
    value = round(mib * MIB)
    return HistoryLine(
        v=1,
        image=image,
        metric=metric,
        commit=commit,
        time=NOW,
        value=value,
        samples=(value - 4096, value, value + 4096),
        trials=3,
        machine=MACHINE,
        membudget="0.1.0",
    )


def text(*lines: HistoryLine) -> bytes:
    """The lines as a note has them."""
    return b"".join(one.text() + b"\n" for one in lines)


def clone(origin: str, folder: Path, *options: str) -> Repository:
    """A clone of a repository."""
    subprocess.run(["git", "clone", "--quiet", *options, origin, str(folder)], check=True, capture_output=True)
    return Repository(folder)
