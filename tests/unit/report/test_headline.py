"""The sentence that readers of nothing else read, beside the rows that it sums up."""

import pytest

from membudget.judge.measurement import ImageMeasurement
from membudget.report.headline import headline
from membudget.report.table import table_rows
from tests.support.builders import image, report, side, trial


def spread(base_kib: tuple[int, ...], head_kib: tuple[int, ...], size: float = 100) -> ImageMeasurement:
    sides = (side(*(trial(kib / 1024) for kib in one), size=size) for one in (base_kib, head_kib))
    return image("api", base=next(sides), head=next(sides))


def said(*images: ImageMeasurement) -> str:
    return headline(report(*images).judged()).as_text()


QUIET = (100_000, 100_004, 100_008, 100_012, 100_016)


@pytest.mark.parametrize("grown", [0, 12, 68, 3000])
def test_the_headline_says_no_change_only_where_the_row_says_so(grown: int) -> None:
    """A change of 68 ± 28 KiB in 98 MiB was a row of its own, and "no measurable change" above."""
    made = spread(QUIET, tuple(kib + grown for kib in QUIET))
    (row,) = (row for row in table_rows(report(made).judged()) if row.metric == "peak RSS")
    is_measurable = "none found" not in row.delta
    assert is_measurable == (grown > 16)
    line = said(made)
    assert ("no measurable change" in line) != is_measurable
    assert not is_measurable or line.endswith(f"; largest change: api peak RSS {row.delta}")


def test_which_figures_did_not_change_is_said() -> None:
    assert said(spread(QUIET, QUIET)) == "1 image within budget; no measurable change of image size or peak RSS"


def test_the_largest_change_is_the_one_of_the_most_percent() -> None:
    assert "largest change: api image size +5.0 MiB (+5.0%)" in said(
        image("web", base=side(trial(400)), head=side(trial(410))),
        image("api", base=side(trial(4), size=100), head=side(trial(4), size=105)),
    )


def test_without_a_base_nothing_is_said_of_changes() -> None:
    assert said(image("api", head=side(trial(40)))) == "1 image within budget"
