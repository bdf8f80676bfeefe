import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.guard import rules
from membudget.budgets.loosening import Approval
from membudget.build.revision import Commit, NoBase
from membudget.check import check
from membudget.check.check import CheckRequest
from membudget.core.errors import EngineLost, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage, Presence
from membudget.measure.trial import Outcome, Trial
from membudget.report.report import Report
from tests.fakes.fitted import fitted_image, pressed
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.said import reasons_of
from tests.support.silence import Silence

SHORT = "the engine stopped answering"
HEAD, BASE = Commit("a" * 40, "head"), Commit("b" * 40, "base")
DEFAULTS = """
version = 1
[defaults]
limit = "128MiB"
trials = 2
budgets.peak_rss = { max = "64MiB", growth = { percent = 5, floor = "1MiB" } }
"""


def images(*names: str, extra: str = "") -> dict[str, ImageSpec]:
    return budgets_file.parse(
        DEFAULTS + "".join(f'[images.{name}]\nbuild.context = "{name}"\n{extra}' for name in names), "t"
    )


def run(
    tools: FakeTools,
    head: dict[str, ImageSpec],
    base: dict[str, ImageSpec] | None = None,
    no_base: str | None = None,
    *,
    needs_both: bool = False,
) -> Report:
    at = NoBase(no_base) if no_base else BASE
    request = CheckRequest(
        HEAD,
        at,
        rules(Budgets(head), Budgets(), Approval.NOT_ASKED),
        head if base is None else base,
        ("a note",),
        needs_both=needs_both,
    )
    return check.run(request, tools, Silence(), "1.2.3").report


def test_both_sides_are_built_from_their_own_checkout_and_run_in_turns() -> None:
    tools = FakeTools()
    made = run(tools, images("api"))
    assert tools.done == [
        "check out head",
        "check out base",
        f"build api base api from {'b' * 40}",
        f"build api head api from {'a' * 40}",
        *("run api base", "run api head"),  # the warm-up
        *("run api base", "run api head", "run api head", "run api base"),  # ABBA
        "remove base",
        "remove head",
    ]
    (image,) = made.images
    assert image.head is not None
    assert len(image.head.trials) == 2
    assert image.head.metrics[Metric.IMAGE_SIZE].value == 100 * MIB
    assert (made.verdict, made.notes, made.membudget_version) == ("pass", ("a note",), "1.2.3")


def test_new_images_have_no_base_and_removed_ones_are_not_built() -> None:
    tools = FakeTools()
    made = run(tools, images("new", "same"), images("same", "gone"))
    assert [(image.name, image.presence) for image in made.images] == [
        ("new", Presence.NEW),
        ("same", Presence.BOTH),
        ("gone", Presence.REMOVED),
    ]
    assert not any("gone" in step or "new base" in step for step in tools.done)


def test_without_a_base_there_is_one_side_and_the_reason() -> None:
    tools = FakeTools()
    made = run(tools, images("api"), {}, no_base="this is the first commit")
    assert made.images[0].presence is Presence.HEAD_ONLY
    assert made.images[0].base is None
    assert made.comparison.no_base_reason == "this is the first commit"
    assert not any("base" in step for step in tools.done)


def test_a_head_that_cannot_be_built_costs_its_own_verdict_alone() -> None:
    tools = FakeTools()
    tools.broken_builds = {"bad head"}
    made = run(tools, images("bad", "good"))
    bad, good = made.images
    assert bad.head is not None
    assert bad.head.failure is not None
    assert (bad.head.failure.stage, bad.head.failure.log_tail) == (FailureStage.BUILD, ("the log",))
    assert bad.head.metrics[Metric.PEAK_RSS].reason == "build failed: exit code 1"
    assert good.head is not None
    assert good.head.failure is None
    assert made.verdict == "inconclusive"


def test_a_base_that_cannot_be_built_leaves_the_absolute_budgets() -> None:
    tools = FakeTools()
    tools.broken_builds = {"api base"}
    made = run(tools, images("api"))
    assert (made.verdict, made.inconclusive) == ("inconclusive", "not-measured"), "its growth is not known"
    tools.trials["api head"] = lambda: trial(70)
    assert run(tools, images("api")).verdict == "fail"


def test_a_workload_that_fails_is_not_tried_again_and_the_other_side_goes_on() -> None:
    tools = FakeTools()
    tools.trials["api head"] = lambda: trial(90, outcome=Outcome.WORKLOAD_FAILED, reason="status 500", log=("oops",))
    made = run(tools, images("api"))
    assert tools.done.count("run api head") == 1
    assert tools.done.count("run api base") == 3
    (image,) = made.images
    assert image.head is not None
    assert image.head.failure is not None
    assert (image.head.failure.reason, image.head.failure.log_tail) == ("status 500", ("oops",))
    assert image.head.metrics[Metric.PEAK_RSS].value is None, "memory of a service that does not work says nothing"
    assert made.verdict == "inconclusive"


@pytest.mark.parametrize("broken", ["api head", "api base"])
def test_a_comparison_alone_runs_nothing_if_a_side_is_not_built(broken: str) -> None:
    tools = FakeTools()
    tools.broken_builds = {broken}
    (image,) = run(tools, images("api"), needs_both=True).images
    assert not any(done.startswith("run") for done in tools.done)
    assert image.base is not None
    assert image.head is not None
    reasons = {side.metrics[Metric.PEAK_RSS].reason for side in (image.base, image.head)}
    assert reasons == {
        "build failed: exit code 1",
        "not run, because the other side does not build or does not run",
    }


@pytest.mark.parametrize(("broken", "other"), [("api head", "api base"), ("api base", "api head")])
def test_a_comparison_alone_ends_once_a_workload_fails(broken: str, other: str) -> None:
    tools = FakeTools()
    tools.trials[broken] = lambda: trial(90, outcome=Outcome.WORKLOAD_FAILED, reason="status 500")
    (image,) = run(tools, images("api"), needs_both=True).images
    assert tools.done.count(f"run {broken}") == 1
    assert tools.done.count(f"run {other}") <= 1
    assert [side.failure.reason for side in (image.base, image.head) if side is not None and side.failure] == [
        "status 500"
    ]


def test_an_engine_that_fails_during_one_image_costs_no_other_image_its_result() -> None:
    def lost() -> Trial:
        raise EnvironmentFault("the engine does not answer")

    tools = FakeTools()
    tools.trials["bad head"] = lost
    bad, good = run(tools, images("bad", "good")).images
    assert bad.head is not None
    assert bad.head.failure is not None
    assert bad.head.failure.stage is FailureStage.ENVIRONMENT
    assert good.head is not None
    assert good.head.metrics[Metric.PEAK_RSS].value == 40 * MIB


def engine_died() -> Trial:
    raise EngineLost("starting a container: the engine stopped answering: refused", fix="look at the engine's own log")


def test_an_engine_that_dies_is_told_once_and_costs_no_figure_from_before() -> None:
    tools = FakeTools()
    tools.trials |= {f"{name} {side}": engine_died for name in ("dying", "left") for side in ("base", "head")}
    tools.unreadable = {"left base": engine_died}
    made = run(tools, images("done", "dying", "left", extra='budgets.image_size.max = "120MiB"\n'))

    assert made.notes == (
        "a note",
        "starting a container: the engine stopped answering: refused → look at the engine's own log",
    )
    done, *lost = made.images
    assert done.head is not None
    assert done.head.metrics[Metric.PEAK_RSS].value == 40 * MIB
    for image in lost:
        assert image.base is not None
        assert image.head is not None
        assert image.base.failure == image.head.failure == Failure(FailureStage.ENVIRONMENT, SHORT, engine_lost=True)
        assert image.head.metrics[Metric.PEAK_RSS].reason == f"environment failed: {SHORT}"
    sizes = [image.head.metrics[Metric.IMAGE_SIZE] for image in made.images if image.head]
    assert [size.value for size in sizes] == [100 * MIB, 100 * MIB, None]
    assert sizes[-1].reason == f"environment failed: {SHORT}"
    assert [image.head.failure_hid_image for image in made.images if image.head] == [False, False, True]
    assert [reasons_of(image) for image in made.judged().judgement.images] == [
        [],
        [f"the environment failed: {SHORT}"],
        [f"the environment failed: {SHORT}"],
    ]
    assert (made.verdict, made.inconclusive) == ("inconclusive", "not-measured")


def test_an_engine_that_is_back_goes_on_with_the_next_image() -> None:
    tools = FakeTools()
    tools.trials["dying head"] = engine_died
    made = run(tools, images("dying", "next"))
    dying, following = made.images
    assert dying.base is not None
    assert dying.base.metrics[Metric.PEAK_RSS].value == 40 * MIB, "the other side is measured"
    assert following.head is not None
    assert following.head.metrics[Metric.PEAK_RSS].value == 40 * MIB
    assert len(made.notes) == 2


def test_a_size_that_cannot_be_read_is_absent_with_its_reason() -> None:
    tools = FakeTools()
    tools.sizes_fail = True
    (image,) = run(tools, images("api")).images
    assert image.head is not None
    assert image.head.metrics[Metric.IMAGE_SIZE].reason == "its export is damaged"
    assert image.head.metrics[Metric.PEAK_RSS].value == 40 * MIB


def test_a_size_that_cannot_be_read_is_told_beside_a_workload_that_failed() -> None:
    tools = FakeTools()
    tools.sizes_fail = True
    tools.trials["api head"] = lambda: trial(90, outcome=Outcome.TIMED_OUT, reason="still running after 60.0 s")
    made = run(tools, images("api", extra='budgets.image_size.max = "90MiB"\n'))
    (judged,) = made.judged().judgement.images
    assert reasons_of(judged) == [
        "still running after 60.0 s",
        "image size was not measured: its export is damaged",
    ]


def test_heads_limit_and_workload_hold_for_both_sides() -> None:
    tools = FakeTools()
    run(tools, images("api", extra='limit = "100MiB"\n'), images("api", extra='limit = "80MiB"\n'))
    assert {spec.limit_bytes for spec in tools.specs} == {100 * MIB}


def test_what_each_side_was_fitted_to_is_told() -> None:
    tools = FakeTools()
    tools.fits = {"api base": fitted_image("api", pressed), "worker head": fitted_image("worker", pressed)}
    api, worker = run(tools, images("api", "worker")).images
    assert api.base is not None
    assert api.head is not None
    assert worker.head is not None
    assert api.base.fitted == tools.fits["api base"]
    assert api.head.fitted is None
    assert worker.head.fitted == tools.fits["worker head"]
