"""How `membudget fit` does on real services, beside the limits that VPA's and KRR's rules recommend for them.

    make bench-fit-services                                  # SERVICES="node jvm" for some of them
    make bench-fit-services PART=fit CONFIRM=10              # only the fits, with fewer trials

The services are Debian's packages, in services/ and noise/. services/budgets.toml says how each is exercised.

- fit: `membudget fit --confirm 59` of each service, one after another. An interrupted bench goes on where it was, but
  for services that are loaded by another container.
- rules: the workload runs without a limit in one container, over and over for a minute (SAMPLED_S). The rules are
  given what scrapes of the working set at 1 s and 15 s see of that, as the samples of one day. Then the workload runs
  20 times (RUNS) at each recommendation as the limit, without the rules' floors, because these hide the rule.

What is fair, and what is not. A day of production has more samples than a minute, so a scrape has more chances to see a
peak. But a service in production is not under its full load all the time. The last column says what KRR's rule
recommends if it sees every sample, hundreds a second. KRR itself looks at one sample in 75 s, VPA at one in a minute.
Figures in docs/measurements.md.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tabulate import tabulate

import base_image
import debian
import second_engine
from benchmarks.scrape_rules import krr, scraped, vpa, vpa_after_oom
from membudget.advise.rung import Ended, Tried, aligned_down
from membudget.budgets.entries import ImageSpec
from membudget.budgets.file import parse
from membudget.budgets.file import read as read_budgets
from membudget.budgets.workload import DriverWorkload, HttpWorkload, Step, StepsWorkload
from membudget.budgets.workload_parts import WorkloadKind
from membudget.build.docker_images import inspect
from membudget.core.quantities import format_duration, format_size
from membudget.engine.connection import Engine, connect
from membudget.judge.fitted import FittedImage
from membudget.measure.equipment import MeasuringOptions
from membudget.measure.inputs import gather
from membudget.measure.trial import Trial, TrialSpec
from membudget.report.fit_report import FitReport
from membudget.version import VERSION
from tests.support.trials import Runner, trials

FOLDER = Path(__file__).parent
BUDGETS = FOLDER / "services" / "budgets.toml"
CONFIRM = int(os.environ.get("CONFIRM", "59"))
RUNS = int(os.environ.get("RUNS", "20"))
SAMPLED_S = int(os.environ.get("SAMPLED_S", "60"))
INTERVALS_S = (1, 15)
_LONGEST_MS = 1_200_000

FIT_HEADINGS = [
    "service", "survives", "confirmed", "failed at", "comfortable", "peak RSS without a limit", "trials", "took",
]  # fmt: skip
RULE_HEADINGS = [
    "service", *(f"{rule}, every {every} s" for every in INTERVALS_S for rule in ("VPA", "KRR")),
    "VPA after an OOM kill", "KRR, if it saw every sample",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tryout:
    """A limit that a rule recommends, and how the trials at it ended."""

    limit_bytes: int
    ended: Counter[Ended]

    @property
    def failures(self) -> int:
        """How many trials did not pass."""
        return self.ended.total() - self.ended[Ended.PASSED]

    @property
    def in_words(self) -> str:
        """The limit and how it went: "54.3 MiB: 20 of 20 OOM-killed"."""
        killed, total = self.ended[Ended.KILLED], self.ended.total()
        how = f"{killed} of {total} OOM-killed" if killed else ""
        if other := self.failures - killed:
            how += f"{' and ' if how else ''}{other}{'' if how else f' of {total}'} failed otherwise"
        return f"{format_size(self.limit_bytes)}: {how or f'{total} of {total} pass'}"


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 if a fit has no answer."""
    specs = parse(read_budgets(BUDGETS), str(BUDGETS), FOLDER)
    asked = _arguments(specs, arguments)
    base_image.provide("bookworm")
    services = {name: specs[name] for name in asked.services}
    second_engine.copy(*(build(name, spec) for name, spec in services.items()))
    status = 0
    if asked.part != "rules":
        fits = list(fitted(asked.services, specs))
        print(f"\n{tabulate(map(fit_row, fits), FIT_HEADINGS, tablefmt='github', disable_numparse=True)}\n", flush=True)
        status = int(any(fit.survives_bytes is None for fit in fits))
    if asked.part != "fit":
        engine = connect()
        try:
            rows = [_told(rule_row(engine, name, spec)) for name, spec in services.items()]
        finally:
            engine.close()
        print(f"\n{tabulate(rows, RULE_HEADINGS, tablefmt='github', disable_numparse=True)}")
    return status


def build(name: str, spec: ImageSpec) -> str:
    """Build a service's image; its reference."""
    reference = _reference(name)
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference]
    command.append(str(FOLDER / spec.build.context))
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    return reference


def fitted(names: Sequence[str], specs: Mapping[str, ImageSpec]) -> Iterator[FittedImage]:
    """Fit services one after another, with the command itself. Each is printed when it is done."""
    with repository(specs) as folder:
        for name in names:
            command = [
                sys.executable,
                "-m",
                "membudget",
                "fit",
                name,
                f"--confirm={CONFIRM}",
                "--jobs=1",
                "--format=json",
            ]
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
            if not done.stdout:
                raise SystemExit(f"membudget fit {name} ended with {done.returncode}")
            (report,) = FitReport.model_validate_json(done.stdout).images
            _told(fit_row(report))
            yield report


@contextmanager
def repository(specs: Mapping[str, ImageSpec]) -> Iterator[Path]:
    """A git repository with the budgets file, whose images are those that were built before.

    So that an engine without a network can build them as well.
    """
    folder = Path(tempfile.mkdtemp(prefix="fit-services-"))
    try:
        shutil.copy(BUDGETS, folder)
        for name, spec in specs.items():
            context = folder / spec.build.context
            context.mkdir(parents=True)
            (context / "Dockerfile").write_text(f"FROM {_reference(name)}\n")
        identity = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"]
        for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "Services"]):
            subprocess.run(["git", *command], cwd=folder, check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def fit_row(fit: FittedImage) -> list[str]:
    """What a fit found."""
    free = next((rung.peak_rss_bytes for rung in fit.rungs if rung.limit_bytes is None), None)
    ran = [str(sum(rung.trials for rung in fit.rungs)), format_duration(fit.duration_ms)]
    if fit.survives_bytes is None:
        why = fit.stopped or fit.stopped_by or "unfinished"
        return [fit.name, f"no answer: {why}", "", _size(fit.stopped_at_bytes), "", _size(free), *ran]
    confirmed = f"{fit.confirmed} of {fit.confirmed}{'' if fit.is_monotone else ', not monotone'}"
    return [
        fit.name, _size(fit.survives_bytes), confirmed, _size(fit.fails_at_bytes), _size(fit.comfortable_bytes),
        _size(free), *ran,
    ]  # fmt: skip


def rule_row(engine: Engine, name: str, spec: ImageSpec) -> list[str]:
    """What the rules recommend for a service, and how often it fails there."""
    debian.say(f"{name}: sampling its working set")
    with trials(engine, MeasuringOptions(VERSION)) as running:
        once = trial_spec(engine, name, spec)
        series = _passed(sampled(running.runner, once)).series
        times, values = series.time_us, series.working_set_bytes
        tried: dict[int, Tryout] = {}
        cells = []
        for every_s in INTERVALS_S:
            samples = scraped(times, values, every_s)
            for recommended in (vpa([max(samples)]), krr(samples)):
                limit = aligned_down(recommended)
                if limit not in tried:
                    debian.say(f"{name}: {RUNS} trials at {format_size(limit)}")
                    tried[limit] = Tryout(limit, outcomes(running.runner, once, limit))
                cells.append(tried[limit])
    killed = next((cell for cell in cells[::2] if cell.ended[Ended.KILLED]), None)
    after = format_size(vpa_after_oom(killed.limit_bytes)) if killed is not None else "-"
    return [name, *(cell.in_words for cell in cells), after, format_size(krr(values))]


def sampled(runner: Runner, once: TrialSpec) -> Trial:
    """Run the workload without a limit, as often as fits into the time, in one container."""
    begun = time.monotonic()
    trial = _passed(runner.run(once))
    took_s = min(trial.duration_ms / 1000, time.monotonic() - begun)
    times = max(1, math.ceil(SAMPLED_S / took_s))
    return runner.run(replace(once, workload=repeated(once.workload, times), timeout_ms=_LONGEST_MS))


def outcomes(runner: Runner, once: TrialSpec, limit_bytes: int) -> Counter[Ended]:
    """How the trials at a limit end."""
    limited = replace(once, limit_bytes=limit_bytes, only_outcome=True)
    return Counter(Tried.of(runner.run(limited), limit_bytes).ended for _ in range(RUNS))


def repeated(workload: WorkloadKind, times: int) -> WorkloadKind:
    """A workload that does the same several times in one container. Raises TypeError for kinds that no service has."""
    match workload:
        case HttpWorkload():
            return workload.model_copy(update={"requests": workload.requests * times})
        case DriverWorkload():
            again = Step(driver=workload, repeat=times)
            return StepsWorkload(kind="steps", port=workload.port, ready=workload.ready, steps=(again,))
        case _:
            raise TypeError(f"no service has this kind of workload: {workload.label}")


def trial_spec(engine: Engine, name: str, spec: ImageSpec) -> TrialSpec:
    """How a service is run, without a limit."""
    image = inspect(engine, _reference(name)).image_id
    inputs = gather(spec, FOLDER, os.environ, name)
    return TrialSpec(name, image, None, spec.timeout, spec.workload, spec.settle, inputs)


def _passed(trial: Trial) -> Trial:
    if not trial.workload_passed or not trial.judgeable:
        raise SystemExit("\n".join([f"it fails without a limit: {trial.reason}", *trial.log_tail]))
    return trial


def _arguments(specs: dict[str, ImageSpec], arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fit real services, and try what VPA and KRR recommend.")
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"which of {', '.join(specs)}; all by default")
    parser.add_argument("--part", choices=("fit", "rules", "both"), default=os.environ.get("PART", "both"))
    asked = parser.parse_args(arguments)
    if unknown := set(asked.services) - set(specs):
        parser.error(f"there is no {min(unknown)} in {BUDGETS}")
    asked.services = asked.services or list(specs)
    return asked


def _reference(name: str) -> str:
    return f"membudget-bench/{name}"


def _size(size_bytes: int | None) -> str:
    return format_size(size_bytes) if size_bytes is not None else "-"


def _told(row: list[str]) -> list[str]:
    print(*row, sep=" | ", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
