"""What is known of the manifests, and what is found in them: facts and figures, for report.json and for words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.budgets.manifests import MOST_ENTRIES, ManifestRule, Severity
from membudget.core.files import Stored
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.fit import peak_moved
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.sizing import sizing
from membudget.manifests.deployed import Amount, DeployedManifests, ManifestFault, ManifestPlatform, Place
from membudget.manifests.spots import SpotPart, lines_with

_Path = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, slots=True)
class CheckedManifests(Stored):
    """The manifests of both commits, as far as they run images of the budgets file."""

    entries: Annotated[tuple[_Path, ...], Field(max_length=2 * MOST_ENTRIES)]
    """The paths of `manifests` in the budgets file."""
    severities: dict[ManifestRule, Severity]
    head: DeployedManifests
    base: DeployedManifests | None = None
    """None if there is no base."""
    unmatched: Annotated[tuple[_Path, ...], Field(max_length=2 * MOST_ENTRIES)] = ()
    """The entries none of whose containers runs an image of the budgets file."""


class Basis(StrEnum):
    """What is known of an image's need."""

    COMFORTABLE = "comfortable"
    """The last fit found this limit to be the smallest comfortable one."""
    SURVIVES = "survives"
    """The last fit found this limit to be the smallest without an OOM kill."""
    PEAK = "peak"
    """Nothing was fitted, or the fit holds no more. This is the measured peak RSS."""
    KILLED = "killed"
    """At this limit, the head was OOM-killed, so it needs more."""


@dataclass(frozen=True, slots=True)
class LimitNeed:
    """How much memory an image needs as its limit."""

    size_bytes: int
    basis: Basis
    fitting_bytes: int | None
    """A limit that fits, as `advise` computes it, in whole MiB. None if none is known."""

    def is_more_than(self, limit_bytes: int) -> bool:
        """Return whether a limit is too small."""
        return limit_bytes <= self.size_bytes if self.basis is Basis.KILLED else limit_bytes < self.size_bytes

    @property
    def is_fitted(self) -> bool:
        """Whether a fit proved the need."""
        return self.basis in (Basis.COMFORTABLE, Basis.SURVIVES)


def need_of(image: ImageMeasurement) -> LimitNeed | None:
    """Return what an image needs. None if it is not known, because it was neither fitted nor measured."""
    side = image.side_for_maximums
    kills = side.metrics.get(Metric.OOM_KILLS) if side is not None else None
    if kills is not None and kills.value and not (side is not None and side.only_sidecars_were_killed):
        return LimitNeed(image.limit_bytes, Basis.KILLED, None)
    fit = image.fit if peak_moved(image, side) is None else None
    sized = sizing(image, side) if side is not None else None
    if fit is not None:
        basis = Basis.COMFORTABLE if fit.needed_bytes > fit.survives_bytes else Basis.SURVIVES
        fitting = sized.limit_bytes if sized is not None else fit.needed_bytes * (1 + fit.headroom_percent / 100)
        return LimitNeed(fit.needed_bytes, basis, whole_mib(fitting))
    if sized is not None:
        return LimitNeed(sized.need_bytes, Basis.PEAK, whole_mib(sized.limit_bytes))
    peak = side.metrics.get(Metric.PEAK_RSS) if side is not None and side.failure is None else None
    return LimitNeed(peak.value, Basis.PEAK, None) if peak is not None and peak.value is not None else None


def settled_bytes(image: ImageMeasurement) -> int | None:
    """Return the settled working set of an image, which the kubelet counts at rest. None if it is not known."""
    side = image.side_for_maximums
    settled = side.metrics.get(Metric.SETTLED_WORKING_SET) if side is not None else None
    return settled.value if settled is not None else None


def whole_mib(size: float) -> int:
    """Return a size rounded up to whole MiB, in bytes."""
    return -int(-size // MIB) * MIB


@dataclass(frozen=True, slots=True)
class Patch:
    """A line of a file of the repository, and the lines that replace it."""

    path: str
    line: int
    before: str
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AmountChange:
    """A text to write instead of an amount, which silences the finding."""

    amount: Amount
    """What is written now, and where."""
    text: str
    size_bytes: int

    @property
    def line_after(self) -> str | None:
        """The whole line as it should be. None if the line is not known."""
        line, before = self.amount.line_text, self.amount.text
        is_known = self.amount.place.is_exact and bool(before) and line.count(before) == 1  # a report may be forged
        return line.replace(before, self.text) if is_known else None

    @property
    def patch(self) -> Patch | None:
        """The line that replaces the line of the amount. None if the line is not known."""
        after, place = self.line_after, self.amount.place
        return Patch(place.path, place.line, self.amount.line_text, (after,)) if after is not None else None


@dataclass(frozen=True, slots=True)
class Addition:
    """Missing amounts to write at one place, which silences the finding."""

    parts: tuple[SpotPart, ...]
    size_bytes: int
    """The largest of the amounts."""

    @property
    def text(self) -> str:
        """The missing keys with their amounts."""
        return " and ".join(f"{'.'.join(spot.keys)}: {text}" for spot, text in self.parts)

    @property
    def patch(self) -> Patch | None:
        """The lines that replace the line of the place."""
        spot = self.parts[0][0]
        return Patch(spot.path, spot.line, spot.line_text, lines_with(self.parts))


def written(size_bytes: int, platform: ManifestPlatform) -> str:
    """Return a size in whole MiB as a manifest writes it."""
    mib = -(-size_bytes // MIB)
    return {
        ManifestPlatform.KUBERNETES: f"{mib}Mi",
        ManifestPlatform.COMPOSE: f"{mib}m",
        ManifestPlatform.ECS: str(mib),
    }[platform]


@dataclass(frozen=True, slots=True)
class CannotScaleDown:
    """Why an HPA cannot scale down: use at rest against the target."""

    used_bytes: int
    """The settled working sets of the measured containers of one pod."""
    wanted_bytes: int
    """How much the HPA wants a pod to use."""
    requested_bytes: int | None
    """What the target is a percentage of. None if the target is an amount."""
    percent: int | None
    most_percent: float
    """The share of the target below which it would remove a pod, in percent."""


@dataclass(frozen=True, slots=True)
class ManifestFinding:
    """A broken rule, with its figures."""

    rule: ManifestRule
    verdict: Verdict
    place: Place
    workload: str
    """The kind and the name of the workload, or the entry of the budgets file. It is text from outside."""
    container: str | None = None
    image: str | None = None
    found_bytes: int | None = None
    """The amount that breaks the rule."""
    other_bytes: int | None = None
    """What it has to be compared with. What that is depends on the rule."""
    basis: Basis | None = None
    before_bytes: int | None = None
    """What the base has instead."""
    fitting_bytes: int | None = None
    """An amount that keeps the rule."""
    change: AmountChange | Addition | None = None
    """How to write it. None if the place is not known."""
    scaling: CannotScaleDown | None = None
    name: str | None = None
    """The name of a volume or a scaler. It is text from outside."""

    @property
    def patch(self) -> Patch | None:
        """What silences the finding, as lines of the file. None if no change is known."""
        return self.change.patch if self.change is not None else None


@dataclass(frozen=True, slots=True)
class ManifestJudgement:
    """The verdict on the manifests."""

    findings: tuple[ManifestFinding, ...] = ()
    """The broken rules, failures first."""
    faults: tuple[ManifestFault, ...] = ()
    """What of the head's manifests could not be read. The check is then inconclusive."""

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict."""
        verdicts = {finding.verdict for finding in self.findings}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if self.faults:
            return Verdict.INCONCLUSIVE
        return Verdict.WARN if verdicts else Verdict.PASS
