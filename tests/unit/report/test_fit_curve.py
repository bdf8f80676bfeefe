"""What limits cost, as a table, as bars and as a chart."""

import re
from dataclasses import replace

from membudget.advise.fit import ImageFit
from membudget.advise.rung import Ended, Tried
from membudget.core.quantities import MIB
from membudget.judge.fitted import FittedImage
from membudget.report.fit_curve import Curve, curve, rung_table
from tests.fakes.fitted import answering, fitted, report
from tests.fakes.limited_services import self_sizing, tried


def of(found: ImageFit) -> FittedImage:
    (image,) = report(found).images
    return image


def drawn(*trials: Tried) -> Curve | None:
    return curve(of(ImageFit("api", None, trials)))


def at(mib: int, cpu_ms: int, p95_us: int | None = None) -> Tried:
    return tried(mib * MIB, cpu_ms=cpu_ms, p95_us=p95_us)


def killed(mib: int) -> Tried:
    return tried(mib * MIB, Ended.KILLED)


def lines_of(chart: Curve) -> list[list[float]]:
    found = re.findall(r"line \[(.*)\]", chart.as_mermaid())
    return [[float(value) for value in line.split(", ")] for line in found]


def test_a_table_has_a_row_for_each_limit_and_no_empty_columns() -> None:
    image = of(fitted("api", answering))
    headings, rows = rung_table(image)
    assert len(rows) == len(image.rungs)
    assert {"limit", "trials", "peak RSS", "CPU time", "p95"} <= set(headings)
    assert not {"refaults", "stalled"} & set(headings)
    assert all(any(row[column] for row in rows) for column in range(len(headings)))


def test_a_row_marks_the_answers() -> None:
    _, rows = rung_table(of(fitted("api", answering)))
    assert sum("← survives and comfortable" in str(row[1]) for row in rows) == 1


def test_bars_have_a_line_for_each_limit() -> None:
    image = of(fitted("api", answering))
    chart = curve(image)
    assert chart is not None
    bars = chart.as_bars()
    assert len(bars) == 1 + len(image.rungs)
    assert any("✗ 1 OOM-killed" in line for line in bars)
    assert sum("survives" in line for line in bars) == 1


def test_costs_are_in_percent_of_those_without_a_limit() -> None:
    chart = drawn(killed(10), at(20, 3000, 900), at(40, 1500, 600), tried(None, cpu_ms=1000, p95_us=300))
    assert chart is not None
    assert [(point.works, point.cpu_percent, point.latency_percent) for point in chart.points] == [
        (False, None, None), (True, 300, 300), (True, 150, 200),
    ]  # fmt: skip


def test_the_chart_is_0_where_a_limit_does_not_work_and_falls_after_it() -> None:
    chart = drawn(killed(10), at(20, 3000), at(40, 1500), tried(None, cpu_ms=1000))
    assert chart is not None
    (cpu,) = lines_of(chart)
    assert cpu[0] == 0
    assert cpu[20] == 300, "a third of the way from 10 to 40 MiB"
    assert cpu[40] == 225, "halfway between two limits that work"
    assert cpu[-1] == 150
    assert all(value == 0 for value in cpu[:20])
    assert "latency" not in chart.legend


def test_a_limit_that_fails_above_one_that_works_is_0_as_well() -> None:
    chart = drawn(at(10, 1000), killed(20), at(30, 1000), at(40, 1000), tried(None, cpu_ms=1000))
    assert chart is not None
    (cpu,) = lines_of(chart)
    assert cpu[0] == 100
    assert not any(cpu[1:40])
    assert all(value == 100 for value in cpu[40:])


def test_the_legend_names_lines_and_answers() -> None:
    chart = curve(of(fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB))))
    assert chart is not None
    assert chart.legend == ("🔵 CPU time · 0: it does not pass · survives at 127.5 MiB · comfortable at 231.2 MiB")


def test_nothing_is_drawn_of_what_cannot_be_compared() -> None:
    assert drawn(at(20, 1000), tried(None, cpu_ms=1000)) is None, "one limit"
    assert drawn(at(20, 1000), at(30, 1000)) is None, "nothing without a limit"
    assert drawn(at(20, 1000), at(30, 1000), tried(None, cpu_ms=0)) is None, "no CPU time"
    assert drawn(killed(20), killed(30), tried(None, cpu_ms=100)) is None


def test_limits_out_of_order_are_not_drawn() -> None:
    image = of(fitted("api", answering))
    backwards = replace(image, rungs=(*image.rungs[-2::-1], image.rungs[-1]))
    assert curve(backwards) is None


def test_the_chart_ends_at_twice_the_largest_answer_so_that_the_knee_has_room() -> None:
    def needs_30_mib(limit: int | None) -> Tried:
        killed_below = limit is not None and limit < 30 * MIB
        return tried(limit, Ended.KILLED if killed_below else Ended.PASSED, rss=30 * MIB, mark=400 * MIB, cpu_ms=1000)

    chart = curve(of(fitted("api", needs_30_mib)))
    assert chart is not None
    assert chart.points[-1].limit_bytes > 200 * MIB
    last = re.search(r'x-axis "limit in MiB" [\d.]+ --> ([\d.]+)', chart.as_mermaid())
    assert last is not None
    assert 30 < float(last[1]) <= 64


def test_refaults_and_stalls_are_columns_where_the_kernel_tells_them() -> None:
    reached = replace(at(20, 1000), refaulted_bytes=8 * MIB, stalled_ms=250)
    headings, rows = rung_table(
        of(ImageFit("api", None, (killed(10), reached, at(20, 1000), at(20, 1000), at(40, 1000), tried(None))))
    )
    refaults, stalled = headings.index("refaults"), headings.index("stalled")
    assert [row[refaults] for row in rows] == ["", "0 B", "0 B", ""], "two of three trials did not reach their limit"
    assert [row[stalled] for row in rows] == ["", "0 ms", "0 ms", ""]
    _, (_, row, _) = rung_table(of(ImageFit("api", None, (killed(10), reached, tried(None)))))
    assert (row[refaults], row[stalled]) == ("8.0 MiB", "250 ms (25%)")


def test_stalls_are_no_column_on_cgroup_v1() -> None:
    reached = replace(at(20, 1000), refaulted_bytes=8 * MIB)
    headings, _ = rung_table(of(ImageFit("api", None, (reached, tried(None)))))
    assert "refaults" in headings
    assert "stalled" not in headings
