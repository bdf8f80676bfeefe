"""Finds the runtimes of an image in its trials, asks them for their ceilings, and finds where those are set."""

from dataclasses import replace
from typing import Protocol

from membudget.build.revision import BuiltImage, Side
from membudget.check.allocators import with_returned
from membudget.check.building import BuiltPair
from membudget.check.setting_places import WrittenSettings, setting_places
from membudget.check.written_settings import SettingFiles
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.progress import Progress
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import LONGEST_REASON, Runtime
from membudget.measure.trial import Trial, TrialSpec

MOST_ASKED = 3
"""The most runtimes of an image that are asked. Each may take its whole time."""


class Asker(Protocol):
    """Asks runtimes, and runs trials for them."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    def ask(self, spec: TrialSpec, runtime: Runtime) -> Runtime:
        """Return a runtime with its answer on its memory, or with the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """


def with_runtimes(  # noqa: PLR0913 - what it works with
    subject: BuiltPair,
    found: ImageMeasurement,
    asker: Asker,
    progress: Progress,
    *,
    asks: bool,
    files: SettingFiles | None = None,
) -> ImageMeasurement:
    """Return the measurement with the runtimes of the head, and without what only served to find them.

    `asks` says whether any rule needs to know their ceilings. `files` are those of the head that set something. None:
    only the Dockerfile is read for the places of settings.
    """
    own = subject.own if found.own is not None and found.own.counts else None
    judged = subject.alone(own) if own is not None else subject
    image, spec, side = judged.images.get(Side.HEAD), judged.pair.head, found.side_for_maximums
    if asks and not found.is_unchanged and image is not None and spec is not None and side is not None:
        tried = judged.trial_spec(image, spec)
        seen = runtimes_of(side.trials)
        written = files.of(subject.pair.name, spec) if files is not None and seen else WrittenSettings()
        runtimes = _known(seen, tried, image, asker, written)
        largest = (with_returned(one, side, tried, asker.run_trial, progress) for one in runtimes[:1])
        runtimes = (*largest, *runtimes[1:])
        found = _with(found, replace(side, runtimes=runtimes))
    return found.with_each_side(_without_clues)


def _with(found: ImageMeasurement, side: SideMeasurement) -> ImageMeasurement:
    if found.own is not None and found.own.counts:
        return replace(found, own=replace(found.own, side=side))
    return replace(found, head=side)


def _known(
    runtimes: tuple[Runtime, ...], spec: TrialSpec, image: BuiltImage, asker: Asker, written: WrittenSettings
) -> tuple[Runtime, ...]:
    known = []
    for number, runtime in enumerate(runtimes):
        asked = _asked(runtime, spec, asker) if number < MOST_ASKED else runtime
        known.append(replace(asked, places=setting_places(asked, written, image.recipe)))
    return tuple(known)


def _asked(runtime: Runtime, spec: TrialSpec, asker: Asker) -> Runtime:
    try:
        return asker.ask(spec, runtime)
    except EnvironmentFault as error:  # a lost engine as well: the figures of the trials are there
        return replace(runtime, unanswered=shortened(error.what, LONGEST_REASON))


def _without_clues(side: SideMeasurement) -> SideMeasurement:
    return replace(side, trials=tuple(map(_trial_without, side.trials)))


def _trial_without(trial: Trial) -> Trial:
    return replace(trial, snapshot=_snapshot_without(trial.snapshot)) if trial.snapshot is not None else trial


def _snapshot_without(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, processes=tuple(replace(one, clues=None) for one in snapshot.processes))
