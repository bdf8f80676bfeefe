"""Holds what is deployed against what was measured: the rules for containers, and all rules together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from membudget.budgets.fit import MOST_TIMES
from membudget.budgets.manifests import ManifestRule
from membudget.core.quantities import MIB
from membudget.judge.manifest_pods import pod_findings, scaler_findings
from membudget.judge.manifests import (
    Addition,
    AmountChange,
    CheckedManifests,
    LimitNeed,
    ManifestFinding,
    ManifestJudgement,
    need_of,
    settled_bytes,
    whole_mib,
    written,
)
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Verdict
from membudget.manifests.deployed import (
    Amount,
    Container,
    DeployedManifests,
    DeployedWorkload,
    ManifestPlatform,
    MemoryVolume,
    Place,
    Role,
)

MOST_FINDINGS = 500
"""More are not told. Failures come first, so that the verdict does not depend on it."""
_VERDICTS = {"warn": Verdict.WARN, "fail": Verdict.FAIL}


def judge_manifests(manifests: CheckedManifests | None, images: Sequence[ImageMeasurement]) -> ManifestJudgement:
    """Return which rules the head's manifests break. Rules that need a figure which is not known are kept."""
    if manifests is None:
        return ManifestJudgement()
    measured = {image.name: image for image in images if image.presence is not Presence.REMOVED}
    found = []
    for finding in _all_findings(manifests, measured):
        verdict = _VERDICTS.get(manifests.severities.get(finding.rule, "off"))
        if verdict is not None:
            found.append(replace(finding, verdict=verdict))
    found.sort(key=lambda finding: finding.verdict is not Verdict.FAIL)
    return ManifestJudgement(tuple(found[:MOST_FINDINGS]), manifests.head.faults)


def _all_findings(manifests: CheckedManifests, measured: Mapping[str, ImageMeasurement]) -> Iterator[ManifestFinding]:
    needs = {name: need for name, image in measured.items() if (need := need_of(image)) is not None}
    settled = {name: size for name, image in measured.items() if (size := settled_bytes(image)) is not None}
    before = _limits(manifests.base) if manifests.base is not None else {}
    is_lowered_told = manifests.severities.get(ManifestRule.LIMIT_LOWERED, "off") != "off"
    for workload in manifests.head.workloads:
        for container in workload.containers:
            if container.runs is None or container.runs not in measured:
                continue
            known = _Known(
                workload,
                container,
                needs.get(container.runs),
                settled.get(container.runs),
                before.get(_key(workload, container)) if is_lowered_told else None,
            )
            yield from known.findings()
        yield from pod_findings(workload, needs, measured)
    for workload in manifests.head.workloads:
        yield from scaler_findings(workload, manifests.head, needs, settled)
    for path in manifests.unmatched:
        yield ManifestFinding(ManifestRule.NO_CONTAINER, Verdict.WARN, Place(path, is_exact=False), path)


_Key = tuple[str, str, str, str, str]


def _key(workload: DeployedWorkload, container: Container) -> _Key:
    return workload.source, workload.namespace, workload.kind, workload.name, container.name


def _limits(deployment: DeployedManifests) -> dict[_Key, int]:
    return {
        _key(workload, container): container.limit.size_bytes
        for workload in deployment.workloads
        for container in workload.containers
        if container.limit is not None
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """A container that runs a measured image, and what is known of it."""

    workload: DeployedWorkload
    container: Container
    need: LimitNeed | None
    settled_bytes: int | None
    before_bytes: int | None
    """The limit in the base."""

    def findings(self) -> Iterator[ManifestFinding]:
        """Yield the rules that the container breaks."""
        container, limit = self.container, self.container.limit
        if limit is None:
            if self.workload.limit is None:
                fitting, change = self._limit_to_add, self._addition(adds_limit=True)
                yield self._finding(ManifestRule.NO_LIMIT, self._place(change), fitting_bytes=fitting, change=change)
        elif self.need is not None:
            yield from self._of_limit(limit, self.need)
        if container.reserved is None and not self._pod_reserves and self._is_scheduled:
            change = self._addition(adds_limit=False)
            yield self._finding(
                ManifestRule.NO_REQUEST, self._place(change), fitting_bytes=self._request_to_add, change=change
            )
        if container.request is not None and limit is not None and container.request.size_bytes > limit.size_bytes:
            yield self._finding(
                ManifestRule.REQUEST_ABOVE_LIMIT, container.request.place, container.request.size_bytes,
                limit.size_bytes, fitting_bytes=limit.size_bytes,
                change=AmountChange(container.request, limit.text, limit.size_bytes),
            )  # fmt: skip
        yield from self._of_request()
        yield from self._of_volumes()

    @property
    def _pod_reserves(self) -> bool:
        """Whether the pod or the task as a whole reserves memory for it.

        Kubernetes reserves the limit of a pod without a request, unless its containers have requests of their own.
        """
        workload = self.workload
        if workload.limit is None or workload.request is not None:
            return workload.request is not None
        return workload.platform is ManifestPlatform.ECS or all(one.reserved is None for one in workload.containers)

    @property
    def _is_scheduled(self) -> bool:
        return self.workload.platform is not ManifestPlatform.COMPOSE and self.container.role is not Role.INIT

    def _place(self, change: Addition | None) -> Place:
        """Return the line of the container. Of a rendered one, which has none, the line that the change is for."""
        place, patch = self.container.place, change.patch if change is not None else None
        return Place(patch.path, patch.line) if patch is not None and not place.is_exact else place

    @property
    def _limit_to_add(self) -> int | None:
        fitting = self.need.fitting_bytes if self.need is not None else None
        if fitting is None:
            return None
        request = self.container.request.size_bytes if self.container.request is not None else 0
        return whole_mib(max(fitting + self.workload.size_of_volumes(self.container), request))

    @property
    def _request_to_add(self) -> int | None:
        return whole_mib(self.settled_bytes) if self.settled_bytes is not None else None

    def _addition(self, *, adds_limit: bool) -> Addition | None:
        """Return the missing request to write, or the limit together with a request that is missing there as well."""
        container, limit, request = self.container, self._limit_to_add, self._request_to_add
        is_open = self._is_scheduled and container.request is None and not self._pod_reserves
        if adds_limit and request is not None and limit is not None:
            request = min(request, limit)
        wanted = [(container.request_spot, request if is_open else None)]
        wanted += [(container.limit_spot, limit)] if adds_limit else []
        own, own_bytes = wanted[-1]
        if own is None or own_bytes is None:
            return None
        together = [
            (spot, size_bytes)
            for spot, size_bytes in wanted
            if spot is not None and size_bytes is not None and spot.is_beside(own)
        ]
        parts = tuple((spot, written(size_bytes, self.workload.platform)) for spot, size_bytes in together)
        return Addition(parts, max(size_bytes for _, size_bytes in together))

    def _of_limit(self, limit: Amount, need: LimitNeed) -> Iterator[ManifestFinding]:
        if need.is_more_than(limit.size_bytes):
            volumes = self.workload.size_of_volumes(self.container)
            fitting = whole_mib(need.fitting_bytes + volumes) if need.fitting_bytes is not None else None
            before = self.before_bytes
            is_lowered = before is not None and limit.size_bytes < before and not need.is_more_than(before)
            yield self._finding(
                ManifestRule.LIMIT_LOWERED if is_lowered else ManifestRule.LIMIT_BELOW_NEED,
                limit.place, limit.size_bytes, need.size_bytes, need, before if is_lowered else None,
                fitting_bytes=fitting, change=self._change(limit, fitting),
            )  # fmt: skip
            return
        volumes = self.workload.size_of_volumes(self.container)
        least = max(need.size_bytes * MOST_TIMES, need.fitting_bytes or 0) + volumes
        if need.is_fitted and limit.size_bytes > least:
            request = self.container.request.size_bytes if self.container.request is not None else 0
            fitting = whole_mib(max((need.fitting_bytes or 0) + volumes, request))
            change = self._change(limit, fitting) if fitting <= least else None
            yield self._finding(
                ManifestRule.LIMIT_FAR_ABOVE_NEED, limit.place, limit.size_bytes, need.size_bytes, need,
                fitting_bytes=fitting, change=change,
            )  # fmt: skip

    def _of_request(self) -> Iterator[ManifestFinding]:
        reserved, settled, limit = self.container.reserved, self.settled_bytes, self.container.limit
        if reserved is None or settled is None or reserved.size_bytes >= settled or not self._is_scheduled:
            return
        fitting = whole_mib(settled)
        is_own = reserved is self.container.request and (limit is None or fitting <= limit.size_bytes)
        yield self._finding(
            ManifestRule.REQUEST_BELOW_SETTLED, reserved.place, reserved.size_bytes, settled, fitting_bytes=fitting,
            change=self._change(reserved, fitting) if is_own else None,
        )  # fmt: skip

    def _of_volumes(self) -> Iterator[ManifestFinding]:
        limit = self.container.limit
        mounted = [volume for volume in self.workload.volumes if volume.name in self.container.volumes]
        for volume in mounted:
            if volume.size is None:
                yield self._finding(
                    ManifestRule.MEMORY_VOLUME,
                    volume.place,
                    name=volume.name,
                    change=self._size_to_add(volume, mounted),
                )
        volumes = self.workload.size_of_volumes(self.container)
        if not volumes or limit is None or self.need is None or self.need.is_more_than(limit.size_bytes):
            return
        least = self.need.size_bytes + volumes
        if limit.size_bytes < least:
            fitting = whole_mib((self.need.fitting_bytes or self.need.size_bytes) + volumes)
            yield self._finding(
                ManifestRule.MEMORY_VOLUME, limit.place, limit.size_bytes, least, self.need, volumes,
                fitting_bytes=fitting, change=self._change(limit, fitting), name=mounted[0].name,
            )  # fmt: skip

    def _size_to_add(self, volume: MemoryVolume, mounted: Sequence[MemoryVolume]) -> Addition | None:
        """Return the size of a volume without one: what the limit leaves, shared by those without a size."""
        limit, need, spot = self.container.limit, self.need, volume.size_spot
        if limit is None or need is None or need.fitting_bytes is None or spot is None:
            return None
        left = limit.size_bytes - need.fitting_bytes - self.workload.size_of_volumes(self.container)
        size_bytes = left // sum(one.size is None for one in mounted) // MIB * MIB
        part = (spot, written(size_bytes, self.workload.platform))
        return Addition((part,), size_bytes) if size_bytes >= MIB else None

    def _change(self, amount: Amount, size_bytes: int | None) -> AmountChange | None:
        if size_bytes is None or not amount.place.is_exact:
            return None
        return AmountChange(amount, written(size_bytes, self.workload.platform), size_bytes)

    def _finding(  # noqa: PLR0913, PLR0917 - the figures of a finding
        self,
        rule: ManifestRule,
        place: Place,
        found_bytes: int | None = None,
        other_bytes: int | None = None,
        need: LimitNeed | None = None,
        before_bytes: int | None = None,
        *,
        fitting_bytes: int | None = None,
        change: AmountChange | Addition | None = None,
        name: str | None = None,
    ) -> ManifestFinding:
        return ManifestFinding(
            rule, Verdict.WARN, place, f"{self.workload.kind}/{self.workload.name}", self.container.name,
            self.container.runs, found_bytes, other_bytes, need.basis if need is not None else None, before_bytes,
            fitting_bytes, change if change is not None and change.patch is not None else None, None, name,
        )  # fmt: skip
