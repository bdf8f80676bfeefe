"""Measure an image as a container of a Kubernetes manifest: what the budgets file names of it."""

import re
from collections.abc import Iterable
from typing import Self

from pydantic import model_validator

from membudget.budgets.fields import FileModel, NonEmpty, Variables, not_allowed
from membudget.budgets.manifests import LONGEST_PATH, ManifestPath, ValuesFiles

_CONTAINER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""The name of a container in Kubernetes (RFC 1123, a label)."""


class KubernetesSettings(FileModel):
    """Measure the image as a container of a pod, with the init containers and sidecars of its manifest."""

    manifest: ManifestPath
    """A Kubernetes manifest, a folder of Kustomize, or a Helm chart, from the top of the repository."""
    values: ValuesFiles = ()
    """Values files of a Helm chart. If absent, those of the entry of `manifests` with the same path."""
    workload: NonEmpty | None = None
    """The workload, such as "Deployment/api". If absent, the only one that has the container."""
    container: NonEmpty | None = None
    """The container to measure. If absent, the one that runs the image."""
    without: tuple[NonEmpty, ...] = ()
    """Containers of the pod that are not started."""
    env: dict[NonEmpty, Variables] = {}
    """Environment variables of the other containers, by container. For the measured one, use `container.env`."""

    @model_validator(mode="after")
    def _names_are_possible(self) -> Self:
        if any(len(path) > LONGEST_PATH for path in self.named_files):
            raise not_allowed(f"paths of {LONGEST_PATH} characters or fewer")
        named = (*self.without, *self.env, *((self.container,) if self.container is not None else ()))
        if not all(map(_CONTAINER.fullmatch, named)):
            raise not_allowed("names of containers: lower-case letters, digits and -")
        if self.container in self.without:
            raise not_allowed("`without` for other containers than the measured one")
        if self.container in self.env:
            raise not_allowed("`env` for other containers: the measured one has container.env")
        return self

    @property
    def named_files(self) -> Iterable[str]:
        """The paths that the table names."""
        return (self.manifest, *self.values)
