"""Base's budgets under head's names: what was only renamed keeps its budgets, and needs nobody's approval."""

from collections.abc import Mapping
from dataclasses import replace

from membudget.budgets.budget import Budgets


def renamed(base: Budgets, images: Mapping[str, str]) -> Budgets:
    """Base's budgets with some images called otherwise; `images`: new names by old ones."""

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
    """Base's budgets, its groups called as in head where a group of head has the same images and none has its name."""
    gone = [name for name in base.groups if name not in head.groups]
    new = {frozenset(group.images or ()): name for name, group in head.groups.items() if name not in base.groups}
    names = {}
    for name in gone:
        found = new.pop(frozenset(base.groups[name].images or ()), None)
        if found is not None:
            names[name] = found
    return replace(base, groups={names.get(name, name): group for name, group in base.groups.items()})
