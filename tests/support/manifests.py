"""Manifests as texts, and what is found in them against an image of known need."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from membudget.budgets.fit import LastFit
from membudget.budgets.manifests import ManifestEntry, ManifestRule, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.engine.rendering import Renderers
from membudget.judge.manifest_rules import judge_manifests
from membudget.judge.manifests import CheckedManifests, ManifestFinding, ManifestJudgement, Patch
from membudget.judge.measurement import ImageMeasurement
from membudget.report.report import Report
from tests.support.builders import image, report, side, trial

FIT = LastFit(180 * MIB, 200 * MIB, 15.0, 160 * MIB)
DEPLOYMENT = "kind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      containers:\n"
USUAL = ManifestRules()
STRICT = ManifestRules.model_validate(dict.fromkeys((rule.value for rule in ManifestRule), "fail"))


def containers(text: str) -> str:
    """A Deployment of containers, if `text` is a list of them. Other texts are whole manifests."""
    lines = text.strip().splitlines()
    return DEPLOYMENT + "".join(f"        {line}\n" for line in lines) if text.lstrip().startswith("- ") else text


def api(
    *, fit: LastFit | None = FIT, peak: float = 160, settled: float | None = 120, killed: bool = False
) -> ImageMeasurement:
    """The image `api`: it survives 180 MiB, is comfortable with 200 MiB, and keeps 120 MiB at rest."""
    head = side(trial(peak, oom_kills=int(killed)))
    rest = MetricValue.absent(Metric.SETTLED_WORKING_SET, "it is a one-shot")
    if settled is not None:
        rest = MetricValue.of(Metric.SETTLED_WORKING_SET, round(settled * MIB))
    head.metrics[Metric.SETTLED_WORKING_SET] = rest
    measured = image("api", head=head, limit=256)
    return replace(measured, fit=fit)


def checked(
    files: Mapping[str, str],
    base: Mapping[str, str] | None = None,
    rules: ManifestRules = USUAL,
    images: tuple[str, ...] = ("api",),
    **entry: object,
) -> CheckedManifests:
    """What is read of the first of the files, as an entry of the budgets file."""
    with tempfile.TemporaryDirectory() as scratch:
        tops = []
        for name, tree in (("head", files), ("base", base)):
            for path, text in (tree or {}).items():
                target = Path(scratch, name, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            tops.append(ManifestTexts(Path(scratch, name), Renderers()) if tree is not None else None)
        one = ManifestEntry.model_validate({"path": next(iter(files)), **entry})
        assert tops[0] is not None
        found = checked_manifests([one], rules, images, (tops[0], tops[1]))
        assert found is not None
        return found


def found_in(
    text: str, measured: ImageMeasurement | None = None, base: str | None = None, *, path: str = "api.yaml"
) -> tuple[ManifestFinding, ...]:
    """The findings in one manifest, all rules on."""
    before = {path: containers(base)} if base is not None else None
    judged = judge_manifests(checked({path: containers(text)}, before, STRICT), [measured or api()])
    assert judged.faults == ()
    return judged.findings


def patched(files: Mapping[str, str], patch: Patch) -> dict[str, str]:
    """The files with a patch applied. It has to fit."""
    lines = files[patch.path].split("\n")
    assert lines[patch.line - 1] == patch.before
    lines[patch.line - 1 : patch.line] = patch.after
    return {**files, patch.path: "\n".join(lines)}


def judged(manifests: CheckedManifests | None, *images: ImageMeasurement) -> ManifestJudgement:
    """What the rules say, for the usual image or for others."""
    return judge_manifests(manifests, images or [api()])


def reported(manifests: CheckedManifests, *images: ImageMeasurement) -> Report:
    """A report with manifests."""
    return report(*(images or [api()])).model_copy(update={"manifests": manifests})
