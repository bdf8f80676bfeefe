"""The pod that membudget measures for an image's table `kubernetes`, with the settings that its manifest gives.

It holds what decides a measurement, and no places and no tags of measured images. So two commits whose pods are equal
are measured in the same way, even if their manifests differ.
"""

from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.entries import Build, ImageSpec
from membudget.budgets.kubernetes import KubernetesSettings


@dataclass(frozen=True, slots=True)
class PodProbe:
    """What tells that a container has started or is ready: a command, or else a port, with or without a path."""

    command: tuple[str, ...] = ()
    http: str | None = None
    port: int | None = None


class VolumeKind(StrEnum):
    """What a volume holds at first."""

    EMPTY = "empty"
    MEMORY = "memory"
    """Nothing. What is written counts as the memory of the container that writes it."""
    FILES = "files"


@dataclass(frozen=True, slots=True)
class PodFile:
    """A file of a volume."""

    path: str
    content: str
    mode: int = 0o644
    is_base64: bool = False
    """Whether the content is bytes, which are written as base64."""


@dataclass(frozen=True, slots=True)
class PodVolume:
    """A volume of the pod."""

    name: str
    kind: VolumeKind = VolumeKind.EMPTY
    size_bytes: int | None = None
    files: tuple[PodFile, ...] = ()


@dataclass(frozen=True, slots=True)
class PodMount:
    """Where a container sees a volume."""

    volume: str
    path: str
    sub_path: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodContainer:
    """A container of the pod. None stands for what the image itself says."""

    name: str
    image: str | None = None
    """The image to pull. None if the container runs an image of the budgets file."""
    build: Build | None = None
    """How to build its image. None if it is pulled, or if it is the measured image."""
    runs_to_end: bool = False
    """Whether the containers after it wait for its end."""
    command: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    workdir: str | None = None
    user: str | None = None
    groups: tuple[int, ...] = ()
    read_only: bool = False
    dropped: tuple[str, ...] = ()
    """Capabilities that it does not get."""
    kept: tuple[str, ...] = ()
    """Of the engine's default capabilities, those that it gets although all are dropped."""
    limit_bytes: int | None = None
    """None for the measured container, whose image has the limit."""
    mounts: tuple[PodMount, ...] = ()
    started: PodProbe | None = None
    """The containers after a sidecar wait for this."""


@dataclass(frozen=True, slots=True)
class DeployedPod:
    """A pod."""

    measured: str
    """The container of the image."""
    containers: tuple[PodContainer, ...]
    """All of them, in the order in which they start."""
    volumes: tuple[PodVolume, ...] = ()
    ready: PodProbe | None = None
    """When the measured container is ready."""
    ports: tuple[int, ...] = ()
    """The ports that the measured container declares."""


class ResolvedKubernetes(KubernetesSettings):
    """The table `kubernetes`, with what its manifest says. No file can write it."""

    pod: DeployedPod


def pod_of(spec: ImageSpec) -> DeployedPod | None:
    """Return the pod that an image is measured in. None if it has no manifest.

    Raises TypeError if the manifest was not read: check/pods.py reads it before anything is compared.
    """
    settings = spec.kubernetes
    if settings is None:
        return None
    if not isinstance(settings, ResolvedKubernetes):
        raise TypeError("the manifest of this image was not read")
    return settings.pod
