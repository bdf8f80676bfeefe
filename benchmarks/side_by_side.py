"""Whether images measured side by side have the figures that they have alone, with `--jobs auto` on all CPUs.

    make bench-side-by-side     # TRIALS=3 for a quick look

Each program runs alone, and then beside the others: as many trials at once as there are CPUs. Each has one CPU of its
own. "alone" and "beside" are medians over the trials, with the smallest and the largest. The difference is Hodges and
Lehmann's, with its 95 % interval. Takes about four minutes; figures in docs/adr/0025.
"""

import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from benchmarks.truth import bench, value
from membudget.budgets.workload import CommandWorkload, HttpWorkload, Workload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.build.docker_images import inspect
from membudget.core.intervals import shift_interval
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB, format_size_delta
from membudget.core.work import side_by_side
from membudget.engine.run_id import own_run_id
from membudget.measure.certificate import Conclusion
from membudget.measure.equipment import MeasuringOptions, TrialPool, measuring
from membudget.measure.trial import Trial, TrialInputs, TrialSpec
from membudget.version import VERSION
from tests.support import prepared_images

TRIALS = int(os.environ.get("TRIALS", "15"))
_CONFIDENCE = 0.95
_LIMIT = 256 * MIB
_GARBAGE = "import os\nfor n in range(60):\n held = [os.urandom(1 << 16) for _ in range(512)]\n"

HEADINGS = ("program", "alone", "beside", "peak RSS, difference", "looks missed", "CPU time", "start-up")


@dataclass(frozen=True)
class Program:
    """A program, and how it is exercised."""

    name: str
    image: str
    workload: Workload


def main() -> int:
    """Print the table. Return 1 if a peak differs by more than 1 % and more than its noise."""
    images = prepared_images.build()
    served = HttpWorkload(
        kind="http",
        port=8080,
        ready=Readiness(http="/"),
        requests=(HttpRequests(path="/", count=2000, concurrency=8), HttpRequests(path="/", count=200)),
    )
    programs = (
        Program("100 MiB held for a second", images.truth, CommandWorkload(command=("100", "0", "1000", "1", "1"))),
        Program("20 MiB, then 64 more for 50 ms", images.truth, CommandWorkload(command=("20", "64", "50", "8", "60"))),
        Program("Python, garbage of 32 MiB", images.service, CommandWorkload(command=("python3", "-c", _GARBAGE))),
        Program("a service under HTTP load", images.service, served),
    )
    with bench() as on:
        cpus = on.engine.info.cpus
        print(f"\n{on.where}; {TRIALS} trials each\n")
        with measuring(on.engine, own_run_id(), _options(len(programs)), print) as pool:
            specs = {one.name: _spec(one, inspect(on.engine, one.image).image_id) for one in programs}
            for spec in specs.values():
                pool.run(spec)  # as the warm-up of a check
            alone = {name: [pool.run(spec) for _ in range(TRIALS)] for name, spec in specs.items()}
            beside = _beside(pool, specs)
    rows = [_row(name, alone[name], beside[name]) for name in specs]
    print(tabulate(rows, HEADINGS, tablefmt="github", disable_numparse=True))
    print(f"\nwanted: no peak differs by more than 1 %; {cpus} trials ran at once")
    return int(any(_differs(alone[name], beside[name]) for name in specs))


def _options(programs: int) -> MeasuringOptions:
    return MeasuringOptions(VERSION, jobs=None, cpus=(1,) * programs)


def _spec(program: Program, image_id: str) -> TrialSpec:
    return TrialSpec(program.name, image_id, _LIMIT, 60_000, program.workload, 1000, TrialInputs(cpus=1))


def _beside(pool: TrialPool, specs: Mapping[str, TrialSpec]) -> dict[str, list[Trial]]:
    """Run each program between all the others, in turns, so that another one runs beside it each time."""
    turns = [name for _ in range(TRIALS) for name in specs]
    done = side_by_side(lambda name: pool.run(specs[name]), turns, pool.jobs, pool.cancel)
    return {name: [trial for turn, trial in zip(turns, done, strict=True) if turn == name] for name in specs}


def _row(name: str, alone: Sequence[Trial], beside: Sequence[Trial]) -> list[str]:
    shift = shift_interval(_peaks(alone), _peaks(beside), _CONFIDENCE)
    interval = f"{format_size_delta(round(shift.low))} to {format_size_delta(round(shift.high))}"
    return [
        name,
        _spread(_peaks(alone)),
        _spread(_peaks(beside)),
        f"{format_size_delta(round(shift.estimate))} ({interval})",
        f"{_missed(alone)} and {_missed(beside)} of {TRIALS}",
        _times(Metric.CPU_SECONDS, alone, beside),
        _times(Metric.STARTUP_TIME, alone, beside),
    ]


def _peaks(trials: Sequence[Trial]) -> list[int]:
    return [value(trial, Metric.PEAK_RSS) for trial in trials]


def _spread(values: Sequence[int]) -> str:
    middle, least, most = (number / MIB for number in (statistics.median(values), min(values), max(values)))
    return f"{middle:.2f} MiB ({least:.2f} to {most:.2f})"


def _missed(trials: Sequence[Trial]) -> int:
    """How many trials were repeated, or would have to be, because looks missed a spike."""
    found = [trial.certificate for trial in trials if trial.certificate is not None]
    return sum(one.repeated or one.conclusion is Conclusion.SPIKE_MISSED for one in found)


def _times(metric: Metric, alone: Sequence[Trial], beside: Sequence[Trial]) -> str:
    medians = [statistics.median(value(trial, metric) for trial in trials) for trials in (alone, beside)]
    return "none" if not any(medians) else f"{medians[0]:.0f} and {medians[1]:.0f} ms"


def _differs(alone: Sequence[Trial], beside: Sequence[Trial]) -> bool:
    shift = shift_interval(_peaks(alone), _peaks(beside), _CONFIDENCE)
    is_found = shift.low > 0 or shift.high < 0
    return is_found and abs(shift.estimate) > 0.01 * statistics.median(_peaks(alone))


if __name__ == "__main__":
    sys.exit(main())
