"""Writes the tables of metrics in docs/measurements.md and docs/prometheus.md anew, from `membudget.core.metrics`.

A table stands between the lines `<!-- metrics: NAME -->` and `<!-- metrics: end -->`. Run by `make tables`.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from membudget.core.definition import Aggregation
from membudget.core.metrics import Metric
from membudget.core.production import DECLARED, ProductionMetric

TOP = Path(__file__).resolve().parent.parent
PAGES = ("docs/measurements.md", "docs/prometheus.md")
_TABLE = re.compile(r"(<!-- metrics: (\w+) -->\n).*?(<!-- metrics: end -->)", re.DOTALL)
_OVER_TRIALS = {
    Aggregation.CONSTANT: "a constant of the image",
    Aggregation.MEDIAN: "median",
    Aggregation.MAXIMUM: "maximum",
    Aggregation.ESTIMATE: "mean",
}


def main() -> int:
    """Write the pages."""
    for name in PAGES:
        page = TOP / name
        page.write_text(written(page.read_text()))
    return 0


def written(page: str) -> str:
    """A page with its tables as the definitions have them."""
    return _TABLE.sub(lambda found: found[1] + "".join(f"{line}\n" for line in _TABLES[found[2]]()) + found[3], page)


def _values() -> Iterator[str]:
    yield _row("metric", "unit", "better", "definition", "precision", "over the trials")
    yield _row("---", "---", "---", "---", "---", "---")
    for metric in Metric:
        one = metric.definition
        precision = _precision(metric, f"`{one.precision}`")
        yield _row(f"`{metric}`", one.unit, one.better, one.summary, precision, _OVER_TRIALS[one.aggregation])


def _sources() -> Iterator[str]:
    yield _row("metric", "read from", "cgroup v1", "cgroup v2")
    yield _row("---", "---", "---", "---")
    for metric in Metric:
        source = metric.definition.source
        if source is not None:
            yield _row(f"`{metric}`", source.place, source.v1, source.v2)


def _production() -> Iterator[str]:
    yield _row("membudget's metric", "name in production", "labels", "exported there by", "definition there")
    yield _row("---", "---", "---", "---", "---")
    named: set[ProductionMetric] = set()
    for metric in Metric:
        one = metric.definition.in_production
        if one is not None:
            named.add(one.metric)
            moment = f'`moment="{one.moment}"`' if one.moment is not None else ""
            what = f"`{metric}`" if one.column is None else f"`{metric}`, only its `{one.column}`"
            yield _row(what, f"`{one.metric}`", moment, one.metric.source, one.metric.summary)
    for other in ProductionMetric:
        if other not in named:
            labels = '`resource="memory"`, `unit="byte"`' if other in DECLARED else ""
            yield _row("", f"`{other}`", labels, other.source, other.summary)


_TABLES: dict[str, Callable[[], Iterator[str]]] = {"values": _values, "sources": _sources, "production": _production}


def _precision(metric: Metric, usual: str) -> str:
    notes = metric.definition.precision_notes
    return f"{usual}; {notes}" if notes else usual


def _row(*cells: str) -> str:
    return f"|{'|'.join(cell if cell == '---' else f' {cell} ' for cell in cells)}|"


if __name__ == "__main__":
    sys.exit(main())
