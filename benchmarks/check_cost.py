"""What a check costs beside its builds and workloads, what measuring side by side saves, and what nothing new takes.

    make bench-check-cost

- Cost: the bundled shop of four images. The time of `membudget check` from its start to its end, less the stage that
  builds, less its trials from the container's start to the end of their settle time (warm-ups, which are not in the
  report, as long as the median of the trials).
- A trial's own cost, part by part (`trial_cost.py`).
- Jobs: eight images whose command computes for a while on one CPU, with `--jobs 1` and with the default, `--jobs auto`.
  Their builds always run side by side, up to four at once. Both tell the share of the builds in the whole check.
- Unchanged: twenty images of which a pull request changes a comment in the Dockerfile, so that each is built and comes
  out as it was. Timed from the end of the builds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

import base_image
import demo
from benchmarks import trial_cost
from membudget.publish.report_file import read_report
from membudget.report.report import Report

_DOCKERFILE = """FROM debian:bookworm-slim
RUN echo {name} > /name
CMD ["sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done"]
"""
_BUDGETS = """version = 1
[defaults]
limit = "64MiB"
container = {{ cpus = 1 }}
{images}
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """One `membudget check`."""

    total_s: float
    build_s: float
    after_builds_s: float
    report: Report


def main() -> int:
    """Print the table."""
    base_image.provide("bookworm")
    with tempfile.TemporaryDirectory() as scratch:
        rows = [cost(Path(scratch, "shop")), jobs(Path(scratch, "jobs")), unchanged(Path(scratch, "unchanged"))]
    print()
    trial_cost.main()
    print()
    print(tabulate(rows, ("what", "figures", "result", "wanted"), tablefmt="github", disable_numparse=True))
    return 0


def cost(folder: Path) -> list[str]:
    """Of the shop, whose builds are in the builder's cache."""
    demo.make_repository(folder)
    check(folder, "--no-cache")
    timed = check(folder, "--no-cache")
    settle_s = 1.0
    trials_s = 0.0
    count = 0
    for image in timed.report.images:
        for side in (image.base, image.head):
            if side is None or not side.trials:
                continue
            is_service = any(phase.name == "settle" for phase in side.trials[0].phases)
            each = [trial.duration_ms / 1000 + settle_s * is_service for trial in side.trials]
            trials_s += sum(each) + statistics.median(each)
            count += len(each) + 1
    beside = timed.total_s - timed.build_s - trials_s
    return [
        "four images, beside builds and workloads",
        f"{timed.total_s:.1f} s in all, builds {timed.build_s:.1f} s, {count} trials {trials_s:.1f} s",
        f"{beside:.1f} s",
        f"≤ {1 + 0.3 * count:.1f} s (1 s and 0.3 s a trial)",
    ]


def jobs(folder: Path) -> list[str]:
    """Of eight images, one after another and as many at a time as there are CPUs."""
    make_repository(folder, 8)
    first = check(folder, "--no-cache", "--no-base")
    one = check(folder, "--no-cache", "--no-base", "--jobs", "1")
    by_default = check(folder, "--no-cache", "--no-base")
    at_once = by_default.report.environment.jobs
    seconds = f"{one.after_builds_s:.1f} s one at a time, {by_default.after_builds_s:.1f} s by default"
    builds = f"builds {first.build_s:.1f} s, from the cache {by_default.build_s:.1f} s"
    return [
        f"eight images by default, {at_once} at once",
        f"{seconds}; {builds}",
        f"{one.after_builds_s / by_default.after_builds_s:.2f} times as fast",
        "≥ 1.7 on two cores",
    ]


def unchanged(folder: Path) -> list[str]:
    """Of twenty images, none of which comes out otherwise than before."""
    make_repository(folder, 20)
    git(folder, "checkout", "-q", "-b", "change")
    for dockerfile in folder.glob("*/Dockerfile"):
        dockerfile.write_text(f"# a remark\n{dockerfile.read_text()}")
    git(folder, "commit", "-q", "-a", "-m", "Remarks")
    environ = {**os.environ, "MEMBUDGET_CACHE_DIR": str(folder.with_name("cache"))}
    check(folder, environ=environ)
    timed = check(folder, environ=environ)
    states = {image.name for image in timed.report.images if image.is_unchanged}
    return [
        "twenty unchanged images, after the builds",
        f"builds {timed.build_s:.1f} s, {len(states)} unchanged",
        f"{timed.after_builds_s:.1f} s",
        "≤ 3 s",
    ]


def make_repository(folder: Path, count: int) -> None:
    """A repository of small images, each with a command that computes."""
    names = [f"image{number:02}" for number in range(1, count + 1)]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "Dockerfile").write_text(_DOCKERFILE.format(name=name))
    images = "\n".join(f'[images.{name}]\nbuild.context = "{name}"' for name in names)
    (folder / "budgets.toml").write_text(_BUDGETS.format(images=images))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Images")


def git(folder: Path, *arguments: str) -> None:
    """Run git, as somebody."""
    somebody = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *somebody, *arguments], cwd=folder, check=True)


def check(folder: Path, *arguments: str, environ: Mapping[str, str] = os.environ) -> Timed:
    """Run `membudget check`, and time its stages by what it says."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "membudget", "check", "--report", str(report), *arguments]
    begun = time.monotonic()
    building = measuring = begun
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr or ():
        if line.startswith("Building "):
            building = time.monotonic()
        elif line.startswith("Measuring "):
            measuring = time.monotonic()
    if process.wait() not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    ended = time.monotonic()
    return Timed(ended - begun, measuring - building, ended - measuring, read_report(report))


if __name__ == "__main__":
    sys.exit(main())
