"""Whether real services take the memory at a larger load that `membudget fidelity scaling` expects from smaller ones.

    make bench-scaling                                # SERVICES="node jvm" for some of them
    make bench-scaling TRIALS=10

Each service of services/budgets.toml with HTTP requests runs with 1 and 2 CPUs, at its load, twice and four times that.
The plane goes through the first two loads. The trials of the third are then held against what it expects. A machine
with two CPUs cannot show whether the same holds for CPUs. Figures in docs/fidelity.md.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tabulate import tabulate

import base_image
import second_engine
from benchmarks.fit_services import BUDGETS, build, repository
from membudget.advise.loads import load_of
from membudget.budgets.entries import ImageSpec
from membudget.budgets.file import parse
from membudget.budgets.file import read as read_budgets
from membudget.core.quantities import format_size
from membudget.judge.plane import plane
from membudget.judge.scaled import Estimate, ScaledImage, TrialScale
from membudget.report.scaling_report import ScalingReport

TRIALS = int(os.environ.get("TRIALS", "5"))
FACTORS = (1, 2, 4)
HEADINGS = ["service", "each CPU", "each connection", "at", "expected (95 %)", "measured", "trials inside"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected in a place, and what trials there took."""

    place: TrialScale
    expected: Estimate
    peaks_bytes: tuple[int, ...]

    @property
    def inside(self) -> int:
        """How many trials are within the interval."""
        return sum(self.expected.low_bytes <= peak <= self.expected.high_bytes for peak in self.peaks_bytes)


def main(arguments: Sequence[str]) -> int:
    """Print a row for each service and number of CPUs; 1 if one has no figures."""
    specs = parse(read_budgets(BUDGETS), str(BUDGETS), BUDGETS.parents[1])
    loaded = {name: load for name, spec in specs.items() if (load := load_of(spec.workload)) is not None}
    parser = argparse.ArgumentParser(description="Hold expected memory against measured memory.")
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"which of {', '.join(loaded)}; all by default")
    asked: list[str] = parser.parse_args(arguments).services or list(loaded)
    if unknown := set(asked) - set(loaded):
        parser.error(f"{min(unknown)} sends no HTTP requests, or is not in {BUDGETS}")
    base_image.provide("bookworm")
    services = {name: specs[name] for name in asked}
    second_engine.copy(*(build(name, spec) for name, spec in services.items()))
    table, status = [], 0
    for name in asked:
        image = scaled(name, loaded[name], specs)
        found = list(predictions(image))
        status |= not found
        for row in rows(image, found):
            print(*row, sep=" | ", flush=True)
            table.append(row)
    print(f"\n{tabulate(table, HEADINGS, tablefmt='github', disable_numparse=True)}")
    return status


def scaled(name: str, load: int, specs: dict[str, ImageSpec]) -> ScaledImage:
    """Measure a service at all loads, with the command itself."""
    loads = ",".join(str(factor * load) for factor in FACTORS)
    command = [
        sys.executable, "-m", "membudget", "fidelity", "scaling", name, f"--loads={loads}", f"--trials={TRIALS}",
        "--format=json",
    ]  # fmt: skip
    with repository(specs) as folder:  # of all services, as its budgets file has them
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"membudget fidelity scaling {name} ended with {done.returncode}")
    (image,) = ScalingReport.model_validate_json(done.stdout).images
    return image


def predictions(image: ScaledImage) -> Iterator[Prediction]:
    """Yield what the smaller loads say about the largest, for each number of CPUs."""
    largest = max((point.place.connections or 0 for point in image.points), default=0)
    peaks = {point.place: point.peaks_bytes for point in image.points}
    smaller = plane({place: found for place, found in peaks.items() if place.connections != largest})
    for place, found in peaks.items():
        if smaller is None or image.halted is not None or place.connections != largest:
            continue
        expected = smaller.expected(place)
        if isinstance(expected, Estimate):
            yield Prediction(place, expected, found)


def rows(image: ScaledImage, found: Sequence[Prediction]) -> Iterator[list[str]]:
    """What was expected and what was measured, in words. The growth is that over all three loads."""
    if not found:
        yield [image.name, f"no figures: {image.halted.why if image.halted is not None else 'too few places'}"]
    growth = [_interval(each) if each is not None else "-" for each in (image.per_cpu, image.per_connection)]
    for one in found:
        peaks = one.peaks_bytes
        middle, least, most = map(format_size, (round(statistics.median(peaks)), min(peaks), max(peaks)))
        where = f"{one.place.cpus} CPUs, {one.place.connections} connections"
        expected, measured = _interval(one.expected), f"{middle} ({least} to {most})"
        yield [image.name, *growth, where, expected, measured, f"{one.inside} of {len(peaks)}"]


def _interval(each: Estimate) -> str:
    return f"{format_size(each.value_bytes)} ({format_size(each.low_bytes)} to {format_size(each.high_bytes)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
