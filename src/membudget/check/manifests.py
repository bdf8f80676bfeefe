"""Reads what the manifests of a commit deploy, and which images of the budgets file their containers run."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from membudget.budgets.manifests import ManifestEntry, ManifestRules
from membudget.check.manifest_files import KUSTOMIZATIONS, Gathered, ManifestRefused, joined
from membudget.check.manifest_source import Rendering, image_that_runs
from membudget.check.manifest_texts import UNREADABLE, ManifestTexts, why_unreadable
from membudget.check.missing_amounts import with_spots_of_file, with_spots_of_sources
from membudget.check.value_places import with_lines, with_values
from membudget.core.errors import shortened
from membudget.judge.manifests import CheckedManifests
from membudget.manifests.deployed import (
    Container,
    DeployedManifests,
    DeployedWorkload,
    ManifestFault,
    ManifestPlatform,
    Place,
)
from membudget.manifests.kubernetes import names_a_workload, read_kubernetes
from membudget.manifests.other_platforms import read_compose, read_ecs
from membudget.manifests.reading import ManifestReading
from membudget.manifests.spots import plain_lines, step_of

_COMPOSE = re.compile(r"^[\"']?services[\"']?\s*:", re.MULTILINE)
_LONGEST_REASON = 400


def checked_manifests(
    entries: Sequence[ManifestEntry],
    rules: ManifestRules,
    images: Collection[str],
    sides: tuple[ManifestTexts, ManifestTexts | None],
) -> CheckedManifests | None:
    """Return what head and base deploy by the same entries. None if there are no entries.

    `sides` are the manifests of head and base. Of the base, what cannot be read is left out.
    """
    if not entries:
        return None
    head, base = sides
    deployed = _deployment(entries, images, head, finds_values=True)
    runs = {
        workload.source for workload in deployed.workloads if any(container.runs for container in workload.containers)
    }
    is_unread = any(not fault.key for fault in deployed.faults)  # it may be the one that runs an image
    unmatched = tuple(entry.path for entry in entries if entry.path not in runs) if not is_unread else ()
    before = _deployment(entries, images, base, finds_values=False) if base is not None else None
    return CheckedManifests(
        tuple(entry.path for entry in entries),
        rules.severities,
        _relevant(deployed),
        replace(_relevant(before), faults=()) if before is not None else None,
        unmatched,
    )


def _relevant(deployment: DeployedManifests) -> DeployedManifests:
    """Return only workloads that run an image of the budgets file, and what scales them."""
    kept = tuple(one for one in deployment.workloads if any(container.runs for container in one.containers))
    names = {(one.kind, one.name) for one in kept}
    return replace(
        deployment,
        workloads=kept,
        pod_scalers=tuple(one for one in deployment.pod_scalers if (one.kind, one.target) in names),
        memory_scalers=tuple(one for one in deployment.memory_scalers if (one.kind, one.target) in names),
    )


def _deployment(
    entries: Sequence[ManifestEntry],
    images: Collection[str],
    manifests: ManifestTexts,
    *,
    finds_values: bool,
) -> DeployedManifests:
    """Return what all entries deploy. `finds_values` says whether to find out where rendered amounts are written."""
    found = DeployedManifests()
    for entry in entries:
        try:
            read = _read_entry(entry, manifests, finds_values=finds_values)
        except UNREADABLE as error:
            read = _fault(entry, manifests.checkout, why_unreadable(error))
        found = found.with_more(_matched(read, entry, images))
    return found


def _fault(entry: ManifestEntry, checkout: Path, reason: str) -> DeployedManifests:
    """Return that an entry cannot be read. A server shows that at a file, not at a folder."""
    names = (entry.path, *(joined(entry.path, name) for name in ("Chart.yaml", *KUSTOMIZATIONS)))
    file = next((name for name in names if (checkout / name).is_file()), entry.path)
    place = Place(file, is_exact=False)
    return DeployedManifests(faults=(ManifestFault(place, "", shortened(reason, _LONGEST_REASON)),))


def _read_entry(entry: ManifestEntry, manifests: ManifestTexts, *, finds_values: bool) -> DeployedManifests:
    rendering, text = manifests.rendering(entry), manifests.text(entry)
    if rendering is None:
        return _plain(entry, text, finds_values=finds_values)
    return _rendered(entry, rendering, text, finds_values=finds_values)


def _plain(entry: ManifestEntry, text: str, *, finds_values: bool) -> DeployedManifests:
    read = _reader(entry, text)
    if read is None:
        raise ManifestRefused(
            f"{entry.path} has neither workloads of Kubernetes, nor services of compose, nor an ECS task"
        )
    lines = plain_lines(text) if finds_values else ()
    found = with_lines(
        read(text, ManifestReading(entry.path, entry.path, lines=lines, step=step_of(text))), {entry.path: text}
    )
    return with_spots_of_file(
        found, entry.path, text, lambda other: read(other, ManifestReading(entry.path, entry.path))
    )


def _reader(entry: ManifestEntry, text: str) -> Callable[[str, ManifestReading], DeployedManifests] | None:
    """Return what reads such a file. None if it is of no known kind."""
    if entry.path.endswith(".json") and "containerDefinitions" in text:
        return read_ecs
    if names_a_workload(text):
        return read_kubernetes
    return read_compose if _COMPOSE.search(text) else None


def _rendered(entry: ManifestEntry, rendering: Rendering, text: str, *, finds_values: bool) -> DeployedManifests:
    gathered = rendering.gathered

    def read_text(rendered: str) -> DeployedManifests:
        return read_kubernetes(rendered, ManifestReading(_own_file(entry, gathered), entry.path, is_rendered=True))

    def read(files: Mapping[str, bytes]) -> DeployedManifests:
        return read_text(rendering.render(files))

    found = read_text(text)
    if not finds_values:
        return found
    return with_spots_of_sources(with_values(found, gathered, read), gathered, entry.values, read)


def _own_file(entry: ManifestEntry, gathered: Gathered) -> str:
    """Return the file that stands for a chart or a folder of Kustomize."""
    named = ("Chart.yaml", *KUSTOMIZATIONS)
    return next((path for name in named if (path := joined(entry.path, name)) in gathered.files), entry.path)


def _matched(deployment: DeployedManifests, entry: ManifestEntry, images: Collection[str]) -> DeployedManifests:
    """Return the same with the image that each container runs, as far as the budgets file has it."""
    workloads = tuple(
        replace(
            workload,
            containers=tuple(replace(one, runs=_image_of(one, workload, entry, images)) for one in workload.containers),
        )
        for workload in deployment.workloads
    )
    return replace(deployment, workloads=workloads)


def _image_of(
    container: Container, workload: DeployedWorkload, entry: ManifestEntry, images: Collection[str]
) -> str | None:
    is_built = not container.image and workload.platform is ManifestPlatform.COMPOSE  # compose builds it
    reference = container.name if is_built else container.image
    return image_that_runs(container.name, reference, entry, images)


def changed_images(manifests: CheckedManifests | None) -> frozenset[str]:
    """Return the images whose memory in the manifests differs between base and head, or is new."""
    if manifests is None or manifests.base is None:
        return frozenset()
    before, after = _figures(manifests.base), _figures(manifests.head)
    return frozenset(image for image in after if after[image] != before.get(image))


def _figures(deployment: DeployedManifests) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for workload in deployment.workloads:
        figures = list(_of_workload(workload, deployment))
        for image in {container.runs for container in workload.containers if container.runs is not None}:
            found.setdefault(image, []).extend(figures)
    return found


def _of_workload(workload: DeployedWorkload, deployment: DeployedManifests) -> Iterator[object]:
    amounts = DeployedManifests((workload,)).amounts
    yield from ((amount.size_bytes, amount.text) for amount in amounts)
    yield from ((container.name, container.runs, bool(container.limit)) for container in workload.containers)
    key = (workload.kind, workload.name)
    for pods in deployment.pod_scalers:
        if (pods.kind, pods.target) == key:
            yield from ((target.percent, target.average_bytes) for target in pods.targets)
            yield pods.least, pods.most
    for memory in deployment.memory_scalers:
        if (memory.kind, memory.target) == key:
            yield memory.acts, [(one.container, one.most and one.most.size_bytes) for one in memory.policies]
