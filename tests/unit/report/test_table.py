import pytest

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence
from membudget.measure.trial import Trial
from membudget.report.headline import verdict_line
from membudget.report.table import table_rows
from tests.support.builders import budgets, image, report, side, trial

BROKEN = Failure(FailureStage.ENVIRONMENT, "x")


def killed(name: str) -> ImageMeasurement:
    return image(name, head=side(trial(40, oom_kills=1)), limit=64)


def unclear(name: str) -> ImageMeasurement:
    return image(name, head=side(failure=BROKEN))


def line(*images: ImageMeasurement) -> str:
    made = report(*images)
    return verdict_line(made.judged())


def test_the_first_line_names_three_images_and_counts_the_rest() -> None:
    assert line(killed("a")) == "1 of 1 image over budget; a is OOM-killed at 64.0 MiB"
    assert line(*map(killed, "abcde")).endswith("c is OOM-killed at 64.0 MiB; 2 more")
    assert (
        line(*map(unclear, "abc"))
        == "3 of 3 images could not be judged; a not measured; b not measured; c not measured"
    )
    assert line(*map(unclear, "abcd")).endswith("c not measured; 1 more")
    assert line(killed("a"), unclear("b")) == "1 of 2 images over budget; a is OOM-killed at 64.0 MiB; b not measured"
    assert line(killed("a"), *map(unclear, "bc")).endswith("; 2 more could not be judged")
    assert line() == "nothing was measured"


def test_a_budget_that_could_not_be_judged_is_not_called_none() -> None:
    made = report(image(presence=Presence.NEW, head=side(trial(40)), allowed=budgets(rss_growth=(5, 2))))
    status = {row.metric: row.status for row in table_rows(made.judged())}
    assert status["peak RSS"] == "➖ not judged"
    assert status["peak memory"] == "➖ no budget"


@pytest.mark.parametrize(
    ("base", "head", "delta"),
    [
        (100, 100, "0 B"),
        (100, 112.5, "+12.5 MiB (+12.5%)"),
        (100, 50, "-50.0 MiB (-50.0%)"),
        (1000, 1000.25, "+256.0 KiB"),  # under a tenth of a percent: no "+0.0%"
        (0, 10, "+10.0 MiB"),
    ],
)
def test_a_delta_has_a_percent_where_that_says_something(base: float, head: float, delta: str) -> None:
    made = report(image(base=side(trial(base)), head=side(trial(head))))
    assert next(row.delta for row in table_rows(made.judged()) if row.metric == "peak RSS") == delta


def per_stream(value: int, low: int, high: int) -> Trial:
    one = trial(40)
    one.metrics[Metric.RSS_PER_STREAM] = MetricValue.estimate(Metric.RSS_PER_STREAM, value, low, high)
    return one


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        ((40, 30, 50), (90, 80, 100), ("40.0 MiB ± 10.0 MiB", "90.0 MiB ± 10.0 MiB", "+50.0 ± 20.0 MiB (+125.0%)")),
        ((40, 30, 50), (50, 40, 60), ("40.0 MiB ± 10.0 MiB", "50.0 MiB ± 10.0 MiB", "none found (± 20.0 MiB)")),
        ((-8, -100, 84), (9, 1, 17), ("none found (± 92.0 MiB)", "9.0 MiB ± 8.0 MiB", "none found (± 100.0 MiB)")),
        ((0, 0, 4), (-4, -4, 0), ("none found (± 2.0 MiB)", "none found (± 2.0 MiB)", "none found (± 4.0 MiB)")),
    ],
)
def test_an_estimate_that_may_be_zero_is_none_found(
    base: tuple[int, int, int], head: tuple[int, int, int], expected: tuple[str, str, str]
) -> None:
    sides = [side(per_stream(*(size * MIB for size in sizes))) for sizes in (base, head)]
    made = report(image(base=sides[0], head=sides[1]))
    (row,) = (row for row in table_rows(made.judged()) if row.metric == "RSS per stream")
    assert (row.base, row.head, row.delta) == expected


def test_an_estimate_is_shown_with_its_margin() -> None:
    one = trial(40)
    estimate = MetricValue.estimate(Metric.RSS_PER_STREAM, 61_268, 60_485, 62_050)
    one.metrics[Metric.RSS_PER_STREAM] = estimate
    made = report(image(presence=Presence.NEW, head=side(one)))
    rows = {row.metric: row.head for row in table_rows(made.judged())}
    assert rows["RSS per stream"] == "59.8 KiB ± 782 B"
    assert "RSS per connection" not in rows  # nobody asked for it
