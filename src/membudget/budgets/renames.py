"""The base's budgets under the head's names. What was only renamed keeps its budgets and needs no approval."""

from collections.abc import Hashable, Mapping
from dataclasses import replace

from membudget.budgets.entries import Budgets


def new_names(gone: Mapping[str, Hashable], new: Mapping[str, Hashable]) -> dict[str, str]:
    """New names by old ones, of images with equal content. Both arguments: what names an image's content, by image.

    Two images of equal content on one side are ambiguous: none of them counts as renamed.
    """
    before, after = _unique(gone), _unique(new)
    return {name: after[content] for content, name in before.items() if content in after}


def _unique(contents: Mapping[str, Hashable]) -> dict[Hashable, str]:
    all_of_them = list(contents.values())
    return {content: name for name, content in contents.items() if all_of_them.count(content) == 1}


def renamed(base: Budgets, images: Mapping[str, str]) -> Budgets:
    """The base's budgets with some images under new names. `images`: new names by old ones."""

    def name(image: str) -> str:
        return images.get(image, image)

    groups = {
        group: one.model_copy(update={"images": tuple(map(name, one.images or ()))})
        for group, one in base.groups.items()
    }
    return replace(
        base,
        images={name(image): spec for image, spec in base.images.items()},
        groups=groups,
        exceptions=tuple(one.model_copy(update={"image": name(one.image)}) for one in base.exceptions),
    )


def with_groups_of(head: Budgets, base: Budgets) -> Budgets:
    """The base's budgets. A group that the head lacks gets the name of a new group with the same images."""
    gone = [name for name in base.groups if name not in head.groups]
    new = {frozenset(group.images or ()): name for name, group in head.groups.items() if name not in base.groups}
    names = {}
    for name in gone:
        found = new.pop(frozenset(base.groups[name].images or ()), None)
        if found is not None:
            names[name] = found
    return replace(base, groups={names.get(name, name): group for name, group in base.groups.items()})
