"""Repeats a trial whose own measuring got in the way: it missed a spike, or may have caused an OOM kill.

A repeated trial looks more often, or less closely. The ledger keeps both for later trials of the same image.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from membudget.core.metrics import Metric, MetricValue
from membudget.measure.certificate import Conclusion
from membudget.measure.probe.messages import Depth, ProbeReport
from membudget.measure.schedule import TrialLedger
from membudget.measure.trial import Trial

_RATE_FACTOR = 10
RunOnce = Callable[[int, Depth], Trial]
"""Runs the trial with so many looks per second, each so close."""


def until_seen(run: RunOnce, name: str, ledger: TrialLedger, *, rate_hz: int, highest_rate_hz: int) -> Trial:
    """Run a trial of the image `name`, and repeat it at a higher rate while a spike is missed.

    `rate_hz` counts until the ledger has a higher one. With a `highest_rate_hz` of 0, no trial is repeated for a spike.
    """
    rate_hz = ledger.rates_hz.get(name, rate_hz)
    trial = _noted(run, name, ledger, rate_hz)
    while _missed_a_spike(trial) and rate_hz < highest_rate_hz:
        rate_hz = ledger.rates_hz[name] = min(highest_rate_hz, rate_hz * _RATE_FACTOR)
        again = _noted(run, name, ledger, rate_hz)
        if not again.judgeable:
            break
        assert again.certificate is not None  # noqa: S101 - every trial that was run has one
        trial = replace(again, certificate=replace(again.certificate, repeated=True))
    return trial


def _noted(run: RunOnce, name: str, ledger: TrialLedger, rate_hz: int) -> Trial:
    """Run a trial undisturbed, and note how closely later ones may look."""
    trial = undisturbed(partial(run, rate_hz), ledger.depths.get(name, Depth.MAPS))
    ledger.depths[name] = depth_after(trial)
    return trial


def _missed_a_spike(trial: Trial) -> bool:
    return trial.judgeable and trial.certificate is not None and trial.certificate.conclusion is Conclusion.SPIKE_MISSED


def read_during_kill(reports: Iterable[ProbeReport], kills: MetricValue) -> bool:
    """Return whether a process was being read when the kernel killed one.

    If the cgroup was gone before that was known, any kill counts, and so does an unknown number of kills.
    """
    found = {report.kills_meanwhile for report in reports}
    return True in found or (None in found and kills.value != 0)


def undisturbed(run: Callable[[Depth], Trial], depth: Depth) -> Trial:
    """Run a trial. Repeat it and look less closely while reading processes may have caused a kill in it."""
    trial = run(depth)
    while trial.read_during_kill and depth_after(trial) is not trial.depth:
        trial = run(depth_after(trial))
    return trial


def depth_after(trial: Trial) -> Depth:
    """Return how closely later trials of the image may be read."""
    if trial.read_during_kill:
        return Depth.STATUS if trial.depth is Depth.MAPS else Depth.NONE
    if trial.metrics[Metric.OOM_KILLS].value and trial.depth is Depth.MAPS:
        return Depth.STATUS
    return trial.depth
