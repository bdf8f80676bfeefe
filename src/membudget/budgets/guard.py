"""Which budgets count, and which secrets the budgets file may ask for.

The base's budgets count. The head can tighten them immediately, but looser budgets need approval. Secrets need no
approval if whoever runs the check allows them, outside of anything that a pull request can edit.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.exceptions import BudgetException
from membudget.budgets.fields import SecretName
from membudget.budgets.loosening import (
    PERMISSIONS,
    Approval,
    Loosening,
    changed_settings,
    group_loosenings,
    image_loosenings,
    loosened_exception,
    measured_as_base,
    new_permissions,
    other_build,
    removed_image,
)
from membudget.budgets.manifests import ManifestEntry, ManifestRules, removed_entries
from membudget.budgets.memory_rules import MemoryRules
from membudget.budgets.metric_budgets import PhaseBudgets
from membudget.budgets.rules import (
    NO_BUDGET,
    Creep,
    EffectiveBudget,
    GroupRules,
    ImageRules,
    MetricRules,
    Tolerance,
    WarnLevels,
    effective_budgets,
    effective_phase_budgets,
    group_rules,
    image_rules,
)
from membudget.budgets.runtimes import RuntimeRules
from membudget.core.errors import ConfigurationError
from membudget.core.metrics import Metric

MANIFESTS = "manifests"
"""The subject of what is loosened for the manifests of the whole file."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that a check judges by."""

    images: Mapping[str, ImageRules] = field(default_factory=dict)
    """The rules of the head's images, by name."""
    groups: Mapping[str, GroupRules] = field(default_factory=dict)
    exceptions: tuple[BudgetException, ...] = ()
    loosened: tuple[Loosening, ...] = ()
    manifests: tuple[ManifestEntry, ...] = ()
    """Always the head's, because the files are its own. One that it removes is among what is loosened."""
    manifest_rules: ManifestRules = ManifestRules()
    runtime_rules: RuntimeRules = RuntimeRules()
    """Always the head's, because they never change a verdict."""
    memory_rules: MemoryRules = MemoryRules()
    """Likewise."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What git knows of the files that the two budgets files name."""

    moved: Collection[str] = ()
    """Images whose build files have the same content at another path."""
    other_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each image, the paths used in its measurement whose content differs."""


def rules(head: Budgets, base: Budgets, approval: Approval, contents: Contents = Contents()) -> Rules:
    """Return the rules of a check. `base` is empty if the base has no budgets."""
    loosened = tuple(loosenings(head, base, contents.moved))
    if approval.counts:
        return Rules(
            {name: _approved(head, base, name, contents) for name in head.images},
            {name: group_rules(head, name) for name in head.groups},
            head.exceptions,
            loosened,
            head.manifests,
            head.manifest_rules,
            head.runtime_rules,
            head.memory_rules,
        )
    exceptions = tuple(_guarded_exceptions(head, base)) if base.images else head.exceptions
    return Rules(
        {name: _guarded(head, base, name, contents) for name in head.images},
        {name: _guarded_group(head, base, name) for name in {**head.groups, **base.groups}},
        exceptions,
        loosened,
        head.manifests,
        head.manifest_rules.strictest(base.manifest_rules) if base.manifests else head.manifest_rules,
        head.runtime_rules,
        head.memory_rules,
    )


def loosenings(head: Budgets, base: Budgets, moved: Collection[str]) -> Iterator[Loosening]:
    """Yield everything that the head allows and the base does not."""
    for name, spec in base.images.items():
        if name in head.images:
            yield from image_loosenings(name, image_rules(spec), image_rules(head.images[name]))
            if name not in moved:
                yield from other_build(name, spec.build, head.images[name].build)
        else:
            yield removed_image(name, image_rules(spec))
    for name, spec in head.images.items():
        if name not in base.images:
            yield from new_permissions(name, spec)
    for name in base.groups:
        after = group_rules(head, name) if name in head.groups else GroupRules((), {})
        yield from group_loosenings(name, group_rules(base, name), after)
    if base.images:
        yield from (loosened_exception(one) for one in _wider_exceptions(head, base))
    if base.manifests:
        milder = head.manifest_rules.milder_than(base.manifest_rules)
        for key, was, now in (*removed_entries(base.manifests, head.manifests), *milder):
            yield Loosening(MANIFESTS, is_group=False, key=key, before=was, after=now)


def _approved(all_of_head: Budgets, all_of_base: Budgets, name: str, contents: Contents) -> ImageRules:
    """Return the head's rules. Both sides still run with the base's settings, because growth needs equal settings."""
    head, base = all_of_head.images[name], all_of_base.images.get(name)
    own = image_rules(head)
    changed = _changed(base, head, contents.other_files.get(name, ())) if base is not None else ()
    if base is None or not changed:
        return own
    compared = measured_as_base(base, head, is_build_moved=True)
    return replace(own, spec=compared, settings_of_base=changed, own=head, own_counts=True)


def _changed(base: ImageSpec, head: ImageSpec, other_files: tuple[str, ...]) -> tuple[str, ...]:
    return (*changed_settings(base, head), *other_files)


def _guarded(all_of_head: Budgets, all_of_base: Budgets, name: str, contents: Contents) -> ImageRules:
    """Return the head's rules where they are as strict as the base's, and the base's rules where they are not."""
    head = all_of_head.images[name]
    if name not in all_of_base.images:
        closed = head.container.model_copy(update={"network": "none", "secrets": ()})
        return image_rules(head.model_copy(update={"container": closed}))
    base = image_rules(all_of_base.images[name])
    changed = _changed(base.spec, head, contents.other_files.get(name, ()))
    guarded = {
        "limit": min(head.limit_bytes, base.spec.limit_bytes),
        "leak": "fail" if base.spec.leak == "fail" else head.leak,
        "fit": head.fit.guarded_by(base.spec.fit),
        "production": head.production.guarded_by(base.spec.production),
    }
    spec = measured_as_base(base.spec, head, is_build_moved=name in contents.moved).model_copy(
        update={**guarded, "phases": _guarded_phases(base.spec, head)}
    )
    phases = dict(effective_phase_budgets(spec))
    for phase, before in base.phase_budgets.items():
        phases[phase] = _tightest_of_all(before, phases.get(phase, {}))
    permissions = {key: getattr(spec.container, key) for key in PERMISSIONS}
    own = head.model_copy(
        update={**guarded, "build": spec.build, "container": head.container.model_copy(update=permissions)}
    )
    budgets = _tightest_of_all(base.budgets, effective_budgets(spec))
    return ImageRules(spec, budgets, phases, changed, own if changed else None)


def _guarded_phases(base: ImageSpec, head: ImageSpec) -> dict[str, PhaseBudgets]:
    """Return the head's phases that the base's workload has.

    They are judged unless the base does not judge them either.
    """
    return {
        name: phase.model_copy(update={"judged": phase.judged or name not in base.unjudged_phases})
        for name, phase in head.phases.items()
        if name in base.phases or name in base.workload.phase_names
    }


def _guarded_group(head: Budgets, base: Budgets, name: str) -> GroupRules:
    after = group_rules(head, name) if name in head.groups else GroupRules((), {})
    if name not in base.groups:
        return after
    before = group_rules(base, name)
    listed = set(after.images)
    stayed = tuple(image for image in before.images if image in head.images and image not in listed)
    return GroupRules(after.images + stayed, _tightest_of_all(before.budgets, after.budgets))


def _wider_exceptions(head: Budgets, base: Budgets) -> list[BudgetException]:
    return [one for one in head.exceptions if not any(_is_no_looser(one, other) for other in base.exceptions)]


def _guarded_exceptions(head: Budgets, base: Budgets) -> Iterator[BudgetException]:
    """Yield the head's exceptions that are as narrow as the base's.

    Yield the base's version of those that were widened.
    """
    wider = _wider_exceptions(head, base)
    yield from (one for one in head.exceptions if one not in wider)
    for one in base.exceptions:
        if any((one.image, one.metric) == (other.image, other.metric) for other in wider):
            yield one


def _tightest_of_all(base: MetricRules, head: MetricRules) -> MetricRules:
    return {
        metric: tightest(base.get(metric, NO_BUDGET), head.get(metric, NO_BUDGET))
        for metric in Metric
        if metric in base or metric in head
    }


def tightest(one: EffectiveBudget, other: EffectiveBudget) -> EffectiveBudget:
    """Return the stricter of two budgets, key by key."""
    return EffectiveBudget(
        _least(one.max, other.max),
        _tightest_tolerance(one.tolerance, other.tolerance),
        _least(one.below_limit, other.below_limit),
        WarnLevels(
            _least(one.warn.max, other.warn.max),
            _tightest_tolerance(one.warn.tolerance, other.warn.tolerance),
            _most(one.warn.min, other.warn.min),
        ),
        every=one.every or other.every,
        min=_most(one.min, other.min),
        creep=_tightest_creep(one.creep, other.creep),
    )


def _tightest_creep(one: Creep | None, other: Creep | None) -> Creep | None:
    """Return the stricter of two. The first one counts if they start at different times."""
    if one is None or other is None or one.since != other.since:
        return one or other
    tolerance = _tightest_tolerance(one.tolerance, other.tolerance) or one.tolerance
    return Creep(one.since, tolerance, warns=one.warns and other.warns)


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _tightest_tolerance(one: Tolerance | None, other: Tolerance | None) -> Tolerance | None:
    if one is None or other is None:
        return one or other
    return Tolerance(min(one.percent, other.percent), min(one.floor, other.floor))


def _is_no_looser(one: BudgetException, other: BudgetException) -> bool:
    same = (one.image, one.metric) == (other.image, other.metric)
    sign = one.metric.definition.sign
    return same and sign * one.allow <= sign * other.allow and one.until <= other.until


_NAME: TypeAdapter[str] = TypeAdapter(SecretName)


@dataclass(frozen=True, slots=True)
class AllowedSecrets:
    """The names of the secrets that budgets files may ask for."""

    names: frozenset[str] | None = None
    """The allowed names. None allows any name, but new ones in a pull request need approval."""

    @classmethod
    def of(cls, names: Iterable[str]) -> "AllowedSecrets":
        """Allow the given names, or any name if none is given.

        Raises ConfigurationError if no workload may have a name.
        """
        given = frozenset(names)
        for name in sorted(given):
            try:
                _NAME.validate_python(name)
            except ValidationError as error:
                allowed = error.errors(include_input=False, include_url=False)[0]["msg"]
                raise ConfigurationError(
                    f"{name!r} cannot be the name of a workload's secret",
                    where="--allow-secret (the action's input `secrets`)",
                    fix=f"use {allowed}",
                ) from None
        return cls(given or None)

    def check(self, budgets: Budgets, file: Path | str) -> None:
        """Raise ConfigurationError if an image asks for a secret that is not allowed."""
        for image, spec in budgets.images.items():
            for secret in spec.container.secrets:
                if self.names is not None and secret not in self.names:
                    raise ConfigurationError(
                        f"this check does not allow the secret {secret}",
                        where=f"{file}: images.{image}.container.secrets",
                        fix="remove it from the budgets file, or allow it with"
                        f" --allow-secret {secret} (the action's input `secrets`)",
                    )

    def taken_out(self, budgets: Budgets) -> Budgets:
        """Return the budgets without the secrets that need no approval, for the guard to compare."""
        return replace(
            budgets,
            images={
                name: _with(spec, (one for one in spec.container.secrets if not self._allows(one)))
                for name, spec in budgets.images.items()
            },
        )

    def given_back(self, rules: Rules, head: Budgets) -> Rules:
        """Return the rules with the secrets that were removed from the head's budgets."""
        images = {}
        for name, image in rules.images.items():
            asked = head.images[name].container.secrets
            own = self._given(image.own, asked) if image.own is not None else None
            images[name] = replace(image, spec=self._given(image.spec, asked), own=own)
        return replace(rules, images=images)

    def _given(self, spec: ImageSpec, asked: Iterable[str]) -> ImageSpec:
        approved = spec.container.secrets
        return _with(spec, (one for one in asked if one in approved or self._allows(one)))

    def _allows(self, name: str) -> bool:
        return self.names is not None and name in self.names


def _with(spec: ImageSpec, secrets: Iterable[str]) -> ImageSpec:
    container = spec.container.model_copy(update={"secrets": tuple(secrets)})
    return spec.model_copy(update={"container": container})
