"""What `membudget measure` prints for several images."""

import io
import json

import pytest
from rich.console import Console, RenderableType

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.values import aggregate, all_absent
from membudget.measure.trial import Outcome, Trial
from membudget.report.formats import compare_report
from membudget.report.formats.compare_report import CompareReport
from membudget.report.formats.measure_report import MeasureReport
from tests.support.builders import report, trial
from tests.support.golden import assert_golden

FAILED = trial(12, outcome=Outcome.WORKLOAD_FAILED, reason="exited\x1b[31m with 1", log=("a", "b"))


def printed(content: RenderableType) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=160).print(content)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def measured(name: str, *trials: Trial) -> MeasureReport:
    """One image."""
    judgeable = [one for one in trials if one.judgeable]
    return MeasureReport(
        image=name,
        image_id="sha256:" + "a" * 64,
        limit_bytes=64 * MIB,
        environment=report().environment,
        metrics={
            Metric.IMAGE_SIZE: MetricValue.of(Metric.IMAGE_SIZE, 80 * MIB),
            **(aggregate(judgeable) if judgeable else all_absent("no trial completed")),
        },
        trials=trials,
    )


def of(*peaks: float) -> tuple[Trial, ...]:
    return tuple(trial(peak) for peak in peaks)


def compared(*images: MeasureReport) -> CompareReport:
    return compare_report.compare_report(images)


def sentences(*images: MeasureReport) -> list[str]:
    return printed(compare_report.render_quietly(compared(*images))).splitlines()


@pytest.mark.thorough
def test_what_is_printed() -> None:
    images = (
        measured("shop/api:alpine", *of(42, 41.5, 42, 42.5, 41)),
        measured("shop/api:1.2", *of(59, 60, 60.5, 59.5, 60)),
        measured("shop/api:1.1", *of(41, 41.2, 42, 41.8, 42.1)),
        measured("shop/api:tiny", *of(20), trial(63, outcome=Outcome.OOM_KILLED, oom_kills=1)),
        measured("shop/api:broken", FAILED),
    )
    assert_golden("measure-compare.txt", printed(compare_report.render(compared(*images))))


def test_the_sentence_is_that_of_hyperfine() -> None:
    small, large = measured("a", *of(40, 40, 40, 40, 40)), measured("b", *of(56, 57, 57, 58, 57))
    assert sentences(small, large) == [
        "Smallest peak RSS: a, 40.0 MiB",
        "b needs 1.43 ± 0.07 × the memory of a (+17.0 MiB)",
    ]


def test_a_small_difference_is_told_with_as_many_digits_as_it_needs() -> None:
    small, large = measured("a", *of(400, 400, 400, 400, 400)), measured("b", *of(404.5, 404.5, 404.5, 404.5, 404.5))
    assert sentences(small, large)[1] == "b needs 1.0112 ± 0.0104 × the memory of a (+4.5 MiB)"


def test_no_difference_is_told_with_the_interval() -> None:
    one, other = measured("a", *of(40, 44, 41, 43, 42)), measured("b", *of(43, 41, 44, 42, 42.5))
    assert sentences(one, other)[1] == "b: no difference found, it needs 0.93 to 1.10 × the memory of a"


def test_too_few_trials_are_told() -> None:
    assert sentences(measured("a", *of(40)), measured("b", *of(60)))[1] == (
        "b needs about 1.50 × the memory of a; 1 trial is too few to say how exact this is (use --trials 5)"
    )


def test_what_cannot_be_compared_is_told() -> None:
    killed = trial(63, outcome=Outcome.OOM_KILLED, oom_kills=1)
    assert sentences(measured("a", killed), measured("b", *of(40)), measured("c", *of(40), FAILED))[1:] == [
        "a: not compared: its limit cut off the peak",
        "c: not compared: a trial failed",
    ]
    assert sentences(measured("a", killed), measured("b", FAILED)) == [
        "No comparison: no image has a peak RSS that its limit did not cut off."
    ]


def test_json_has_the_images_in_order_and_the_numbers() -> None:
    found = compared(measured("b", *of(60, 60, 60, 60)), measured("a", *of(40, 40, 40, 40)))
    document = json.loads(found.model_dump_json())
    assert [image["image"] for image in document["images"]] == ["a", "b"]
    assert document["smallest"] == "a"
    (one,) = document["comparisons"]
    assert {key: one[key] for key in ("image", "difference", "ratio", "low", "high")} == {
        "image": "b", "difference": "more", "ratio": 1.5, "low": 60 / 41, "high": 61 / 40,
    }  # fmt: skip
    assert CompareReport.model_validate_json(found.model_dump_json()) == found


def test_a_comparison_without_an_image_is_incomplete() -> None:
    fine, killed = measured("a", *of(40)), measured("c", trial(63, outcome=Outcome.OOM_KILLED, oom_kills=1))
    assert compared(fine, killed).is_complete, "a kill is a result"
    assert not compared(fine, measured("b", FAILED)).is_complete
    assert not compared(measured("a", FAILED), measured("b", FAILED)).is_complete


def test_names_of_others_are_harmless() -> None:
    hostile = measured("a\x1b[31m\n::error::b", *of(40))
    assert "\x1b" not in "".join(sentences(hostile, measured("b", *of(60))))
    assert len(sentences(hostile, measured("b", *of(60)))) == 2
