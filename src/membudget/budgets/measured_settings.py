"""The settings of an image that decide what is measured.

Until the change is approved, the head is measured with the base's: no rule tells a weaker load from another one.
"""

from collections.abc import Iterator

from membudget.budgets.entries import ImageSpec, TrialCount

_PLAIN = ("settle", "timeout", "compose", "workload")
PERMISSIONS = ("network", "secrets")
"""Of the container. A loosening of these, or another build, fails the check: see `loosening`."""


def changed_settings(base: ImageSpec, head: ImageSpec) -> tuple[str, ...]:
    """Keys of an image's table that the head changes, and that do not fail the check."""
    return tuple(_changed(base, head))


def _changed(base: ImageSpec, head: ImageSpec) -> Iterator[str]:
    for key in type(base.container).model_fields:
        if key not in PERMISSIONS and getattr(base.container, key) != getattr(head.container, key):
            yield f"container.{key}"
    yield from (key for key in _PLAIN if getattr(base, key) != getattr(head, key))


def measured_as_base(base: ImageSpec, head: ImageSpec, *, is_build_moved: bool = False) -> ImageSpec:
    """The head's image with the base's settings of what is measured.

    Permissions are those that both have. `is_build_moved`: its build has equal content at another place.
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
