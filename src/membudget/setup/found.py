"""What `init` finds in a repository: facts about images, each with the place that it was read from, and their names."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from membudget.check.manifest_source import name_in
from membudget.core.untrusted_text import printable

T = TypeVar("T")

_LONGEST = 50
_LONGEST_REFERENCE = 500
MOST_ALIASES = 20
"""The most names of one image that are looked for in manifests."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in the repository."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{printable(self.path)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value, and where it was found."""

    value: T
    origin: Origin


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not read, or not used."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class HealthProbe:
    """How somebody asks a container whether it is ready.

    Without a path, the port is asked whether it accepts connections. Without a port as well, the image's own
    HEALTHCHECK says it.
    """

    path: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class BakeTarget:
    """A target of the bake file that a definition was read from."""

    name: str
    folder: str | None = None
    """The folder that the file's paths start from. None for its own."""


@dataclass(frozen=True, slots=True)
class BuildDefinition:
    """How an image is built, as a Dockerfile or a file that names one says it."""

    name: str
    """The name that the image would have in the budgets file."""
    context: str
    """The folder of the build context, from the top of the repository."""
    dockerfile: str
    """The path of the Dockerfile, from the top of the repository."""
    origin: Origin
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    """The last parts of the references that the image is tagged with."""
    bake: BakeTarget | None = None
    """The target of the bake file that says all of this. None if another file says it."""
    platform: str | None = None
    """The only platform that the image is built for. None if there are several, or none is said."""
    network: str = "default"
    """The network of RUN steps."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes two definitions ones of the same image."""
        return self.context, self.dockerfile, self.target


@dataclass(frozen=True, slots=True)
class Deployed:
    """A container as it is deployed: by a manifest, a chart, or a compose file."""

    names: tuple[str, ...]
    """Names that the image may have, the most telling first."""
    origin: Origin
    limit: Fact[int] | None = None
    """The memory limit, in bytes."""
    ports: tuple[Fact[int], ...] = ()
    probes: tuple[Fact[HealthProbe], ...] = ()
    runs_to_end: bool = False
    """Whether it is a job and no service."""
    has_own_command: bool = False
    """Whether it runs something else than the image's own command, for which the Dockerfile's ports tell nothing."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment variables whose values are written there."""
    unknown_variables: tuple[str, ...] = ()
    """Variables that it needs and whose values no file has: their names, or the secrets that they come from."""
    sources: tuple[str, ...] = ()
    """The files that it was made of. Empty if it is the one of `origin` alone."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service of a compose file that is built from the repository."""

    build: BuildDefinition
    deployed: Deployed
    service: str
    needs_its_file: bool
    """Whether the service needs what the compose file says: other services, variables, a command, files."""
    stand_ins: Mapping[str, str | Literal[False]] = field(default_factory=dict)
    """What takes the place of files that the service needs and that are not committed. False for none."""
    remarks: tuple[str, ...] = ()
    """What people have to know about these files."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image of the repository, with all that was found about it."""

    name: str
    build: BuildDefinition
    limit: Fact[int] | None = None
    ports: tuple[Fact[int], ...] = ()
    probes: tuple[Fact[HealthProbe], ...] = ()
    """Ways to ask whether it is ready, the best first."""
    compose: ComposeService | None = None
    """The compose service to measure it as. None if it can run alone."""
    runs_to_end: Origin | None = None
    """Where it says that the container is a job. None if nothing says so."""
    variables: Fact[Mapping[str, str]] | None = None
    """The environment variables that it is deployed with. None if there are none."""
    unknown_variables: Fact[tuple[str, ...]] | None = None
    """Variables that it is deployed with and whose values no file has. None if there are none."""
    is_service: bool = False
    """Whether something deploys it as a service."""


def image_name(text: str) -> str:
    """Return a name that a budgets file allows, as near to `text` as possible."""
    words = re.split(r"[^a-z0-9]+", text[: 4 * _LONGEST].lower())
    name = "-".join(word for word in words if word)[:_LONGEST].strip("-")
    return name or "image"


def unused_name(name: str, longer: str, taken: Collection[str]) -> str:
    """Return `name`, or if it is taken a longer one, or else one with a number."""
    for one in (name, image_name(longer)):
        if one not in taken:
            return one
    return next(numbered for number in range(2, 10_000) if (numbered := f"{name}-{number}") not in taken)


def last_part(reference: str) -> str | None:
    """Return the last part of an image's reference, without tag and digest. None if variables make it unknown."""
    found = name_in(reference[:_LONGEST_REFERENCE].strip())
    if found is None or any(sign in found for sign in "${}"):
        return None
    return found.lower() or None
