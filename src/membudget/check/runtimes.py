"""Finds the runtimes of an image in its trials, asks them for their ceilings, and finds where those are set."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from membudget.build.revision import BuiltImage, Recipe, Side
from membudget.check.building import Subject
from membudget.contents.dockerfile import Instruction, parse_dockerfile
from membudget.core.errors import EnvironmentFault, shortened
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.runtimes.questions import question
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import LONGEST_REASON, Runtime, SettingPlace
from membudget.measure.trial import Trial, TrialSpec

MOST_ASKED = 3
"""The most runtimes of an image that are asked. Each may take its whole time."""
_SETTINGS = ("-XX:MaxRAMPercentage", "-Xmx", "-Xms", "--max-old-space-size", "GOMEMLIMIT", "JAVA_TOOL_OPTIONS",
             "NODE_OPTIONS")  # fmt: skip
_STARTS = ("CMD", "ENTRYPOINT")
_WITH_POD = "its compose file or manifest says with what it runs, so it was not asked"


class Asker(Protocol):
    """Asks runtimes."""

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        """Return a runtime with its answer on its memory, or with the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """


def with_runtimes(subject: Subject, found: ImageMeasurement, asker: Asker, *, asks: bool) -> ImageMeasurement:
    """Return the measurement with the runtimes of the head, and without what only served to find them.

    `asks` says whether any rule needs to know their ceilings.
    """
    own = subject.own if found.own is not None and found.own.counts else None
    judged = subject.alone(own) if own is not None else subject
    image, spec, side = judged.images.get(Side.HEAD), judged.pair.head, found.side_for_maximums
    if asks and not found.is_unchanged and image is not None and spec is not None and side is not None:
        runtimes = _known(runtimes_of(side.trials), judged.trial_spec(image, spec), image, asker)
        found = _with(found, replace(side, runtimes=runtimes))
    return found.with_each_side(_without_clues)


def _with(found: ImageMeasurement, side: SideMeasurement) -> ImageMeasurement:
    if found.own is not None and found.own.counts:
        return replace(found, own=replace(found.own, side=side))
    return replace(found, head=side)


def _known(runtimes: tuple[Runtime, ...], spec: TrialSpec, image: BuiltImage, asker: Asker) -> tuple[Runtime, ...]:
    known = []
    for number, runtime in enumerate(runtimes):
        asked = _asked(runtime, spec, asker) if number < MOST_ASKED else runtime
        known.append(replace(asked, places=dict(_places(image.recipe, asked)) if image.recipe is not None else {}))
    return tuple(known)


def _asked(runtime: Runtime, spec: TrialSpec, asker: Asker) -> Runtime:
    if spec.inputs.pod is not None:
        return replace(runtime, unanswered=_WITH_POD) if question(runtime) is not None else runtime
    try:
        return asker.ask(spec, runtime)
    except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
        return replace(runtime, unanswered=shortened(error.what, LONGEST_REASON))


def _places(recipe: Recipe, runtime: Runtime) -> Iterator[tuple[str, SettingPlace]]:
    """Yield where the Dockerfile sets what the runtime has, and where it starts the program, by setting."""
    dockerfile = parse_dockerfile(recipe.text, recipe.arguments)
    instructions = [one for stage in dockerfile.stage_chain(recipe.target) for one in stage.instructions]
    words = {word for value in runtime.variables.values() for word in value.split()} | set(runtime.settings)
    written = [*sorted(words), *(f"{name}={value}" for name, value in sorted(runtime.variables.items()))]
    lines = recipe.text.split("\n")
    for setting in [*written, *_SETTINGS][:9]:
        line = next((line for one in reversed(instructions) if (line := _line(one, setting, lines))), None)
        if line is not None:
            yield setting[:300], SettingPlace(recipe.path[:1000], line, is_exact=True)
    last = next((one for one in reversed(instructions) if one.keyword in _STARTS), None)
    if last is not None:
        yield "", SettingPlace(recipe.path[:1000], last.lines[0], is_exact=False)


def _line(instruction: Instruction, setting: str, lines: list[str]) -> int | None:
    """Return the line of an instruction that has a setting, as a whole word."""
    if instruction.keyword not in {*_STARTS, "ENV"}:
        return None
    whole = re.compile(rf"(?<![\w-]){re.escape(setting)}(?![\w.])")
    first, last = instruction.lines
    return next((number for number in range(first, last + 1) if whole.search(lines[number - 1])), None)


def _without_clues(side: SideMeasurement) -> SideMeasurement:
    return replace(side, trials=tuple(map(_trial_without, side.trials)))


def _trial_without(trial: Trial) -> Trial:
    return replace(trial, snapshot=_snapshot_without(trial.snapshot)) if trial.snapshot is not None else trial


def _snapshot_without(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, processes=tuple(replace(one, clues=None) for one in snapshot.processes))
