"""How closely the processes of a trial may be looked at after an OOM kill. Pure.

Whoever reads a process that is being killed can cause another kill (limit_guard). So that no kill of that kind is ever
counted, a trial in which it may have happened is run again, and looked at less closely.
"""

from collections.abc import Callable, Iterable

from membudget.core.metrics import Metric, MetricValue
from membudget.measure.probe.messages import Depth, ProbeReport
from membudget.measure.trial import Trial


def read_during_kill(reports: Iterable[ProbeReport], kills: MetricValue) -> bool:
    """Whether a process was being read when the kernel killed one.

    Where the cgroup was gone before that could be told, any kill counts, and so does not knowing of any.
    """
    found = {report.kills_meanwhile for report in reports}
    return True in found or (None in found and kills.value != 0)


def undisturbed(run: Callable[[Depth], Trial], depth: Depth) -> Trial:
    """Run a trial, again and less closely looked at while looking may have caused a kill in it."""
    trial = run(depth)
    while trial.read_during_kill and depth_after(trial) is not trial.depth:
        trial = run(depth_after(trial))
    return trial


def depth_after(trial: Trial) -> Depth:
    """How closely later trials of the image may be looked at."""
    if trial.read_during_kill:
        return Depth.STATUS if trial.depth is Depth.MAPS else Depth.NONE
    if trial.metrics[Metric.OOM_KILLS].value and trial.depth is Depth.MAPS:
        return Depth.STATUS
    return trial.depth
