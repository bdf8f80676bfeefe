"""Reads BuildKit's record of a build: which lines of the Dockerfile created which layer.

Format: moby/buildkit, docs/attestations/slsa-definitions.md, `mode=max`, which is SLSA provenance v0.2 or v1. The
builder writes it, but about a build of a pull request, so its content is not trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_BUILDKIT = "https://mobyproject.org/buildkit@v1#metadata"

LineNumber = Annotated[int, Field(ge=0, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Position(_Part):
    line: LineNumber = 0


class _Range(_Part):
    start: _Position = _Position()
    end: _Position = _Position()


class _Location(_Part):
    ranges: tuple[_Range, ...] = ()


class _Locations(_Part):
    locations: tuple[_Location, ...] = ()


class _Source(_Part):
    locations: Annotated[dict[str, _Locations], Field(max_length=100_000)] = {}


class _Descriptor(_Part):
    digest: str


class _Metadata(_Part):
    source: _Source = _Source()
    layers: Annotated[dict[str, tuple[tuple[_Descriptor, ...], ...]], Field(max_length=100_000)] = {}


@dataclass(frozen=True, slots=True)
class Provenance:
    """The layers and lines of a build."""

    lines: Mapping[str, tuple[int, int]]
    """The first and the last Dockerfile line of each step."""
    chains: Mapping[tuple[str, ...], str]
    """The step whose result consists of these layers."""

    def layer_lines(self, count: int) -> tuple[tuple[int, int] | None, ...]:
        """Return the lines of each of an image's layers. None for layers without a known line."""
        whole = next((chain for chain in self.chains if len(chain) == count), None)
        if whole is None or not count:
            return (None,) * count
        steps = [self.chains.get(whole[: number + 1]) for number in range(count)]
        return tuple(self.lines.get(step) if step is not None else None for step in steps)


def parse_provenance(document: object) -> Provenance | None:
    """Parse a predicate, a statement around one, or the output of buildx. None if there is no provenance."""
    metadata = _metadata(document)
    if metadata is None:
        return None
    try:
        known = _Metadata.model_validate(metadata)
    except ValidationError:
        return None
    lines: dict[str, tuple[int, int]] = {}
    for step, located in known.source.locations.items():
        ranges = [one for location in located.locations for one in location.ranges if one.start.line]
        if ranges:
            first = min(one.start.line for one in ranges)
            lines[step] = (first, max(first, *(one.end.line for one in ranges)))
    chains: dict[tuple[str, ...], str] = {}
    for output, results in known.layers.items():
        for chain in results:
            chains.setdefault(tuple(one.digest for one in chain), output.partition(":")[0])
    return Provenance(lines, chains)


def _metadata(document: object) -> object:
    """Return BuildKit's own part, wherever it is."""
    for around in ("buildx.build.provenance", "predicate"):  # the output of buildx, a statement, or neither
        if isinstance(document, dict) and isinstance(document.get(around), dict):
            document = document[around]
    if not isinstance(document, dict):
        return None
    for old, new in (("metadata", _BUILDKIT), ("runDetails", "metadata")):
        holder = document.get(old)
        if isinstance(holder, dict) and isinstance(holder.get(new), dict):
            found = holder[new]
            for key in ("buildkit_metadata", _BUILDKIT):
                if isinstance(found.get(key), dict):
                    return found[key]
            return found
    return None
