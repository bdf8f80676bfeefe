"""Takes secrets out of what a container said."""

from collections.abc import Callable
from dataclasses import replace

from membudget.core.errors import brief
from membudget.core.masking import Mask
from membudget.measure.probe.snapshot import Snapshot
from membudget.measure.trial import Trial


def without_secrets(trial: Trial, secrets: tuple[str, ...]) -> Trial:
    """`trial` with every secret's value hidden in what the container said or was called, and its reason cut to length.

    Cut last: of a secret that is cut in two, a half would stay.
    """
    hide = Mask(secrets, shortest=1)
    return replace(
        trial,
        reason=brief(hide(trial.reason)) if trial.reason is not None else None,
        log_tail=tuple(map(hide, trial.log_tail)),
        snapshot=_hidden(trial.snapshot, hide) if trial.snapshot is not None else None,
    )


def _hidden(snapshot: Snapshot, hide: Callable[[str], str]) -> Snapshot:
    """Command lines may hold them."""
    processes = (
        replace(process, name=hide(process.name), arguments=tuple(map(hide, process.arguments)))
        for process in snapshot.processes
    )
    return replace(snapshot, processes=tuple(processes))
