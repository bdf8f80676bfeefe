"""The images of two revisions, paired by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from membudget.budgets.entries import Build, ImageSpec
from membudget.build.revision import Commit, NoBase, Side
from membudget.judge.measurement import Presence


@dataclass(frozen=True, slots=True)
class Pair:
    """The image of one name on both sides."""

    name: str
    presence: Presence
    head: ImageSpec | None
    base: ImageSpec | None

    @property
    def builds(self) -> dict[Side, Build]:
        """What to build, base first. A removed image is not built: there is nothing to compare it with."""
        if self.head is None:
            return {}
        return ({Side.BASE: self.base.build} if self.base else {}) | {Side.HEAD: self.head.build}


def paired(
    head_images: Mapping[str, ImageSpec], base_images: Mapping[str, ImageSpec], revision: Commit | NoBase
) -> Iterator[Pair]:
    """Head's images in the order of its file, then the ones that it dropped. `revision`: the base's."""
    for name, head in head_images.items():
        base = base_images.get(name)
        if isinstance(revision, NoBase):
            yield Pair(name, Presence.HEAD_ONLY, head, None)
        else:
            yield Pair(name, Presence.BOTH if base else Presence.NEW, head, base)
    for name, base in base_images.items():
        if name not in head_images:
            yield Pair(name, Presence.REMOVED, None, base)
