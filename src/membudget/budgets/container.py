"""How the measured container is made: what surrounds it in production, in a few lines."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from membudget.budgets.fields import AbsolutePath, FileModel, NonEmpty, SizeBytes, VariableName

DEFAULT_CPUS = 2
"""The same everywhere: runtimes size their heaps and pools by what they see."""

RepositoryPath = NonEmpty
"""From the top of the repository, as committed."""

Environment = dict[VariableName, Annotated[str, StringConstraints(max_length=32_768)]]


class ContainerSettings(FileModel):
    """Environment, files and rights of the measured container. Nothing of the runner is mounted: all is copied."""

    env: Environment = {}
    """Environment variables, over those of `env_files`."""
    env_files: tuple[RepositoryPath, ...] = ()
    """Files of the repository with a NAME=VALUE a line, later ones over earlier ones."""
    secrets: tuple[VariableName, ...] = ()
    """Variables taken by name from membudget's own environment; what they hold is shown nowhere."""
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
