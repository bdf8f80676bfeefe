"""The images to fit: those of a budgets file, built as they are committed, or one that the engine has."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from membudget.advise.fit import FitSubject, ImageFit
from membudget.budgets.budget_tables import Headroom, SizeBudget
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.key_path import similar
from membudget.build.revision import Side
from membudget.check.building import BuildTools, Pair, PairOrder, build_all
from membudget.check.building import BuiltPair as Built
from membudget.core.errors import ConfigurationError, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Progress, Stage
from membudget.judge.measurement import Failure, Presence
from membudget.measure.trial import TrialInputs

_LONGEST_LIST = 200


class ToolsToBuild(BuildTools, Protocol):
    """The tools that building the images of a budgets file needs."""

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        """Return the inputs of an image's container. Raises ConfigurationError if a file or a secret is missing."""


@dataclass(frozen=True, slots=True)
class ChosenImages:
    """Which images were named, in the order of the command line."""

    of_file: Mapping[str, ImageSpec]
    """The images of the budgets file, by name."""
    of_engine: tuple[str, ...] = ()
    """The images that the engine has to have."""


def chosen(names: Sequence[str], budgets: Budgets | None, has_image: Callable[[str], bool], file: str) -> ChosenImages:
    """Return which images are meant. Without names, all of the budgets file.

    A name is looked up in the budgets file first, then in the engine. `budgets` is None if there is no file. Raises
    ConfigurationError if a name is in neither.
    """
    known = budgets.images if budgets is not None else {}
    if not names:
        return ChosenImages(known)
    others = [name for name in dict.fromkeys(names) if name not in known]
    for name in others:
        if not has_image(name):
            raise _unknown(name, known, file)
    return ChosenImages({name: known[name] for name in dict.fromkeys(names) if name in known}, tuple(others))


_RESULTS = {"survives", "comfortable", "peak_rss"}
"""The keys of `fit` that `fit --write` sets, as it does `limit` and `budgets`. No fit depends on them."""


def digest_of(budgets: Budgets) -> str:
    """Return a digest of what the fits of a budgets file depend on. `fit --write` does not change it."""
    images = {
        name: image.model_dump(
            mode="json", exclude={"limit": True, "budgets": True, "fit": _RESULTS, "production": {"selector"}}
        )
        for name, image in budgets.images.items()
    }
    return hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest()


def _unknown(name: str, known: Mapping[str, ImageSpec], file: str) -> ConfigurationError:
    guess = similar(name, known)
    meant = f"; did you mean {guess}?" if guess is not None else ""
    there = f" ({file} has: {shortened(', '.join(known), _LONGEST_LIST)})" if known else f" (there is no {file})"
    return ConfigurationError(
        f"{shortened(name)} is neither an image of {file} nor one that the engine has{meant}{there}"
    )


def peak_headroom(spec: ImageSpec) -> Headroom | None:
    """Return how far an image's budget keeps its peak RSS below the limit. None if it says nothing about that."""
    budget = spec.budgets.of(Metric.PEAK_RSS)
    return budget.headroom if isinstance(budget, SizeBudget) else None


def built_subjects(
    images: Mapping[str, ImageSpec], checkout: Path, tools: ToolsToBuild, progress: Progress
) -> tuple[list[FitSubject], list[ImageFit]]:
    """Build the images of a budgets file from a checkout. Return how each is run, and those that do not build."""
    pairs = {name: Pair(name, Presence.HEAD_ONLY, spec, None) for name, spec in images.items()}
    inputs = {name: tools.inputs(name, spec, checkout) for name, spec in images.items()}
    orders = [PairOrder(pair, inputs[name].pod) for name, pair in pairs.items()]
    with progress.stage(Stage.BUILDING, list(images)):
        built = build_all(orders, {Side.HEAD: checkout}, tools, progress)
    subjects, failed = [], []
    for name, spec in images.items():
        image = built[name][Side.HEAD]
        if isinstance(image, Failure):
            failed.append(ImageFit(name, spec.limit, fault=f"it does not build: {image.reason}"))
            continue
        subject = Built(pairs[name], {Side.HEAD: image}, inputs[name])
        headroom = peak_headroom(spec)
        subjects.append(
            FitSubject(subject.trial_spec(image, spec), spec.fit, spec.limit, headroom, spec.production.scale)
        )
    return subjects, failed
