"""How noisy real workloads are: records trials of the ten in noise/, for the false-alarm bench to resample.

    make bench-record-noise                # TRIALS=5 for a quick look, IMAGES="jvm node" for two of them

Each image is built, warmed up by one discarded trial, and measured as `check` measures it, so many times in a row.
What was measured is written to noise/recorded.json after each image; nothing is smoothed, and no trial is left out.
A workload that fails is not recorded, and what was recorded of it before stays. Takes about twenty minutes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tabulate import tabulate

from benchmarks.recorded_noise import (
    METRICS,
    RECORDED,
    RecordedNoise,
    RecordedTrial,
    RecordedWorkload,
    middle_half_percent,
    range_percent,
    read,
    write,
)
from benchmarks.truth import Bench, bench
from membudget.budgets.entries import ImageSpec
from membudget.budgets.file import parse
from membudget.budgets.file import read as read_budgets
from membudget.build.docker_images import inspect
from membudget.core.errors import MembudgetError
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.engine.connection import Engine
from membudget.measure.inputs import gather
from membudget.measure.trial import Trial, TrialSpec
from tests.support.trials import Runner, trials

FOLDER = Path(__file__).parent / "noise"
DESCRIPTION_LABEL = "org.opencontainers.image.description"

HEADINGS = [
    "workload", "trials", "peak RSS, median", "middle half", "range", "settled RSS, range", "peak memory, range",
    "CPU time, range",
]  # fmt: skip


class WorkloadFailed(Exception):
    """A trial whose figures say nothing."""


def main(arguments: Sequence[str]) -> int:
    """Record and print the table; 1 when a workload failed."""
    specs = workloads()
    asked = _arguments(specs, arguments)
    failed = []
    with bench() as on:
        recorded = _earlier(on, asked.output)
        for name in asked.images or specs:
            try:
                recorded = recorded.with_workload(record(on.engine, name, specs[name], asked.trials))
            except (WorkloadFailed, MembudgetError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed.append(name)
                continue
            write(recorded, asked.output)
    print(f"\n{recorded.machine}; spreads in percent of the median\n")
    print(tabulate(map(row, recorded.workloads), HEADINGS, tablefmt="github"))
    return 1 if failed else 0


def workloads() -> dict[str, ImageSpec]:
    """The images of noise/budgets.toml."""
    path = FOLDER / "budgets.toml"
    return parse(read_budgets(path), str(path), FOLDER)


def record(engine: Engine, name: str, spec: ImageSpec, count: int | None) -> RecordedWorkload:
    """Build an image and run its trials; as many as its budgets say where no count is given.

    Raises WorkloadFailed, and EnvironmentFault.
    """
    reference = build(name, spec)
    begun = time.monotonic()
    with trials(engine) as running:
        done = tuple(measured(running.runner, _trial_spec(engine, name, spec, reference), count or spec.trials.max))
    each_s = (time.monotonic() - begun) / (len(done) + 1)
    print(f"{name}: {len(done)} trials, {each_s:.1f} s each", flush=True)
    return RecordedWorkload(
        name=name,
        description=str(engine.client.images.get(reference).labels[DESCRIPTION_LABEL]),
        load=spec.workload.label,
        recorded_on=datetime.now(UTC).date(),
        trials=done,
    )


def build(name: str, spec: ImageSpec) -> str:
    """Build an image of noise/; its reference."""
    reference = f"membudget-noise/{name}"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference]
    subprocess.run([*command, str(FOLDER / spec.build.context)], check=True, stdout=subprocess.DEVNULL)
    return reference


def measured(runner: Runner, spec: TrialSpec, count: int) -> Iterator[RecordedTrial]:
    """A discarded warm-up, then `count` trials in their order. Raises WorkloadFailed and EnvironmentFault."""
    for number in range(count + 1):
        trial = runner.run(spec)
        if not trial.judgeable:
            raise WorkloadFailed("\n".join([trial.reason or trial.outcome, *trial.log_tail]))
        if number > 0:
            yield _recorded(trial)


def row(workload: RecordedWorkload) -> list[str]:
    """How far the trials of a workload spread."""
    rss = workload.values(Metric.PEAK_RSS)
    ranges = (Metric.PEAK_RSS, Metric.SETTLED_RSS, Metric.PEAK_MEMORY, Metric.CPU_SECONDS)
    return [
        workload.name,
        str(len(rss)),
        format_size(round(statistics.median(rss))),
        f"{middle_half_percent(rss):.1f} %",
        *(f"{range_percent(values):.1f} %" if (values := workload.values(metric)) else "-" for metric in ranges),
    ]


def _arguments(specs: Mapping[str, ImageSpec], arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record trials of the workloads in benchmarks/noise.")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"which of {', '.join(specs)}; all by default")
    parser.add_argument(
        "--trials", type=int, default=os.environ.get("TRIALS"), help="of each; what budgets.toml says by default"
    )
    parser.add_argument("--output", type=Path, default=RECORDED, help="the file to write")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.images) - set(specs):
        parser.error(f"there is no {min(unknown)} in {FOLDER / 'budgets.toml'}")
    if asked.trials is not None and asked.trials < 2:
        parser.error("a spread takes two trials")
    return asked


def _earlier(on: Bench, path: Path) -> RecordedNoise:
    """What is kept of an earlier record: all of it where it was made on such a machine, else nothing."""
    empty = RecordedNoise(machine=on.where, workloads=())
    earlier = read(path) if path.exists() else empty
    return earlier if earlier.machine == on.where else empty


def _trial_spec(engine: Engine, name: str, spec: ImageSpec, reference: str) -> TrialSpec:
    return TrialSpec(
        name=name,
        image_id=inspect(engine, reference).image_id,
        limit_bytes=spec.limit_bytes,
        timeout_ms=spec.timeout,
        workload=spec.workload,
        settle_ms=spec.settle,
        inputs=gather(spec, FOLDER, os.environ, name),
        unjudged_phases=spec.unjudged_phases,
    )


def _recorded(trial: Trial) -> RecordedTrial:
    return RecordedTrial.model_validate({metric.value: trial.metrics[metric].value for metric in METRICS})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
