"""Writes examples/prometheus/dashboard.json anew, with Grafana's own SDK. Run by `make dashboard`.

The queries stand here as data. A test runs each of them against a real Prometheus that holds what membudget exports.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

TOP = Path(__file__).resolve().parent.parent
TARGET = TOP / "examples/prometheus/dashboard.json"
CONTAINER, IMAGE = "$container", "$image"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

_CI = 'job="membudget"'
_OURS = f'{_CI},container=~"{CONTAINER}"'
_THEIRS = f'job!="membudget",container=~"{CONTAINER}"'
_HEAD = f'image=~"{IMAGE}",side="head",phase=""'
_NAME = "{{repository}} {{image}}"
_CI_PEAK = f'max by (container) (last_over_time(container_memory_working_set_bytes{{{_OURS},moment="peak"}}[30d]))'
_CI_LIMIT = f"max by (container) (last_over_time(container_spec_memory_limit_bytes{{{_OURS}}}[30d]))"
_CI_SHARE = (
    "max by (container) (max by (repository,container,image)"
    f' (last_over_time(container_memory_working_set_bytes{{{_OURS},moment="peak"}}[30d]))'
    f" / max by (repository,container,image) (last_over_time(container_spec_memory_limit_bytes{{{_OURS}}}[30d])))"
)
"""Each peak is divided by its own limit: containers of several repositories may have one name."""
_PRODUCTION = f"max by (container) (container_memory_working_set_bytes{{{_THEIRS}}})"
_PRODUCTION_LIMIT = (
    f'max by (container) (kube_pod_container_resource_limits{{{_THEIRS},resource="memory"}})'
    f" or max by (container) (container_spec_memory_limit_bytes{{{_THEIRS}}} > 0)"
)
"""kube-state-metrics' limit, and without it cAdvisor's, which is 0 for a container without one."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel, and what its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: what it shows, and by which queries."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 12
    """Of 24 columns."""
    is_bar: bool = False
    """Whether it shows the newest values as bars, instead of all over time."""


ROWS: dict[str, tuple[Panel, ...]] = {
    "CI and production": (
        Panel(
            "CI's peak, production's working set and limits",
            "If production's line is above CI's, CI's workload is too small to show what production needs.",
            "bytes",
            (
                Query(_CI_PEAK, "{{container}}: CI's peak"),
                Query(_PRODUCTION, "{{container}}: production"),
                Query(_PRODUCTION_LIMIT, "{{container}}: production's limit"),
                Query(_CI_LIMIT, "{{container}}: CI's limit"),
            ),
            width=24,
        ),
        Panel(
            "Production, compared with CI's largest peak of 90 days",
            "Above 100 %, production uses more than CI ever saw.",
            "percentunit",
            (
                Query(
                    f"{_PRODUCTION} / on (container) max by (container)"
                    f' (max_over_time(container_memory_working_set_bytes{{{_OURS},moment="peak"}}[90d]))',
                    "{{container}}",
                ),
            ),
        ),
        Panel(
            "Share of the limit in use",
            "The kernel kills a process of a container that needs more than its limit.",
            "percentunit",
            (
                Query(f"{_PRODUCTION} / on (container) ({_PRODUCTION_LIMIT})", "{{container}}: production"),
                Query(_CI_SHARE, "{{container}}: CI's peak"),
            ),
            is_bar=True,
        ),
        Panel(
            "OOM kills",
            "Production: kills of the last hour. CI: kills of the last check of the main branch.",
            "short",
            (
                Query(
                    f"sum by (container) (increase(container_oom_events_total{{{_THEIRS}}}[1h]))",
                    "{{container}}: production",
                ),
                Query(
                    f"max by (container) (last_over_time(container_oom_events_total{{{_OURS}}}[30d]))",
                    "{{container}}: CI",
                ),
            ),
            width=24,
        ),
    ),
    "The main branch": (
        Panel(
            "Peak RSS and its budget",
            "What checks of the main branch measured. The history shows what was measured before the first push.",
            "bytes",
            (
                Query(f"max by (repository,image) (last_over_time(membudget_peak_rss_bytes{{{_HEAD}}}[7d]))", _NAME),
                Query(
                    f'max by (image) (last_over_time(membudget_history_peak_rss_bytes{{image=~"{IMAGE}"}}[30d]))',
                    "{{image}}: history",
                ),
                Query(
                    "min by (repository,image) (last_over_time(membudget_budget_bytes"
                    f'{{image=~"{IMAGE}",metric="peak_rss",phase="",since=""}}[7d]))',
                    f"{_NAME}: budget",
                ),
            ),
        ),
        Panel(
            "Growth of peak RSS in 90 days",
            "Slow growth over many pull requests. A creep budget limits it. Prometheus has to keep 97 days.",
            "percentunit",
            (
                Query(
                    f"max by (repository,image) (last_over_time(membudget_peak_rss_bytes{{{_HEAD}}}[7d]))"
                    " / on (repository,image) max by (repository,image)"
                    f" (last_over_time(membudget_peak_rss_bytes{{{_HEAD}}}[7d] offset 90d)) - 1",
                    _NAME,
                ),
            ),
        ),
        Panel(
            "Image size",
            "The sum of the files in all layers.",
            "bytes",
            (Query(f"max by (repository,image) (last_over_time(membudget_image_size_bytes{{{_HEAD}}}[7d]))", _NAME),),
        ),
        Panel(
            "Headroom of peak RSS",
            "What is left until the nearest budget breaks. Negative values are over budget.",
            "bytes",
            (
                Query(
                    "min by (repository,image) (last_over_time(membudget_headroom_bytes"
                    f'{{image=~"{IMAGE}",metric="peak_rss",phase="",since=""}}[7d]))',
                    _NAME,
                ),
            ),
            is_bar=True,
        ),
    ),
}
VARIABLES = {
    CONTAINER.removeprefix("$"): f"label_values(container_spec_memory_limit_bytes{{{_CI}}}, container)",
    IMAGE.removeprefix("$"): "label_values(membudget_limit_bytes, image)",
}
"""The containers and images to choose from, which are those that membudget measures."""


def main() -> int:
    """Write the dashboard."""
    TARGET.write_text(written())
    return 0


def written() -> str:
    """The dashboard as JSON."""
    made = (
        dashboard.Dashboard("membudget: memory in CI and in production")
        .uid("membudget")
        .description("Memory of container images as membudget measures it in CI, beside what production uses.")
        .tags(["membudget", "memory"])
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-30d", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for name, query in VARIABLES.items():
        made.with_variable(
            dashboard.QueryVariable(name)
            .label(name.capitalize())
            .datasource(_SOURCE)
            .query(query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".+")
        )
    for title, panels in ROWS.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(_bars(panel) if panel.is_bar else _lines(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _lines(panel: Panel) -> timeseries.Panel:
    """A panel of all values over time. What a check measured stays true until the next one, so lines are steps."""
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .legend(legend.show_legend(True))
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .span(panel.width)
        .height(9)
    )
    for target in _targets(panel):
        made.with_target(target)
    return made


def _bars(panel: Panel) -> bargauge.Panel:
    """A panel of the newest values. Shares of a limit turn yellow and red as they come near to it."""
    steps = [Threshold(color="green")]
    if panel.unit == "percentunit":
        steps += [Threshold(value=0.8, color="yellow"), Threshold(value=0.9, color="red")]
    else:
        steps = [Threshold(color="red"), Threshold(value=0, color="green")]
    made = (
        bargauge.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .span(panel.width)
        .height(9)
    )
    for target in _targets(panel):
        made.with_target(target)
    return made


def _targets(panel: Panel) -> Iterator[prometheus.Dataquery]:
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().ref_id("ABCDEFGH"[number]).datasource(_SOURCE).expr(query.expression)
        yield (target.instant() if panel.is_bar else target.range()).legend_format(query.legend)


if __name__ == "__main__":
    sys.exit(main())
