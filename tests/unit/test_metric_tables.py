from pathlib import Path

import pytest

import metric_tables

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize("page", metric_tables.PAGES)
def test_the_tables_of_metrics_are_current(page: str) -> None:
    text = (TOP / page).read_text()
    assert text.count("| `peak_rss`") >= 1
    assert text == metric_tables.written(text), "run `make tables`"
