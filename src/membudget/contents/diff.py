"""The differences between two images: layers, packages and files, and their causes. The result is limited in size.

A layer of the head is paired with a layer of the base by content, and then by the instruction that created it. An
inserted layer therefore counts as one inserted layer, and not as a change of all layers above it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple

from membudget.contents.file_diff import ChangeKind, FileChange, KindTotal, diff_files
from membudget.contents.image import shown
from membudget.contents.merged import MergedImage
from membudget.contents.origin import LayerOrigin, OriginSource
from membudget.contents.packages.package import Ecosystem
from membudget.core.files import Stored

_MOST_COMPARISONS = 1_000_000
"""The most comparisons between the parts in which two images differ. They take half a second. `difflib` has no limit.
"""


class LayerPair(NamedTuple):
    """The indexes of one layer in base and head. None on the side that does not have it."""

    base: int | None
    head: int | None
    is_same: bool
    """Whether both layers have the same content."""


def match_layers(
    base: Sequence[str], head: Sequence[str], base_made_by: Sequence[str], head_made_by: Sequence[str]
) -> tuple[LayerPair, ...]:
    """Pair layers, lowest first, by their DiffIDs and the texts of their instructions. "" matches nothing."""
    pairs: list[LayerPair] = []
    base_named = [text or f"base {index}" for index, text in enumerate(base_made_by)]
    head_named = [text or f"head {index}" for index, text in enumerate(head_made_by)]
    for before, after, same in _with_gaps(_common(base, head), len(base), len(head)):
        for one, other, alike in _with_gaps(
            _common(base_named[before.start : before.stop], head_named[after.start : after.stop]),
            len(before),
            len(after),
        ):
            pairs += [LayerPair(before[index], None, is_same=False) for index in one]
            pairs += [LayerPair(None, after[index], is_same=False) for index in other]
            if alike is not None:
                pairs.append(LayerPair(before[alike[0]], after[alike[1]], is_same=False))
        if same is not None:
            pairs.append(LayerPair(*same, is_same=True))
    return tuple(pairs)


def _with_gaps(
    common: Sequence[tuple[int, int]], base_count: int, head_count: int
) -> Iterator[tuple[range, range, tuple[int, int] | None]]:
    """Yield each common element with the ranges that precede it on both sides, and finally the ranges at the end."""
    base_from = head_from = 0
    for one, other in common:
        yield range(base_from, one), range(head_from, other), (one, other)
        base_from, head_from = one + 1, other + 1
    yield range(base_from, base_count), range(head_from, head_count), None


def _common(base: Sequence[str], head: Sequence[str]) -> list[tuple[int, int]]:
    """Return a longest common subsequence as pairs of indexes. For very long inputs, only compare both ends."""
    begin = 0
    while begin < min(len(base), len(head)) and base[begin] == head[begin]:
        begin += 1
    end = 0
    while end < min(len(base), len(head)) - begin and base[-1 - end] == head[-1 - end]:
        end += 1
    middle = _subsequence(base[begin : len(base) - end], head[begin : len(head) - end])
    return [
        *((index, index) for index in range(begin)),
        *((begin + one, begin + other) for one, other in middle),
        *((len(base) - index, len(head) - index) for index in range(end, 0, -1)),
    ]


def _subsequence(base: Sequence[str], head: Sequence[str]) -> Iterator[tuple[int, int]]:
    if len(base) * len(head) > _MOST_COMPARISONS:
        return
    lengths = [[0] * (len(head) + 1) for _ in range(len(base) + 1)]
    for one in range(len(base) - 1, -1, -1):
        row, below = lengths[one], lengths[one + 1]
        for other in range(len(head) - 1, -1, -1):
            row[other] = below[other + 1] + 1 if base[one] == head[other] else max(below[other], row[other + 1])
    one = other = 0
    while one < len(base) and other < len(head):
        if base[one] == head[other]:
            yield one, other
            one, other = one + 1, other + 1
        elif lengths[one + 1][other] >= lengths[one][other + 1]:
            one += 1
        else:
            other += 1


MOST_LAYERS = 100
MOST_PACKAGES = 200
MOST_DETAILS = 8
_FOLDER_PARTS = 3
"""How deep the folders are that stand for files without a package."""


@dataclass(frozen=True, slots=True)
class Detail(Stored):
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
    details: tuple[Detail, ...]
    """The largest parts of the change."""


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
    pairs = match_layers(_diff_ids(base), _diff_ids(head), _made_by(base), _made_by(head))
    changed = [pair for pair in pairs if not pair.is_same]
    files, totals = diff_files(base.stack, head.stack)
    return ImageDiff(
        delta_bytes=head.contents.file_bytes - base.contents.file_bytes,
        same_layers=len(pairs) - len(changed),
        layers=_layers(changed, base, head),
        packages=_packages(base, head),
        files=files,
        totals=totals,
    )


def _diff_ids(image: MergedImage) -> list[str]:
    return [stored.diff_id for stored in image.contents.layers]


def _made_by(image: MergedImage) -> list[str]:
    return [origin.instruction for origin in image.origins]


def _layers(changed: Sequence[LayerPair], base: MergedImage, head: MergedImage) -> tuple[LayerChange, ...]:
    upstream = [pair for pair in changed if _is_inherited(pair, base.origins, head.origins)]
    own = [pair for pair in changed if pair not in upstream]
    changes = [_layer_change([pair], base, head, is_upstream=False) for pair in own]
    if upstream:
        changes.append(_layer_change(upstream, base, head, is_upstream=True))
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
    pairs: Sequence[LayerPair], base: MergedImage, head: MergedImage, *, is_upstream: bool
) -> LayerChange:
    base_layers = frozenset(pair.base for pair in pairs if pair.base is not None)
    head_layers = frozenset(pair.head for pair in pairs if pair.head is not None)
    before = sum(base.contents.layers[number].layer.file_bytes for number in base_layers)
    after = sum(head.contents.layers[number].layer.file_bytes for number in head_layers)
    base_layer, head_layer = (None, None) if is_upstream else pairs[0][:2]
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
        details=_details(base, base_layers, head, head_layers),
    )


def _kind(before: int | None, after: int | None) -> ChangeKind:
    if before is None:
        return ChangeKind.ADDED
    if after is None:
        return ChangeKind.REMOVED
    if before == after:
        return ChangeKind.CHANGED
    return ChangeKind.GROWN if after > before else ChangeKind.SHRUNK


def _details(
    base: MergedImage, base_layers: frozenset[int], head: MergedImage, head_layers: frozenset[int]
) -> tuple[Detail, ...]:
    """Return the parts of a change, by package, or by folder for files without one.

    Bytes are those of all content in the layers, live or not, like the layers' own sizes.
    """
    before, after = _parts(base, base_layers), _parts(head, head_layers)
    deltas = {name: after.get(name, 0) - before.get(name, 0) for name in before.keys() | after.keys()}
    largest = nlargest(MOST_DETAILS, deltas.items(), key=lambda part: (abs(part[1]), part[0]))
    return tuple(Detail(shown(name), is_package, delta) for (is_package, name), delta in largest if delta)


def _parts(image: MergedImage, layers: frozenset[int]) -> dict[tuple[bool, str], int]:
    """Return the bytes of some layers, by (whether it is a package, name of the package or folder)."""
    parts: dict[tuple[bool, str], int] = {}
    counted: set[int] = set()
    for path, number in image.stack.names_below(""):
        if image.stack.layer(number) not in layers or number in counted:
            continue
        counted.add(number)
        owner = image.claims.owner(number)
        key = (True, owner.name) if owner is not None else (False, _folder_of(path))
        parts[key] = parts.get(key, 0) + image.stack.size(number)
    for group in image.stack.waste:
        if group.from_layer in layers:
            key = (False, _folder_of(group.example))
            parts[key] = parts.get(key, 0) + group.file_bytes
    return parts


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
