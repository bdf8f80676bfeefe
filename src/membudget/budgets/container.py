"""What surrounds a measured container: environment, files, rights and CPUs, and the services that it needs."""

import posixpath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from membudget.budgets.fields import (
    AbsolutePath,
    FileModel,
    NonEmpty,
    RepositoryPath,
    SecretName,
    ServiceName,
    SizeBytes,
    Variables,
    not_allowed,
)
from membudget.core.quantities import MOST_CPUS

DEFAULT_CPUS = 2
"""The same number on every machine, because runtimes size their heaps and pools by the CPUs that they see."""


class ContainerSettings(FileModel):
    """Environment, files and rights of the measured container. Nothing of the runner is mounted; files are copied."""

    env: Variables = {}
    """Environment variables. They override those of `env_files`."""
    env_files: tuple[RepositoryPath, ...] = ()
    """Files of the repository with one NAME=VALUE per line. Later files override earlier ones."""
    secrets: tuple[SecretName, ...] = ()
    """Names of variables that are taken from membudget's own environment. Their values are never shown. A check may
    allow only certain names: see the action's input `secrets`.
    """
    tmpfs: dict[AbsolutePath, SizeBytes] = {}
    """Memory file systems and their sizes. Their content counts as RSS."""
    volumes: dict[AbsolutePath, RepositoryPath] = {}
    """Volumes that are created anew for each trial, each with a copy of a folder of the repository."""
    read_only: bool = False
    """Make the image's own files read-only. Only `tmpfs` and `volumes` can then be written to."""
    user: NonEmpty | None = None
    """The user of the container's processes: a name or an ID, optionally with a group ("1000:1000")."""
    cpus: Annotated[int, Field(ge=1, le=MOST_CPUS, strict=True)] = DEFAULT_CPUS
    """How many CPUs the container sees and may use. If the machine has fewer, all of them."""
    network: Literal["none", "open"] = "none"
    """"open" allows outgoing connections through the engine's default network. The report then says so."""


COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""The names that compose looks for, in its order."""


class ComposeSettings(FileModel):
    """Measure the image as a service of a compose file. The services it depends on run beside it, outside its limit."""

    file: RepositoryPath = COMPOSE_FILES[0]
    """Path of the compose file, from the top of the repository."""
    service: ServiceName | None = None
    """The service to measure. If absent, the one with the image's name."""
    sidecars: tuple[ServiceName, ...] = ()
    """Services that are also measured and added to the pod's total."""
    stand_ins: dict[NonEmpty, RepositoryPath | Literal[False]] = {}
    """Files and folders that the compose file names and that are not committed. Each has a committed one that takes its
    place, or `false`: the container runs without the file, or with an empty volume in place of the repository's folder.
    """

    def stand_in(self, path: str) -> str | None:
        """Return the path to use instead of one that the compose file names. None if the container runs without it."""
        instead = self.stand_ins.get(path, path)
        return None if instead is False else instead

    @property
    def variables_file(self) -> str | None:
        """The path of the file whose variables compose fills in. None if none are."""
        return self.stand_in(posixpath.join(posixpath.dirname(self.file), ".env"))

    @property
    def named_files(self) -> tuple[str, ...]:
        """The committed files and folders that stand in for others."""
        return tuple(path for path in self.stand_ins.values() if path is not False)

    @model_validator(mode="after")
    def _sidecars_are_others(self) -> Self:
        if len(set(self.sidecars)) < len(self.sidecars) or self.service in self.sidecars:
            raise not_allowed("each sidecar once, and not the measured service itself")
        return self
