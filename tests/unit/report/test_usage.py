from dataclasses import replace

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import in_plain_text
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.report.report import Report
from membudget.report.usage import holders, next_step_without_base, usage, usage_rows
from tests.support.builders import budgets, image, process, report, side, snapshot, trial


def without_base(*images: ImageMeasurement) -> Report:
    return report(*images, no_base="--no-base was given")


def alone(name: str, rss: float = 40, *, max_rss: float | None = None) -> ImageMeasurement:
    """An image of which there is only the head."""
    held = replace(trial(rss), snapshot=snapshot(process("gunicorn", rss=rss, pss=rss), rss=rss))
    return image(name, presence=Presence.HEAD_ONLY, head=side(held), allowed=budgets(max_rss=max_rss))


def steps(made: Report) -> list[str]:
    return [finding.as_text() for finding in next_step_without_base(made.judged())]


def test_each_image_has_its_peak_its_limit_and_what_is_unused() -> None:
    rows = usage_rows(without_base(alone("api"), alone("web", 32)).judged())
    assert [[in_plain_text(cell) for cell in row] for row in rows] == [
        ["api", "40.0 MiB", "128.0 MiB", "88.0 MiB (68.8%)"],
        ["web", "32.0 MiB", "128.0 MiB", "96.0 MiB (75%)"],
    ]


def test_the_processes_that_held_the_memory_are_named() -> None:
    (held,) = holders(without_base(alone("api")).judged())
    assert held.as_text().startswith("api: at the peak (40.0 MiB): gunicorn")


def test_what_a_failure_already_tells_is_not_told_again() -> None:
    assert list(holders(without_base(alone("api", 70, max_rss=64)).judged())) == []


def test_an_image_without_a_peak_has_no_row() -> None:
    broken = image("api", presence=Presence.HEAD_ONLY, head=side(trial(None)), allowed=budgets())
    assert usage_rows(without_base(broken).judged()) == []


def test_more_than_the_limit_leaves_nothing_unused() -> None:
    used = usage(MetricValue.of(Metric.PEAK_RSS, 65 * MIB), 64 * MIB)
    assert used is not None
    assert used.unused_bytes == 0


def test_a_budget_is_suggested_where_there_is_none() -> None:
    assert steps(without_base(alone("api"), alone("web", max_rss=64))) == [
        "Next: peak RSS has no maximum for api. With 20% of room, in budgets.toml:",
        "  [images.api]",
        '  budgets.peak_rss.max = "50MiB"',
    ]


def test_a_name_with_a_dot_is_quoted_as_toml_wants_it() -> None:
    assert '  [images."a.b"]' in steps(without_base(alone("a.b")))


def test_many_images_without_a_budget_are_counted() -> None:
    lines = steps(without_base(*(alone(f"i{number}") for number in range(5))))
    assert lines[0].startswith("Next: peak RSS has no maximum for i0, i1, i2 and 2 more. ")
    assert len(lines) == 1 + 2 * 3


def test_with_budgets_everywhere_comparing_is_the_next_step() -> None:
    assert steps(without_base(alone("api", max_rss=64))) == [
        "Next: `membudget check --base REV` also judges growth since REV."
    ]


def test_a_check_that_fails_already_says_what_to_do() -> None:
    assert steps(without_base(alone("api", 70, max_rss=64))) == []
