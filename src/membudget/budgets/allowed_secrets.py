"""Secrets that workloads may be given, by name.

Whoever runs the check says so, outside of what a pull request can edit. There they need no approval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.container import SecretName
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.guard import Rules
from membudget.core.errors import ConfigurationError

_NAME: TypeAdapter[str] = TypeAdapter(SecretName)


@dataclass(frozen=True, slots=True)
class AllowedSecrets:
    """The names that budgets files may ask for."""

    names: frozenset[str] | None = None
    """None: any, with approval where a pull request asks for more."""

    @classmethod
    def of(cls, names: Iterable[str]) -> "AllowedSecrets":
        """Those that were given; any where none was. Raises ConfigurationError for what no workload may have."""
        given = frozenset(names)
        for name in sorted(given):
            try:
                _NAME.validate_python(name)
            except ValidationError as error:
                allowed = error.errors(include_input=False, include_url=False)[0]["msg"]
                raise ConfigurationError(
                    f"{name!r} cannot be given to a workload",
                    where="--allow-secret (the action's input `secrets`)",
                    fix=f"name others: {allowed}",
                ) from None
        return cls(given or None)

    def check(self, budgets: Budgets, file: Path | str) -> None:
        """Raise ConfigurationError where an image asks for one that is not allowed."""
        for image, spec in budgets.images.items():
            for secret in spec.container.secrets:
                if self.names is not None and secret not in self.names:
                    raise ConfigurationError(
                        f"{secret} is not among the secrets that this check allows",
                        where=f"{file}: images.{image}.container.secrets",
                        fix=f"remove it, or allow it: --allow-secret {secret} (the action's input `secrets`)",
                    )

    def taken_out(self, budgets: Budgets) -> Budgets:
        """The budgets without the secrets that need no approval: as the guard is to compare them."""
        return replace(
            budgets,
            images={
                name: _with(spec, (one for one in spec.container.secrets if not self._allows(one)))
                for name, spec in budgets.images.items()
            },
        )

    def given_back(self, rules: Rules, head: Budgets) -> Rules:
        """The rules with the secrets that were taken out of the head's budgets."""
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
