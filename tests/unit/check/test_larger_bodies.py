"""The check sends larger bodies after the judged trials, and stores what they did."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.workload import HttpWorkload
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import BuiltPair, OwnRun, Pair
from membudget.check.larger_bodies import with_larger_trials
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.larger_bodies import LONGEST_TEXT, BodySize, LargerBodies
from membudget.judge.measurement import ImageMeasurement, OwnMeasurement, Presence
from membudget.measure.load import LoadResult
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from membudget.publish.progress_display import QuietProgress
from tests.support import builders

FILE = """\
version = 1
[images.api]
limit = "256MiB"
workload = { kind = "http", requests = [
  { path = "/up", method = "POST", body_size = "4MiB" }, { path = "/down" }, { path = "/" }] }
larger_bodies = { "/up" = { body_size = "20MiB" }, "/down" = { path = "/all" } }
"""


def loaded(rss: float, *received_mib: float) -> Trial:
    results = (LoadResult("steady", "GET /", 10, 0, 100, round(10 * mib * MIB), 1, 1, 1, 0) for mib in received_mib)
    return replace(builders.trial(rss), load=tuple(results))


class Trials:
    """Runs trials that end as the test says."""

    def __init__(self, *results: Trial | Exception) -> None:
        self.results = list(results)
        self.specs: list[TrialSpec] = []

    def run_trial(self, spec: TrialSpec) -> Trial:
        self.specs.append(spec)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def subject(text: str = FILE) -> BuiltPair:
    spec = budgets_file.parse(text, "t")["api"]
    built = {Side.BASE: BuiltImage("base", "tag", "base"), Side.HEAD: BuiltImage("head", "tag", "head")}
    return BuiltPair(Pair("api", Presence.BOTH, spec, spec), built, TrialInputs())


def measured(*trials: Trial) -> ImageMeasurement:
    side = builders.side(*(trials or (loaded(40, 0, 1, 0),)))
    return builders.image("api", base=side, head=side, limit=256)


def asked(tools: Trials, found: ImageMeasurement | None = None, of: BuiltPair | None = None) -> ImageMeasurement:
    return with_larger_trials(of or subject(), found or measured(), tools, QuietProgress(io.StringIO()), asks=True)  # type: ignore[arg-type]


def test_the_head_is_run_twice_at_its_limit_with_larger_requests() -> None:
    tools = Trials(loaded(80, 0, 9, 0), loaded(82, 0, 9, 0))
    found = asked(tools)
    assert found.larger == LargerBodies(
        (BodySize("POST /up", False, 4 * MIB, 20 * MIB), BodySize("GET /all", True, MIB, 9 * MIB)), (80 * MIB, 82 * MIB)
    )
    assert [(spec.image_id, spec.limit_bytes) for spec in tools.specs] == [("head", 256 * MIB)] * 2
    (workload, _) = (spec.workload for spec in tools.specs)
    assert isinstance(workload, HttpWorkload)
    assert [group.path for group in workload.requests] == ["/up", "/all", "/"]
    assert replace(found, larger=None) == measured(), "nothing that is judged has changed"


def test_responses_that_cannot_be_told_apart_have_no_size() -> None:
    found = asked(Trials(loaded(80), loaded(82)))
    assert found.larger is not None
    assert [size.is_response for size in found.larger.sizes] == [False, False]
    assert found.larger.largest is not None
    assert found.larger.largest.what == "POST /up"


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([EnvironmentFault("the disk is full")], "the disk is full"),
        ([EngineLost("it stopped")], "it stopped"),
        ([loaded(80), replace(loaded(80), outcome=Outcome.WORKLOAD_FAILED, reason="413 " + "x" * 999)], "413 xxx"),
        ([replace(loaded(80), outcome=Outcome.OOM_KILLED, reason=None)], "oom_killed"),
    ],
    ids=["disk", "engine", "too large for it", "killed"],
)
def test_a_failure_is_a_reason(results: Sequence[Trial | Exception], reason: str) -> None:
    found = asked(Trials(*results))
    assert found.larger is not None
    assert (found.larger.peaks, found.larger.sizes) == ((), ())
    assert (found.larger.reason or "").startswith(reason)
    assert len(found.larger.reason or "") <= LONGEST_TEXT


def test_an_unknown_peak_is_a_reason_and_not_zero() -> None:
    unseen = loaded(80)
    unseen.metrics[Metric.PEAK_RSS] = MetricValue.absent(Metric.PEAK_RSS, "no sample")
    found = asked(Trials(loaded(80), unseen))
    assert found.larger == LargerBodies(reason="no sample")


def test_nothing_is_run_without_need() -> None:
    tools = Trials()
    plain = subject(FILE.replace("larger_bodies", "#"))
    killed = measured(loaded(40), replace(loaded(40), outcome=Outcome.OOM_KILLED))
    for found, of in ((measured(), plain), (killed, None), (replace(measured(), is_unchanged=True), None)):
        assert asked(tools, found, of).larger is None
    off = with_larger_trials(subject(), measured(), tools, QuietProgress(io.StringIO()), asks=False)  # type: ignore[arg-type]
    assert off.larger is None
    assert tools.specs == []


def test_the_run_that_maximums_are_judged_by_is_the_one_that_is_repeated() -> None:
    spec = budgets_file.parse(FILE.replace("4MiB", "8MiB"), "t")["api"]
    own = OwnRun(spec, BuiltImage("own", "tag", "own"), TrialInputs(), counts=True)
    side = builders.side(loaded(40))
    found = replace(measured(), own=OwnMeasurement(side, counts=True, workload="its own"))
    tools = Trials(loaded(80), loaded(82))
    larger = asked(tools, found, replace(subject(), own=own)).larger
    assert larger is not None
    assert larger.sizes[0].before_bytes == 8 * MIB
    assert {spec.image_id for spec in tools.specs} == {"own"}
