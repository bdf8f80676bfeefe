"""How the measured container is made: what surrounds it in production, in a few lines."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from membudget.budgets.fields import (
    AbsolutePath,
    FileModel,
    NonEmpty,
    ServiceName,
    SizeBytes,
    VariableName,
    not_allowed,
)

DEFAULT_CPUS = 2
"""The same everywhere: runtimes size their heaps and pools by what they see."""

RepositoryPath = NonEmpty
"""From the top of the repository, as committed."""

_RUNNERS_OWN = (
    "ACTIONS_", "AWS_", "AZURE_", "CI_", "DOCKER_", "FORGEJO_", "GH_", "GITEA_", "GITHUB_", "GOOGLE_", "INPUT_",
    "MEMBUDGET_", "NPM_", "PYPI_", "RUNNER_", "SSH_",
)  # fmt: skip
"""A pull request writes the budgets file: it must not name tokens of the runner, a cloud or a package index and have
them handed out."""


def _not_the_runners(name: str) -> str:
    if name.upper().startswith(_RUNNERS_OWN):
        raise not_allowed(f"a name of the workload's own; none that begins with {', '.join(_RUNNERS_OWN)}")
    return name


SecretName = Annotated[VariableName, AfterValidator(_not_the_runners)]

Variables = dict[VariableName, Annotated[str, StringConstraints(max_length=32_768)]]


class ContainerSettings(FileModel):
    """Environment, files and rights of the measured container. Nothing of the runner is mounted: all is copied."""

    env: Variables = {}
    """Environment variables, over those of `env_files`."""
    env_files: tuple[RepositoryPath, ...] = ()
    """Files of the repository with a NAME=VALUE a line, later ones over earlier ones."""
    secrets: tuple[SecretName, ...] = ()
    """Variables taken by name from membudget's own environment; what they hold is shown nowhere. A check may allow some
    names alone: the action's input `secrets`."""
    tmpfs: dict[AbsolutePath, SizeBytes] = {}
    """Memory file systems and their sizes. What is in them counts as RSS."""
    volumes: dict[AbsolutePath, RepositoryPath] = {}
    """A fresh volume for each trial, with a copy of what is in a folder of the repository."""
    read_only: bool = False
    """The image's own files cannot be written: only `tmpfs` and `volumes` can."""
    user: NonEmpty | None = None
    """Who the container's processes are: a name or id, and a group if need be ("1000:1000")."""
    cpus: Annotated[int, Field(ge=1, le=1024, strict=True)] = DEFAULT_CPUS
    """How many CPUs it sees and may use; all there are where the machine has fewer."""
    network: Literal["none", "open"] = "none"
    """"open" lets it out, through the engine's default network; the report says so."""


class ComposeSettings(FileModel):
    """The image as a service of a compose file: what it depends on runs beside it, outside its limit."""

    file: RepositoryPath = "compose.yaml"
    """The compose file, from the top of the repository."""
    service: ServiceName | None = None
    """Which service is measured. Absent: the one that is called like the image."""
    sidecars: tuple[ServiceName, ...] = ()
    """Services that are measured as well, and summed with it into the pod's total."""

    @model_validator(mode="after")
    def _sidecars_are_others(self) -> Self:
        if len(set(self.sidecars)) < len(self.sidecars) or self.service in self.sidecars:
            raise not_allowed("each sidecar once, and not the measured service itself")
        return self
