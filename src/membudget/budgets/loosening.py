"""How the head's budgets file differs from the base's, and whether someone approved what is looser.

The label that approves says that someone approved the changes, but not which. A later push may loosen more. So the
label counts for the commit at which it was set, and afterwards for as long as a digest of the changes stays the same.
membudget's own comment keeps that digest. Only membudget and the repository's maintainers can edit the comment.
"""

import hashlib
import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from membudget.budgets.budget_parts import every_part, parts_of
from membudget.budgets.entries import Budgets, Build, ImageSpec
from membudget.budgets.exceptions import BudgetException
from membudget.budgets.fields import ImageName
from membudget.budgets.rules import NO_BUDGET, GroupRules, ImageRules, MetricRules
from membudget.budgets.trial_count import TrialCount
from membudget.core.files import Stored
from membudget.core.metric_words import format_value
from membudget.core.quantities import format_size


@dataclass(frozen=True, slots=True)
class Loosening(Stored):
    """One thing that the head allows and the base does not."""

    subject: ImageName
    """The name of an image or a group."""
    is_group: bool
    key: str
    """The key in the budgets file, below the image's or group's own."""
    before: str
    after: str
    """The value in words, as stored in the report. No decision depends on it."""


def image_loosenings(name: str, base: ImageRules, head: ImageRules) -> Iterator[Loosening]:
    """Yield the settings and budgets of an image that are looser."""
    for key, before, after in [*_loosened_settings(base.spec, head.spec), *_loosened_rules(base, head)]:
        yield Loosening(name, is_group=False, key=key, before=before, after=after)


def _loosened_settings(base: ImageSpec, head: ImageSpec) -> Iterator[tuple[str, str, str]]:
    if head.limit_bytes > base.limit_bytes:
        yield "limit", format_size(base.limit_bytes), format_size(head.limit_bytes)
    if (base.leak, head.leak) == ("fail", "advise"):
        yield "leak", "fail", "advise"
    if (base.container.network, head.container.network) == ("none", "open"):
        yield "container.network", "none", "open"
    more = sorted(set(head.container.secrets) - set(base.container.secrets))
    if more:
        yield "container.secrets", ", ".join(base.container.secrets) or "none", ", ".join(head.container.secrets)
    yield from head.fit.looser_than(base.fit)
    if base.fit.survives is not None:
        yield from head.production.looser_than(base.production)
    for key, before, after in (
        ("min", base.trials.min, head.trials.min),
        ("max", base.trials.max, head.trials.max),
    ):
        if after < before:
            yield f"trials.{key}", str(before), str(after)
    for phase in sorted(head.unjudged_phases - base.unjudged_phases):
        yield f"phases.{phase}.judged", "true", "false"


def _loosened_rules(base: ImageRules, head: ImageRules) -> Iterator[tuple[str, str, str]]:
    yield from _loosened_budgets("budgets.", base.budgets, head.budgets)
    for phase, budgets in base.phase_budgets.items():
        yield from _loosened_budgets(f"phases.{phase}.", budgets, head.phase_budgets.get(phase, {}))


def group_loosenings(name: str, base: GroupRules, head: GroupRules) -> Iterator[Loosening]:
    """Yield the totals of a group that are looser, and the images that it no longer includes."""
    fewer = not set(head.images).issuperset(base.images)
    if fewer and head.images:
        yield Loosening(name, is_group=True, key="images", before=", ".join(base.images), after=", ".join(head.images))
    for key, before, after in _loosened_budgets("total.", base.budgets, head.budgets):
        yield Loosening(name, is_group=True, key=key, before=before, after=after)


def _loosened_budgets(prefix: str, base: MetricRules, head: MetricRules) -> Iterator[tuple[str, str, str]]:
    for metric, before in base.items():
        after = head.get(metric, NO_BUDGET)
        for key, part in parts_of(metric):
            allowed, allows = part(metric, before), part(metric, after)
            if allowed is not None and (allows is None or allows[0] > allowed[0]):
                yield f"{prefix}{metric}.{key}", allowed[1], allows[1] if allows is not None else "none"
        if before.creep is not None and after.creep is not None and before.creep.since != after.creep.since:
            yield f"{prefix}{metric}.creep.since", before.creep.since, after.creep.since  # neither is known to be later


def loosened_exception(one: BudgetException) -> Loosening:
    """Return the loosening for an exception that is new or allows more than before."""
    after = f"{format_value(one.metric, one.allow)} until {one.until.isoformat()}"
    return Loosening(one.image, is_group=False, key=f"exceptions: {one.metric}", before="none", after=after)


def removed_image(name: str, base: ImageRules) -> Loosening:
    """Return the loosening for an image that the base has and the head lacks, with all limits that are lost."""
    lost = [f"limit {format_size(base.spec.limit_bytes)}"]
    for metric, budget in base.budgets.items():
        allowed = [
            (key, part(metric, budget)) for key, part in parts_of(metric) if budget.every or part is not every_part
        ]
        lost += [f"{metric}.{key} {most[1]}" for key, most in allowed if most is not None]
    return Loosening(name, is_group=False, key="the whole image", before=", ".join(lost), after="removed")


def other_build(name: str, base: Build, head: Build) -> Iterator[Loosening]:
    """Yield the build settings that differ. With them, the measured image would not be the image that ships.

    Bake targets were resolved before. Only the base can have one that could not be.
    """
    if base.bake is not None and base != head:
        before = f"the target {base.target} of {base.bake}, which cannot be resolved"
        yield Loosening(name, False, "build.bake", before, f"{head.context}/{head.dockerfile}")
        return
    for key in Build.model_fields:
        before, after = getattr(base, key), getattr(head, key)
        if before != after:
            words = (_build_words(key, value) for value in (before, after))
            yield Loosening(name, False, f"build.{key}", *words)


_BUILD_DEFAULTS = {"target": "the last", "platform": "the engine's"}


def _build_words(key: str, value: str | dict[str, str] | None) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in sorted(value.items())) or "none"
    return _BUILD_DEFAULTS[key] if value is None else value


def new_permissions(name: str, head: ImageSpec) -> Iterator[Loosening]:
    """Yield what a new image asks for beyond memory."""
    if head.container.network == "open":
        yield Loosening(name, is_group=False, key="container.network", before="none", after="open")
    if head.container.secrets:
        asked = ", ".join(head.container.secrets)
        yield Loosening(name, is_group=False, key="container.secrets", before="none", after=asked)


_PLAIN = ("settle", "timeout", "compose", "kubernetes", "workload")
PERMISSIONS = ("network", "secrets")
"""Settings of the container. Looser ones fail the check, as another build does: see `loosening`."""


def changed_settings(base: ImageSpec, head: ImageSpec) -> tuple[str, ...]:
    """Return the keys of an image's table that the head changes without failing the check."""
    return tuple(_changed(base, head))


def _changed(base: ImageSpec, head: ImageSpec) -> Iterator[str]:
    for key in type(base.container).model_fields:
        if key not in PERMISSIONS and getattr(base.container, key) != getattr(head.container, key):
            yield f"container.{key}"
    yield from (key for key in _PLAIN if getattr(base, key) != getattr(head, key))


def measured_as_base(base: ImageSpec, head: ImageSpec, *, is_build_moved: bool = False) -> ImageSpec:
    """Return the head's image with the base's settings of the measurement.

    The image has only the permissions that both sides have. `is_build_moved` says that its build files have the same
    content at another path.
    """
    both_open = base.container.network == head.container.network == "open"
    container = base.container.model_copy(
        update={
            "network": "open" if both_open else "none",
            "secrets": tuple(name for name in base.container.secrets if name in head.container.secrets),
        }
    )
    trials = TrialCount(min=max(base.trials.min, head.trials.min), max=max(base.trials.max, head.trials.max))
    return head.model_copy(
        update={
            **{key: getattr(base, key) for key in _PLAIN},
            "build": head.build if is_build_moved else base.build,
            "container": container,
            "trials": trials,
        }
    )


def new_names(gone: Mapping[str, Hashable], new: Mapping[str, Hashable]) -> dict[str, str]:
    """Return the new name of each renamed image, by its old name.

    Images with equal content count as renamed. Both arguments map an image's name to an identifier of its content. If
    two images on one side have equal content, neither counts as renamed.
    """
    before, after = _unique(gone), _unique(new)
    return {name: after[content] for content, name in before.items() if content in after}


def _unique(contents: Mapping[str, Hashable]) -> dict[Hashable, str]:
    all_of_them = list(contents.values())
    return {content: name for name, content in contents.items() if all_of_them.count(content) == 1}


def renamed(base: Budgets, images: Mapping[str, str]) -> Budgets:
    """Return the base's budgets with some images renamed. `images` maps old names to new names."""

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
    """Return the base's budgets with groups renamed to new groups of the head that have the same images."""
    gone = [name for name in base.groups if name not in head.groups]
    new = {frozenset(group.images or ()): name for name, group in head.groups.items() if name not in base.groups}
    names = {}
    for name in gone:
        found = new.pop(frozenset(base.groups[name].images or ()), None)
        if found is not None:
            names[name] = found
    return replace(base, groups={names.get(name, name): group for name, group in base.groups.items()})


DEFAULT_LABEL = "memory-budget-approved"
"""Only people with at least triage rights can set a label on a pull request."""


class Approval(StrEnum):
    """Whether looser rules of the head may count."""

    NOT_ASKED = "not_asked"
    """There is no pull request. The branch's content was approved when it was merged, or is the user's own."""
    MISSING = "missing"
    STALE = "stale"
    """The label is set, but it approved other changes, or it is unknown which."""
    GIVEN = "given"

    @property
    def counts(self) -> bool:
        """Whether the head's rules count."""
        return self in (Approval.NOT_ASKED, Approval.GIVEN)


@dataclass(frozen=True, slots=True)
class LabelState:
    """The state of a pull request's label."""

    is_set: bool
    is_fresh: bool = False
    """Whether the label was set at this very head, according to the event that started this run."""
    approved: str | None = None
    """The digest of the changes approved before, from the comment that only membudget writes. None if unknown."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table of the budgets file that changed and needs approval."""

    subject: str
    """The name of an image or a group, or the exceptions."""
    before: str | None
    """The base's table, as text that is equal if the tables are equal. None if the base has none."""
    after: str | None
    """The head's table, in the same form."""
    files: tuple[str, ...] = ()
    """Identifiers of the content of the head's files that are used in the measurement."""


def approval_of(label: LabelState | None, digest: str | None) -> Approval:
    """Return whether the changes with this digest are approved.

    `label` is None if there is no pull request. `digest` is None if there is nothing to approve: then a label of an
    earlier head approves nothing either.
    """
    if label is None:
        return Approval.NOT_ASKED
    if label.is_set and (label.is_fresh or (digest is not None and label.approved == digest)):
        return Approval.GIVEN
    return Approval.STALE if label.is_set and digest is not None else Approval.MISSING


def digest_of(changes: Iterable[TableChange]) -> str | None:
    """Return a hexadecimal digest of everything that a label would approve, in any order. None if there is nothing."""
    parts = sorted(json.dumps(asdict(change), sort_keys=True) for change in changes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None
