"""What decides what is measured, beside the budgets: build, workload and container settings of an image.

Head is measured by base's until the change is approved: no rule tells a weaker load from another one.
"""

from collections.abc import Iterator

from membudget.budgets.budget import ImageSpec, TrialCount

_PLAIN = ("settle", "timeout", "compose", "workload")
_TABLES = ("build", "container")
_GUARDED_APART = ("network", "secrets")
"""Of the container: permissions, whose loosening fails the check."""


def changed_settings(base: ImageSpec, head: ImageSpec, *, is_build_moved: bool = False) -> tuple[str, ...]:
    """Keys of an image's table that change what is measured. `is_build_moved`: its build only lies elsewhere now."""
    return tuple(_changed(base, head, is_build_moved=is_build_moved))


def _changed(base: ImageSpec, head: ImageSpec, *, is_build_moved: bool) -> Iterator[str]:
    for table in _TABLES:
        if table == "build" and is_build_moved:
            continue
        before, after = getattr(base, table), getattr(head, table)
        for key in type(before).model_fields:
            if key not in _GUARDED_APART and getattr(before, key) != getattr(after, key):
                yield f"{table}.{key}"
    yield from (key for key in _PLAIN if getattr(base, key) != getattr(head, key))


def measured_as_base(base: ImageSpec, head: ImageSpec, *, is_build_moved: bool = False) -> ImageSpec:
    """The head's image with base's settings of what is measured; permissions are those that both have."""
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
