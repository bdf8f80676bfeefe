"""How many trials there are of a pair, and which of them are not run at all."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from membudget.analysis.measurement import ImageMeasurement, Presence
from membudget.analysis.metric_verdict import Verdict
from membudget.analysis.status import Status
from membudget.analysis.verdict import judge_image
from membudget.budgets import toml_file
from membudget.images.revision import BuiltImage, Side
from membudget.metrics import Metric
from membudget.pair_measurement import Subject, measure_pair
from membudget.pairing import Pair
from membudget.progress import Silence
from membudget.trials.trial import Trial
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial

SPEC = toml_file.parse(
    """
version = 1
[images.api]
limit = "128MiB"
budgets.peak_rss = { max = "100MiB", growth = { percent = 10, floor = "1MiB" } }
""",
    "t",
)["api"]


def subject(base: str = "api base", head: str = "api head") -> Subject:
    built = {Side.BASE: BuiltImage(base, "tag", base), Side.HEAD: BuiltImage(head, "tag", head)}
    return Subject(Pair("api", Presence.BOTH, SPEC, SPEC), built)


def tools(base: Sequence[float], head: Sequence[float]) -> FakeTools:
    """Trials of so many MiB, one after another after a warm-up, the last again and again."""
    made = FakeTools()
    for side, values in (("base", base), ("head", head)):
        following = _following(values)
        made.trials[f"api {side}"] = lambda following=following: trial(next(following))  # type: ignore[misc]
    return made


def _following(values: Sequence[float]) -> Iterator[float]:
    yield 1  # the warm-up
    yield from values
    while True:
        yield values[-1]


def measured(made: FakeTools, one: Subject | None = None) -> tuple[ImageMeasurement, int]:
    image = measure_pair(one or subject(), made, Silence())
    assert image.head is not None
    return image, len(image.head.trials)


@pytest.mark.parametrize(
    ("base", "head", "trials", "verdict"),
    [
        ([40, 41, 40], [41, 40, 41], 3, Verdict.PASS),  # quiet: the fewest do
        ([40, 41, 40], [60, 61, 60], 5, Verdict.FAIL),  # an alarm is confirmed first
        ([40, 60, 40, 60], [60, 40, 60, 40], 10, Verdict.PASS),  # never clear: as many as may be
        ([40], [44.4], 5, Verdict.FAIL),
        ([40], [101], 5, Verdict.FAIL),
    ],
)
def test_trials_go_on_while_the_answer_is_unclear(
    base: list[float], head: list[float], trials: int, verdict: Verdict
) -> None:
    values = (base * 5, head * 5) if len(base) == 4 else (base, head)
    image, count = measured(tools(*values))
    assert count == trials
    assert judge_image(image).verdict is verdict


def test_an_alarm_that_goes_away_with_more_trials_is_none() -> None:
    image, count = measured(tools([40, 41, 40, 62, 61], [60, 61, 60, 41, 40, 62, 40, 61, 41, 60]))
    judged = judge_image(image)
    assert count == 10
    assert judged.verdict is Verdict.PASS
    (row,) = [row for row in judged.rows if row.metric is Metric.PEAK_RSS]
    assert row.is_within_noise
    assert "shows no growth beyond its noise: between" in str(row.reason)


def test_one_image_on_both_sides_is_not_run() -> None:
    made = tools([40], [40])
    image, count = measured(made, subject("same", "same"))
    judged = judge_image(image)
    assert (count, made.done) == (0, [])
    assert (judged.verdict, judged.status) == (Verdict.PASS, Status.UNCHANGED)
    assert image.head is not None
    assert image.head.metrics[Metric.IMAGE_SIZE].value is not None
    assert image.head.metrics[Metric.PEAK_RSS].reason == "unchanged: base and head are the same image"


def test_an_image_is_one_by_what_it_is_its_services_included() -> None:
    def built(image_id: str, identity: str, *beside: str) -> BuiltImage:
        services = {
            f"service {number}": BuiltImage(f"{image_id} {one}", "tag", one) for number, one in enumerate(beside)
        }
        return BuiltImage(image_id, "tag", identity, services)

    def is_unchanged(base: BuiltImage, head: BuiltImage) -> bool:
        return replace(subject(), built={Side.BASE: base, Side.HEAD: head}).is_unchanged

    assert is_unchanged(built("1", "same"), built("2", "same"))
    assert not is_unchanged(built("1", "one"), built("1", "other"))
    assert is_unchanged(built("1", "same", "a", "b"), built("2", "same", "a", "b"))
    assert not is_unchanged(built("1", "same", "a", "b"), built("2", "same", "b", "a")), "of other services"
    assert not is_unchanged(built("1", "same", "a"), built("2", "same", "c"))
    spec = subject().trial_spec(built("1", "one", "a"), SPEC)
    assert (spec.image_id, spec.identity, spec.pod_images) == ("1", "one", {"service 0": "1 a"})


def test_one_image_under_other_budgets_is_judged() -> None:
    made = subject("same", "same")
    looser = SPEC.model_copy(update={"limit": 2 * SPEC.limit_bytes})
    assert not replace(made, pair=replace(made.pair, base=looser)).is_unchanged
    assert not replace(made, is_summed=True).is_unchanged


def test_what_was_measured_before_is_not_measured_again() -> None:
    made = tools([40], [40])
    made.keeps = True
    measured(made)
    assert set(made.memory) == {"api base", "api head"}
    made.done.clear()
    image, count = measured(made)
    assert (count, made.done) == (3, [])
    assert judge_image(image).verdict is Verdict.PASS


def test_only_the_side_that_is_new_is_run() -> None:
    made = tools([40], [41])
    made.memory["api base"] = (trial(40), trial(40), trial(40))
    _, count = measured(made)
    assert count == 3
    assert set(made.done) == {"run api head"}


def test_an_alarm_over_remembered_trials_is_measured_again_side_by_side() -> None:
    made = tools([60], [60])
    made.memory["api base"] = (trial(40), trial(40), trial(40))
    image, _ = measured(made)
    assert judge_image(image).verdict is Verdict.PASS
    assert "run api base" in made.done


def test_what_failed_is_not_remembered() -> None:
    made = tools([40], [40])
    made.keeps = True
    made.trials["api head"] = _failing
    measured(made)
    assert set(made.memory) == {"api base"}


def _failing() -> Trial:
    from membudget.trials.trial import Outcome

    return trial(40, outcome=Outcome.WORKLOAD_FAILED, reason="no")


def test_fewer_trials_than_there_have_to_be_are_as_none() -> None:
    made = tools([40], [40])
    made.memory["api base"] = made.memory["api head"] = (trial(40), trial(40))
    _, count = measured(made)
    assert count == 3
    assert "run api base" in made.done


def test_a_kill_needs_no_confirmation() -> None:
    made = tools([40], [60])
    made.trials["api head"] = lambda: trial(60, oom_kills=1)
    image, count = measured(made)
    assert count == 3
    assert judge_image(image).status is Status.OOM_KILLED
