"""How often the rules for runtimes miss a container that breaks them, or warn of one that keeps them.

    make bench-runtime-rules                 # RULES="malloc_arenas" for some of them, COUNT=10 for a quicker look
    make bench-runtime-rules COUNT=0         # prints what was recorded

For each rule, 30 containers that break it and 30 that keep it are checked as `membudget check` does it: three trials, a
question, a judgement. Each value that a finding prints is applied. Then the container is checked again, and runs with
a load that fills its memory as far as it may grow. Each result is kept in ceilings/recorded.json, so an interrupted
bench goes on where it was. TRIALS=1 KILLS=0 is quicker: one trial, and no loaded run with the settings that break the
rule.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from tabulate import tabulate

import second_engine
from benchmarks.runtime_cases import GROUPS, Case, cases
from benchmarks.truth import bench
from membudget.budgets.runtimes import RuntimeRule
from membudget.budgets.workload import DriverWorkload
from membudget.budgets.workload_parts import WorkloadKind
from membudget.build.docker_images import inspect
from membudget.check.allocators import with_returned
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.judge.runtimes import judge_runtimes
from membudget.measure.equipment import TrialPool
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import Runtime
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from tests.support import builders
from tests.support.steps import Steps
from tests.support.trials import trials

FOLDER = Path(__file__).parent
RECORDED = FOLDER / "ceilings" / "recorded.json"
TRIALS = int(os.environ.get("TRIALS", "3"))
"""How many trials are judged. A check judges at least three."""
KILLS = os.environ.get("KILLS", "1") == "1"
"""Whether the loaded run is also done with the settings that break the rule."""
_TIMEOUT_MS = 180_000


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedCase(_Recorded):
    """One container: whether its rule was found broken, and whether the printed value helped."""

    group: str
    """The rule, or a runtime that the rule is about."""
    rule: RuntimeRule
    breaks: bool
    number: int
    image: str
    settings: str
    limit_mib: int
    found: tuple[RuntimeRule, ...]
    """All rules that it was found to break."""
    runtimes: tuple[str, ...] = ()
    """The runtimes that were recognised."""
    beside_bytes: int | None = None
    """What was measured beside the first one's heap. None if that is not known."""
    unanswered: str | None = None
    """Why a runtime gave no answer."""
    fitting: str | None = None
    """The value that the finding printed."""
    is_silent: bool | None = None
    """Whether the rule is silent with that value. None if there was none."""
    survived: bool | None = None
    """Whether a loaded run with that value survived. None if there was none."""
    killed_before: bool | None = None
    """Whether the kernel killed the same loaded run with the settings that break the rule."""
    trials: int = 3
    """How many trials were judged."""
    load_average: float
    """The machine's load of a minute, when it was done."""


class Recorded(_Recorded):
    """All that was recorded, on one machine."""

    version: Literal[1] = 1
    machine: str
    cases: tuple[RecordedCase, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", default=GROUPS)
    asked = parser.parse_args(arguments)
    count = int(os.environ.get("COUNT", "30"))
    known = _read()
    if count:
        with bench() as on, trials(on.engine) as running:
            assert isinstance(running.runner, TrialPool)
            images = _Images(on.engine)
            for group in asked.groups:
                for number, case in _missing(group, count, known):
                    done = _Checking(running.runner, images, case).done(group, number)
                    known = Recorded(machine=on.where, cases=(*known.cases, done))
                    RECORDED.write_text(known.model_dump_json(indent=1, exclude_none=True) + "\n")
                    print(_line(done), flush=True)
            images.remove()
    print(f"\n{known.machine}\n")
    print(_table(known))
    return 0


def _read() -> Recorded:
    return Recorded.model_validate_json(RECORDED.read_text()) if RECORDED.exists() else Recorded(machine="")


def _missing(group: str, count: int, known: Recorded) -> Iterator[tuple[int, Case]]:
    done = {(one.group, one.breaks, one.number) for one in known.cases}
    every = cases(group, count)
    turns = [(number % count, case) for number, case in enumerate(every)]
    for number, case in sorted(turns, key=lambda turn: turn[0]):  # what breaks and what keeps, in turns
        if (group, case.breaks, number) not in done:
            yield number, case


class _Images:
    """Builds images when they are asked for, and removes those with commands of their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: dict[tuple[str, tuple[str, ...] | None], str] = {}
        self._made: list[str] = []

    def id(self, image: str, command: tuple[str, ...] | None = None) -> str:
        """Return the ID of an image, with another command."""
        key = image, command
        if key not in self._ids:
            self._ids[key] = self._built(image, command)
        return self._ids[key]

    def _built(self, image: str, command: tuple[str, ...] | None) -> str:
        name, _, debian = image.partition(":")
        reference = f"membudget-test/ceilings-{name}{f'-{debian}' if debian else ''}"
        kinds = ("ceilings",) if debian else ("noise", "services")
        folder = next(found for kind in kinds if (found := FOLDER / kind / name).is_dir())
        versions = [f"--build-arg=DEBIAN={debian}", f"--build-arg=JDK={17 if debian == 'bookworm' else 21}"]
        _build(reference, *(versions if debian else ()), str(folder))
        if command is not None:
            words = ", ".join(f'"{word}"' for word in command)
            text = f"FROM {reference}\nCMD [{words}]\n"
            reference = f"membudget-test/ceilings-own-{len(self._made)}"
            _build(reference, "-", text=text)
            self._made.append(reference)
        return inspect(self._engine, reference).image_id

    def remove(self) -> None:
        """Remove the images with commands of their own."""
        if self._made:
            subprocess.run(["docker", "rmi", "--force", *self._made], check=False, capture_output=True)


def _build(reference: str, *words: str, text: str | None = None) -> None:
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference, *words]
    given = text.encode() if text is not None else None
    subprocess.run(command, env=second_engine.builder_environ(), input=given, check=True, stdout=subprocess.DEVNULL)


class _Checking:
    """Checks one case."""

    def __init__(self, pool: TrialPool, images: _Images, case: Case) -> None:
        self._pool, self._images, self._case = pool, images, case
        self._name = ""
        """Each case has a name of its own: once a container of an image was killed, less is read of it."""

    def done(self, group: str, number: int) -> RecordedCase:
        """Check it, apply what is printed, and load both."""
        case = self._case
        self._name = f"{group}-{number}-{'breaks' if case.breaks else 'keeps'}"
        found, known = self._findings(case)
        own = next((one for one in found if one.rule is case.rule), None)
        recorded = RecordedCase(
            group=group, rule=case.rule, breaks=case.breaks, number=number, image=case.image, settings=case.settings,
            limit_mib=case.limit_mib, trials=TRIALS, found=tuple(one.rule for one in found),
            runtimes=tuple(one.kind.value for one in known), beside_bytes=known[0].beside_bytes if known else None,
            unanswered=next((one.unanswered for one in known if one.unanswered is not None), None),
            fitting=own.fitting if own is not None else None, load_average=os.getloadavg()[0],
        )  # fmt: skip
        if own is None or own.fitting is None:
            return recorded
        fitted = case.with_setting(own.setting, own.fitting)
        again, _ = self._findings(fitted, 1)
        update: dict[str, object] = {"is_silent": all(one.rule is not case.rule for one in again)}
        if case.load is not None:
            update["survived"] = self._survives(fitted)
            update["killed_before"] = not self._survives(case) if KILLS else None
        return recorded.model_copy(update=update)

    def _findings(self, case: Case, count: int = TRIALS) -> tuple[tuple[RuntimeFinding, ...], tuple[Runtime, ...]]:
        spec = self._spec(case, case.smoke)
        made: list[Trial] = [self._pool.run(spec) for _ in range(count)]
        side = builders.side(*made)
        known = tuple(self._pool.ask(spec, runtime) for runtime in runtimes_of(made))
        known = tuple(with_returned(runtime, side, spec, self._pool.run, Steps()) for runtime in known)
        head = replace(side, runtimes=known)
        judged = judge_runtimes([builders.image("api", head=head, limit=case.limit_mib)], tuple(RuntimeRule))
        return judged, known

    def _survives(self, case: Case) -> bool:
        assert case.load is not None
        trial = self._pool.run(self._spec(case, case.load))
        kills = trial.metrics[Metric.OOM_KILLS].value
        return not kills and trial.outcome is not Outcome.OOM_KILLED

    def _spec(self, case: Case, workload: WorkloadKind) -> TrialSpec:
        if isinstance(workload, DriverWorkload):
            workload = workload.model_copy(update={"image": self._images.id(workload.image)})
        image_id = self._images.id(case.image, case.command)
        inputs = TrialInputs(environment=case.environment)
        return TrialSpec(self._name, image_id, case.limit_mib * MIB, _TIMEOUT_MS, workload, inputs=inputs)


def _line(one: RecordedCase) -> str:
    is_right = (one.rule in one.found) is one.breaks
    now = time.strftime("%H:%M:%S")
    return (
        f"{now} {one.group} {one.number} {'breaks' if one.breaks else 'keeps'}: {'right' if is_right else 'WRONG'}"
        f" found={[rule.value for rule in one.found]} fitting={one.fitting} silent={one.is_silent}"
        f" survived={one.survived} killed before={one.killed_before} beside={one.beside_bytes} {one.unanswered or ''}"
    )


def _table(recorded: Recorded) -> str:
    headings = (
        "rule",
        "break it",
        "missed",
        "keep it",
        "false alarms",
        "values",
        "silent",
        "survived",
        "killed before",
    )
    rows = [_row(group, [one for one in recorded.cases if one.group == group]) for group in GROUPS]
    return tabulate(rows, headings, tablefmt="github", disable_numparse=True)


def _row(group: str, made: Sequence[RecordedCase]) -> list[str]:
    breaking = [one for one in made if one.breaks]
    keeping = [one for one in made if not one.breaks]
    applied = [one for one in breaking if one.is_silent is not None]
    loaded = [one for one in applied if one.survived is not None]
    return [
        f"`{group}`",
        str(len(breaking)),
        str(sum(one.rule not in one.found for one in breaking)),
        str(len(keeping)),
        str(sum(one.rule in one.found for one in keeping)),
        str(len(applied)),
        str(sum(bool(one.is_silent) for one in applied)),
        f"{sum(bool(one.survived) for one in loaded)} of {len(loaded)}",
        f"{sum(bool(one.killed_before) for one in loaded)} of {sum(one.killed_before is not None for one in loaded)}",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
