"""The manifests that deploy the images, and the rules that they are held to."""

import posixpath
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from membudget.budgets.fields import FileModel, ImageName, NonEmpty, not_allowed

MOST_ENTRIES = 50


class ManifestRule(StrEnum):
    """The rules for manifests. The values are their keys in the budgets file, and their ids in SARIF."""

    LIMIT_BELOW_NEED = "limit_below_need"
    LIMIT_LOWERED = "limit_lowered"
    POD_BELOW_SUM = "pod_below_sum"
    REQUEST_ABOVE_LIMIT = "request_above_limit"
    NO_LIMIT = "no_limit"
    NO_REQUEST = "no_request"
    REQUEST_BELOW_SETTLED = "request_below_settled"
    LIMIT_FAR_ABOVE_NEED = "limit_far_above_need"
    INIT_RESERVES_MORE = "init_reserves_more"
    MEMORY_VOLUME = "memory_volume"
    HPA_CANNOT_SCALE_DOWN = "hpa_cannot_scale_down"
    HPA_AND_VPA = "hpa_and_vpa"
    VPA_BELOW_NEED = "vpa_below_need"
    NO_CONTAINER = "no_container"


Severity = Literal["off", "warn", "fail"]
_ORDER: tuple[Severity, ...] = ("off", "warn", "fail")


class ManifestRules(FileModel):
    """What happens if a manifest breaks a rule: "fail" fails the check, "warn" reports it, "off" turns the rule off."""

    limit_below_need: Severity = "fail"
    """A container's limit is below the last fit, or below the measured peak RSS if there is no fit."""
    limit_lowered: Severity = "fail"
    """The pull request lowers a limit below what the head needs. The base's limit was enough."""
    pod_below_sum: Severity = "fail"
    """The limit of a whole pod or task is below the sum of what its containers need."""
    request_above_limit: Severity = "fail"
    """A container requests more than its limit, which Kubernetes refuses."""
    no_limit: Severity = "warn"
    """A container has no memory limit."""
    no_request: Severity = "warn"
    """A container has neither a memory request nor a limit, so nothing is reserved for it."""
    request_below_settled: Severity = "warn"
    """A container requests less than its settled working set, so nodes are overcommitted."""
    limit_far_above_need: Severity = "warn"
    """A container's limit is more than twice its last fit."""
    init_reserves_more: Severity = "warn"
    """An init container requests more than all other containers of its pod, which reserves it for the pod's life."""
    memory_volume: Severity = "warn"
    """A volume in memory has no size, or its size and the container's need are above the limit together."""
    hpa_cannot_scale_down: Severity = "warn"
    """At rest, the pods use so much of the memory target that a HorizontalPodAutoscaler never removes one."""
    hpa_and_vpa: Severity = "warn"
    """A HorizontalPodAutoscaler and a VerticalPodAutoscaler both act on the memory of one workload."""
    vpa_below_need: Severity = "warn"
    """A VerticalPodAutoscaler's `maxAllowed` is below the last fit, or below the measured peak RSS."""
    no_container: Severity = "warn"
    """None of the containers of a manifest runs an image of this file."""

    def severity(self, rule: ManifestRule) -> Severity:
        """Return what happens if a rule is broken."""
        found: Severity = getattr(self, rule.value)
        return found

    @property
    def severities(self) -> dict[ManifestRule, Severity]:
        """What happens if a rule is broken, by rule."""
        return {rule: self.severity(rule) for rule in ManifestRule}

    def strictest(self, other: "ManifestRules") -> "ManifestRules":
        """Return the stricter of both for each rule."""
        return ManifestRules.model_validate({
            rule.value: max(self.severity(rule), other.severity(rule), key=_ORDER.index) for rule in ManifestRule
        })  # fmt: skip

    def milder_than(self, base: "ManifestRules") -> Iterator[tuple[str, str, str]]:
        """Yield the rules that are milder than the base's, each with both severities."""
        for rule in ManifestRule:
            before, after = base.severity(rule), self.severity(rule)
            if _ORDER.index(after) < _ORDER.index(before):
                yield f"manifest_rules.{rule}", before, after


def _inside(path: str) -> str:
    """Return a path from the top of the repository in its shortest form. Raises an error for others."""
    normal = posixpath.normpath(path)
    if (
        not path
        or "://" in path
        or normal.startswith(("/", "../"))
        or normal == ".."
        or any(ord(one) < 32 for one in path)
    ):
        raise not_allowed("a path of the repository, from its top: no URL, and nothing outside")
    return normal


def _path(value: object) -> object:
    return _inside(value) if isinstance(value, str) else value


ManifestPath = Annotated[NonEmpty, BeforeValidator(_path)]
ValuesFiles = Annotated[tuple[ManifestPath, ...], Field(max_length=20)]
LONGEST_PATH = 500


class ManifestEntry(FileModel):
    """Something that deploys images: a YAML file, a Helm chart, a folder of Kustomize, a compose file, an ECS task."""

    path: ManifestPath
    """A file of Kubernetes manifests, a compose file or an ECS task definition (.json), or the folder of a Helm chart
    (it has a Chart.yaml) or of Kustomize (it has a kustomization.yaml).
    """
    values: ValuesFiles = ()
    """Values files for a Helm chart, as for `helm template --values`. Later files override earlier ones."""
    containers: dict[NonEmpty, ImageName] = {}
    """Which image of this file a container runs, by the container's name. Others are found by the image's name."""

    @model_validator(mode="after")
    def _paths_are_short(self) -> "ManifestEntry":
        if any(len(path) > LONGEST_PATH for path in (self.path, *self.values)):
            raise not_allowed(f"paths of {LONGEST_PATH} characters or fewer")
        return self

    @property
    def named_files(self) -> tuple[str, ...]:
        """The paths that the entry names."""
        return (self.path, *self.values)


def _as_entry(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


Manifests = Annotated[
    tuple[Annotated[ManifestEntry, BeforeValidator(_as_entry, json_schema_input_type=NonEmpty | ManifestEntry)], ...],
    Field(max_length=MOST_ENTRIES),
]
"""Paths, or tables with `path`, `values` and `containers`."""


def removed_entries(base: tuple[ManifestEntry, ...], head: tuple[ManifestEntry, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield what of the base's manifests the head no longer checks, or checks otherwise, with both in words."""
    known: Mapping[str, ManifestEntry] = {entry.path: entry for entry in head}
    for entry in base:
        now = known.get(entry.path)
        if now is None:
            yield f"manifests: {entry.path}", "checked", "not checked"
        elif now.values != entry.values:
            yield f"manifests: {entry.path}: values", ", ".join(entry.values) or "none", ", ".join(now.values) or "none"
        elif not entry.containers.items() <= now.containers.items():
            yield f"manifests: {entry.path}: containers", _pairs(entry.containers), _pairs(now.containers)


def _pairs(containers: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {image}" for name, image in containers.items()) or "none"
