"""Profiled trials of images, and what grew between two of them."""

from membudget.budgets.workload import Workload
from membudget.build.docker_images import inspect
from membudget.build.revision import Side
from membudget.check.profile_plan import ProfilePlan, SidePlan
from membudget.check.profiles import carried_out
from membudget.core.quantities import MIB
from membudget.judge.growth import Growth, compared
from membudget.measure.equipment import TrialPool
from membudget.measure.profiling.heap_profile import ProfiledSide
from membudget.measure.profiling.order import Profiling
from membudget.measure.profiling.profilers import profiler_of
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs, TrialSpec
from tests.support.steps import Steps
from tests.support.trials import Trials


def profiled(
    trials: Trials,
    image: str,
    kind: RuntimeKind,
    *,
    executable: str,
    workload: Workload,
    variables: dict[str, str],
    trigger_bytes: int | None = None,
) -> ProfiledSide:
    """Run a profiled trial with a limit of twice 256 MiB. Without `trigger_bytes`, the profile is taken at its end."""
    pool = trials.runner
    assert isinstance(pool, TrialPool)
    profiler = profiler_of(kind)
    image_id = inspect(trials.engine, image).image_id
    inputs = TrialInputs(environment=variables)
    spec = TrialSpec(image, image_id, 256 * MIB, 60_000, workload, 200, inputs)
    order = Profiling(profiler, executable, trigger_bytes)
    plan = ProfilePlan({Side.HEAD: SidePlan(order)})
    return carried_out(plan, {Side.HEAD: spec}, pool, Steps(), image)[Side.HEAD]


def growth(base: ProfiledSide, head: ProfiledSide) -> Growth:
    """Return what grew between two profiles."""
    assert base.profile is not None, base.reason
    assert head.profile is not None, head.reason
    return compared(base.profile, head.profile)
