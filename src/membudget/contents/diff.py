"""The differences between two images: layers, packages and files, and their causes. The result is limited in size."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from heapq import nlargest

from membudget.contents.file_diff import ChangeKind, FileChange, KindTotal, diff_files
from membudget.contents.image import shown
from membudget.contents.layer_pairs import LayerPair, PairParts, join_moved, match_by_parts, match_layers
from membudget.contents.merged import MergedImage
from membudget.contents.origin import LayerOrigin, OriginSource
from membudget.contents.packages.package import Ecosystem
from membudget.core.files import Stored

MOST_LAYERS = 100
MOST_PACKAGES = 200
MOST_DETAILS = 8
_FOLDER_PARTS = 3
"""How deep the folders are that stand for files without a package."""


@dataclass(frozen=True, slots=True)
class LayerDetail(Stored):
    """A part of a layer's change."""

    name: str
    """The name of a package, or a folder."""
    is_package: bool
    delta_bytes: int


@dataclass(frozen=True, slots=True)
class LayerChange(Stored):
    """A layer that differs between both sides, or all changed layers of the base image together."""

    kind: ChangeKind
    delta_bytes: int
    """The change of its regular-file bytes. The sum over all layers is the change of `image_size`."""
    base_layer: int | None
    head_layer: int | None
    instruction: str
    dockerfile_lines: tuple[int, int] | None
    source: OriginSource
    stage_lines: tuple[int, int] | None
    is_upstream: bool
    """Whether the base image changed, which no line of the Dockerfile caused."""
    details: tuple[LayerDetail, ...]
    """The largest parts of the change, those first that changed in its direction."""
    edited_from: str | None = None
    """The base's instruction, if the head's is another one in its place."""


@dataclass(frozen=True, slots=True)
class PackageChange(Stored):
    """A package that differs between both sides."""

    ecosystem: Ecosystem
    name: str
    base_versions: tuple[str, ...]
    head_versions: tuple[str, ...]
    base_bytes: int
    head_bytes: int


@dataclass(frozen=True, slots=True)
class ImageDiff(Stored):
    """The differences between two images, largest first."""

    delta_bytes: int
    """The change of `image_size`."""
    same_layers: int
    layers: tuple[LayerChange, ...]
    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]
    totals: tuple[KindTotal, ...]


def diff(base: MergedImage, head: MergedImage) -> ImageDiff:
    """Return the differences between two images."""
    inherited = (_inherited(base), _inherited(head))
    pairs = match_layers(_diff_ids(base), _diff_ids(head), _made_by(base), _made_by(head), inherited)
    changed = [pair for pair in pairs if not pair.is_same]
    parts = _Parts(
        _parts(base, {pair.base for pair in changed if pair.base is not None}),
        _parts(head, {pair.head for pair in changed if pair.head is not None}),
    )
    changed = list(match_by_parts(changed, _own(parts.base, base), _own(parts.head, head)))
    files, totals = diff_files(base.stack, head.stack)
    return ImageDiff(
        delta_bytes=head.contents.file_bytes - base.contents.file_bytes,
        same_layers=sum(pair.is_same for pair in pairs),
        layers=_layers(changed, base, head, parts),
        packages=_packages(base, head),
        files=files,
        totals=totals,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the changed layers of both sides, by the number of the layer."""

    base: Mapping[int, PairParts]
    head: Mapping[int, PairParts]


def _own(parts: Mapping[int, PairParts], image: MergedImage) -> dict[int, PairParts]:
    """Return the parts of the layers that are not from the base image, which are told together."""
    return {number: of_layer for number, of_layer in parts.items() if number in image.own_layers}


def _diff_ids(image: MergedImage) -> list[str]:
    return [stored.diff_id for stored in image.contents.layers]


def _made_by(image: MergedImage) -> list[str]:
    return [origin.instruction for origin in image.origins]


def _inherited(image: MergedImage) -> frozenset[int]:
    return frozenset(range(len(image.origins))) - image.own_layers


def _layers(
    changed: Sequence[LayerPair], base: MergedImage, head: MergedImage, parts: _Parts
) -> tuple[LayerChange, ...]:
    upstream = [pair for pair in changed if _is_inherited(pair, base.origins, head.origins)]
    own = [pair for pair in changed if pair not in upstream]
    groups = join_moved(own, parts.base, parts.head)
    changes = [_layer_change(group, base, head, parts, is_upstream=False) for group in groups]
    if upstream:
        changes.append(_layer_change(upstream, base, head, parts, is_upstream=True))
    changes.sort(key=lambda change: abs(change.delta_bytes), reverse=True)
    if len(changes) > MOST_LAYERS:  # the upstream change is not left out
        changes.sort(key=lambda change: not change.is_upstream)
        rest = changes[MOST_LAYERS - 1 :]
        delta = sum(change.delta_bytes for change in rest)
        changes[MOST_LAYERS - 1 :] = [
            LayerChange(
                _kind(0, delta), delta, None, None, f"{len(rest)} smaller changes", None, OriginSource.HISTORY, None,
                is_upstream=False, details=(),
            )
        ]  # fmt: skip
    return tuple(changes)


def _is_inherited(pair: LayerPair, base: Sequence[LayerOrigin], head: Sequence[LayerOrigin]) -> bool:
    sides = [base[pair.base]] if pair.base is not None else []
    sides += [head[pair.head]] if pair.head is not None else []
    return all(origin.is_inherited is True for origin in sides)


def _layer_change(
    pairs: Sequence[LayerPair], base: MergedImage, head: MergedImage, parts: _Parts, *, is_upstream: bool
) -> LayerChange:
    base_layers = frozenset(pair.base for pair in pairs if pair.base is not None)
    head_layers = frozenset(pair.head for pair in pairs if pair.head is not None)
    before = sum(base.contents.layers[number].layer.file_bytes for number in base_layers)
    after = sum(head.contents.layers[number].layer.file_bytes for number in head_layers)
    base_layer, head_layer = (None, None) if is_upstream else _main_layers(pairs, base, head)
    if head_layer is not None:
        origin = head.origins[head_layer]
    elif base_layer is not None:
        origin = base.origins[base_layer]
    else:
        origin = LayerOrigin("", True)
    return LayerChange(
        kind=_kind(before if base_layers else None, after if head_layers else None),
        delta_bytes=after - before,
        base_layer=base_layer,
        head_layer=head_layer,
        instruction=origin.instruction,
        # Lines of the base's Dockerfile do not exist in the head's.
        dockerfile_lines=origin.dockerfile_lines if head_layer is not None else None,
        source=origin.source,
        stage_lines=origin.stage_lines if head_layer is not None else None,
        is_upstream=is_upstream,
        details=_details(_together(parts.base, base_layers), _together(parts.head, head_layers), after - before),
        edited_from=_edited_from(base, base_layer, origin),
    )


def _main_layers(pairs: Sequence[LayerPair], base: MergedImage, head: MergedImage) -> tuple[int | None, int | None]:
    """Return the layers to name of a change: those that grew most, and what they were in the base."""

    def size(image: MergedImage, number: int | None) -> int:
        return image.contents.layers[number].layer.file_bytes if number is not None else 0

    largest = max(pairs, key=lambda pair: (pair.head is not None, size(head, pair.head) - size(base, pair.base)))
    befores = [largest.base, *(pair.base for pair in pairs)]
    return next((number for number in befores if number is not None), None), largest.head


def _edited_from(base: MergedImage, base_layer: int | None, after: LayerOrigin) -> str | None:
    """Return the base's instruction if it is another one than the head's. None if it is equal or unknown."""
    before = base.origins[base_layer].instruction if base_layer is not None else ""
    return before if before and after.instruction and before != after.instruction else None


def _kind(before: int | None, after: int | None) -> ChangeKind:
    if before is None:
        return ChangeKind.ADDED
    if after is None:
        return ChangeKind.REMOVED
    if before == after:
        return ChangeKind.CHANGED
    return ChangeKind.GROWN if after > before else ChangeKind.SHRUNK


def _details(before: PairParts, after: PairParts, delta_bytes: int) -> tuple[LayerDetail, ...]:
    """Return the parts of a change, by package, or by folder for files without one.

    Bytes are those of all content in the layers, live or not, like the layers' own sizes.
    """
    deltas = {name: after.get(name, 0) - before.get(name, 0) for name in before.keys() | after.keys()}

    def importance(part: tuple[tuple[bool, str], int]) -> tuple[bool, int, tuple[bool, str]]:
        name, delta = part
        return delta * delta_bytes > 0, abs(delta), name

    largest = nlargest(MOST_DETAILS, ((name, delta) for name, delta in deltas.items() if delta), key=importance)
    return tuple(LayerDetail(shown(name), is_package, delta) for (is_package, name), delta in largest)


def _together(parts: Mapping[int, PairParts], layers: Iterable[int]) -> PairParts:
    """Return the parts of several layers as those of one."""
    total: dict[tuple[bool, str], int] = {}
    for number in layers:
        for name, size in parts.get(number, {}).items():
            total[name] = total.get(name, 0) + size
    return total


def _parts(image: MergedImage, layers: AbstractSet[int]) -> dict[int, PairParts]:
    """Return the parts of some layers."""
    parts: dict[int, dict[tuple[bool, str], int]] = {number: {} for number in layers}
    counted: set[int] = set()
    for path, number in image.stack.names_below(""):
        layer = image.stack.layer(number)
        if layer not in layers or number in counted:
            continue
        counted.add(number)
        owner = image.claims.owner(number)
        key = (True, owner.name) if owner is not None else (False, _folder_of(path))
        parts[layer][key] = parts[layer].get(key, 0) + image.stack.size(number)
    for group in image.stack.waste:
        if group.from_layer in layers:
            key = (False, _folder_of(group.example))
            of_layer = parts[group.from_layer]
            of_layer[key] = of_layer.get(key, 0) + group.file_bytes
    return dict(parts)


def _folder_of(path: str) -> str:
    folder = path.rpartition("/")[0].split("/")
    return f"/{'/'.join(folder[:_FOLDER_PARTS])}"


def _packages(base: MergedImage, head: MergedImage) -> tuple[PackageChange, ...]:
    """Return the changed packages by name, so that an upgrade is one change."""
    before, after = _by_name(base), _by_name(head)
    changes = []
    for ecosystem, name in before.keys() | after.keys():
        base_bytes, base_versions = before.get((ecosystem, name), (0, ()))
        head_bytes, head_versions = after.get((ecosystem, name), (0, ()))
        if (base_bytes, base_versions) != (head_bytes, head_versions):
            changes.append(PackageChange(ecosystem, name, base_versions, head_versions, base_bytes, head_bytes))
    return tuple(
        nlargest(
            MOST_PACKAGES, changes, key=lambda one: (abs(one.head_bytes - one.base_bytes), one.ecosystem, one.name)
        )
    )


def _by_name(image: MergedImage) -> Mapping[tuple[Ecosystem, str], tuple[int, tuple[str, ...]]]:
    found: dict[tuple[Ecosystem, str], tuple[int, tuple[str, ...]]] = {}
    for package in image.packages:
        size, versions = found.get((package.ecosystem, package.name), (0, ()))
        both = tuple(sorted({*versions, package.version}))[:10]
        found[package.ecosystem, package.name] = (size + package.file_bytes, both)
    return found
