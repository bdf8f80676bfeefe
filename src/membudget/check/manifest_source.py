"""Where the text of a manifest comes from: a plain file, or a program that renders it; and which images it runs."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from membudget.budgets.manifests import ManifestEntry
from membudget.check.manifest_files import (
    KUSTOMIZATIONS,
    Gathered,
    ManifestRefused,
    chart_files,
    kustomize_files,
    read_file,
)

_REFERENCE = re.compile(r"(?:.*/)?([^/:@]+)(?::[^/@]*)?(?:@.*)?", re.DOTALL)


class Renderer(Protocol):
    """Renders charts and folders of Kustomize, given as files by path."""

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        """Return the manifests of a Helm chart. Raises ProgramFailed, also if helm is missing."""

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        """Return the manifests of a folder of Kustomize. Raises ProgramFailed, also if kubectl is missing."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files of a chart or of a folder of Kustomize, and what renders them."""

    gathered: Gathered
    render: Callable[[Mapping[str, bytes]], str]
    """Returns the manifests of such files. Raises ProgramFailed."""


def rendering_of(entry: ManifestEntry, checkout: Path, renderer: Renderer) -> Rendering | None:
    """Return how an entry is rendered. None if it is a plain file. Raises Refused."""
    folder = checkout / entry.path
    if (folder / "Chart.yaml").is_file():

        def chart(files: Mapping[str, bytes]) -> str:
            return renderer.chart(files, entry.path, entry.values)

        return Rendering(chart_files(checkout, entry.path, entry.values), chart)
    if entry.values:
        raise ManifestRefused(f"{entry.path} has values, but is not a Helm chart: there is no Chart.yaml in it")
    if any((folder / name).is_file() for name in KUSTOMIZATIONS):

        def kustomize(files: Mapping[str, bytes]) -> str:
            return renderer.kustomize(files, entry.path)

        return Rendering(kustomize_files(checkout, entry.path), kustomize)
    if folder.is_dir():
        raise ManifestRefused(
            f"{entry.path} is a folder without a Chart.yaml or a kustomization.yaml: name its files instead"
        )
    return None


def plain_text(entry: ManifestEntry, checkout: Path) -> str:
    """Return the text of a plain file. Raises Refused."""
    try:
        return read_file(checkout, entry.path).decode()
    except UnicodeDecodeError:
        raise ManifestRefused(f"{entry.path} is not UTF-8 text") from None


def image_that_runs(container: str, reference: str, entry: ManifestEntry, images: Collection[str]) -> str | None:
    """Return the image of the budgets file that a container runs: by the entry's `containers`, else by its name."""
    named = entry.containers.get(container)
    if named is None:
        named = name_in(reference)
    return named if named in images else None


def name_in(reference: str) -> str | None:
    """Return the last part of an image's reference, without registry, folders, tag and digest. None if it has none."""
    matched = _REFERENCE.fullmatch(reference)
    return matched[1] if matched is not None else None
