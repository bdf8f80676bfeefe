"""Tries whether an allocator keeps freed memory: the same trial with a setting that makes it return such memory.

From outside, memory that is free cannot be told from memory that is in use. A trial in which only this setting differs
tells it, so a finding is what was measured, and not what a rule of thumb says.
"""

from collections.abc import Callable
from dataclasses import replace

from membudget.build.revision import Side
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep
from membudget.judge.held_memory import KEPT_SHARE
from membudget.judge.measurement import SideMeasurement
from membudget.measure.runtimes.runtime import Malloc, Returned, Runtime
from membudget.measure.trial import Outcome, Trial, TrialSpec

SETTINGS = {
    # jemalloc's own manual: a thread of its own returns what is unused for half a second, also if the program is idle.
    Malloc.JEMALLOC: "MALLOC_CONF=background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0",
    # gperftools returns each freed run of pages at once. TCMALLOC_RELEASE_RATE=10, tried, returned nothing: it only
    # acts while the program frees more.
    Malloc.TCMALLOC: "TCMALLOC_AGGRESSIVE_DECOMMIT=t",
}
"""What makes an allocator return freed memory."""
_OWN_SETTINGS = {
    Malloc.JEMALLOC: ("MALLOC_CONF",),
    Malloc.TCMALLOC: ("TCMALLOC_RELEASE_RATE", "TCMALLOC_AGGRESSIVE_DECOMMIT"),
}
"""Who sets one of these has chosen."""
_LEAST_SETTLE_MS = 1000
"""After less, memory that is unused for half a second may still be there."""
_TRIES = 2
"""One trial may be low by chance. The second one runs only if the first one was."""
_LEAST_SHARE = 0.2
"""A smaller part of what is held at rest may be noise."""


def with_returned(
    runtime: Runtime,
    side: SideMeasurement,
    spec: TrialSpec,
    run_trial: Callable[[TrialSpec], Trial],
    progress: Progress,
) -> Runtime:
    """Return the runtime with what came of trials that return freed memory. Unchanged if nothing came of them.

    `side` is the head's, measured with `spec`.
    """
    setting = SETTINGS.get(runtime.malloc) if runtime.malloc is not None else None
    settled = [value for trial in side.trials if (value := _settled(trial)) is not None]
    if setting is None or runtime.malloc is None or not settled or len(settled) < len(side.trials):
        return runtime
    has_own = any(name in runtime.variables for name in _OWN_SETTINGS[runtime.malloc])
    least = min(settled)
    worth = max(KEPT_SHARE * (spec.limit_bytes or 0), _LEAST_SHARE * least)
    if has_own or spec.settle_ms < _LEAST_SETTLE_MS or least < worth or spec.limit_bytes is None:
        return runtime
    variable, _, chosen = setting.partition("=")
    inputs = replace(spec.inputs, environment={**spec.inputs.environment, variable: chosen})
    tried: list[int] = []
    for number in range(1, _TRIES + 1):
        step = ProgressStep(spec.name, Doing.ALLOCATOR, str(Side.HEAD), number, _TRIES, left=_TRIES - number)
        try:
            with progress.step(step):
                found = _settled(run_trial(replace(spec, inputs=inputs)))
        except EnvironmentFault:  # the figures of the trials are there
            return runtime
        if found is None or least - found < worth:
            return runtime
        tried.append(found)
    return replace(runtime, returned=Returned(setting, least, max(tried)))


def _settled(trial: Trial) -> int | None:
    value = trial.metrics.get(Metric.SETTLED_RSS)
    return value.value if value is not None and trial.outcome is Outcome.COMPLETED else None
