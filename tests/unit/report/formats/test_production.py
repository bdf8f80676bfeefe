"""The comparison with production, as the documentation shows it, and in the other formats."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.production import CiNotMeasured, ImageFidelity, NotSeen, OfCi, ProductionUse, Scrapes
from membudget.report.formats.production import as_json, render, render_markdown
from tests.unit.judge.production_cases import production

PAGE = (Path(__file__).parents[4] / "docs/fidelity.md").read_text()
SHOWN = next(
    block for block in re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "p99 over" in block
)


def ci(mib: int, shared_mib: int = 0) -> OfCi:
    """Three trials."""
    return OfCi(mib * MIB, ((mib - 2) * MIB, mib * MIB, (mib + 2) * MIB), shared_bytes=shared_mib * MIB)


def used(largest: float, p99: float, of_pods: float) -> ProductionUse:
    return ProductionUse(*(round(mib * MIB) for mib in (largest, p99, of_pods)))


def api() -> ImageFidelity:
    """The image of the documentation."""
    seen = replace(
        production(1),
        selector='{container="api",job!="membudget"}',
        used={
            Metric.PEAK_RSS: used(128, 110, 127.84),
            Metric.PEAK_WORKING_SET: used(138, 120, 137.84),
            Metric.PEAK_MEMORY: ProductionUse(140 * MIB),
        },
        containers=2,
        samples=2686,
        scrapes=Scrapes(900, 14 * 86_400, 0),
        restarts=2,
        limit_bytes=256 * MIB,
    )
    of_ci = {
        Metric.PEAK_RSS: ci(78, 2),
        Metric.PEAK_WORKING_SET: ci(83),
        Metric.PEAK_MEMORY: ci(86),
    }
    return ImageFidelity("api", 1, seen, of_ci)


def test_a_terminal_shows_what_the_documentation_shows() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(render([api()]))
    assert "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n" == SHOWN


def test_markdown_has_the_table_and_what_it_rests_on() -> None:
    shown = render_markdown([api(), ImageFidelity("web", 1, NotSeen.NO_SERIES, CiNotMeasured.FAILED)])
    assert shown.startswith("| image | memory |")
    assert "- the workload reaches 61% (59% to 62%) of production's peak RSS. Raise its load" in shown
    assert "`web`:\n\n- not compared: its trials in CI failed" in shown


def test_json_has_every_figure_and_why_there_is_none() -> None:
    one, two = json.loads(as_json([api(), ImageFidelity("web", 2, NotSeen.NO_SERIES, {})]))["images"]
    rss = one["compared"][0]
    assert (rss["metric"], rss["reach"], rss["wanted_scale"]) == ("peak_rss", "below", 1.7)
    assert (rss["ci_bytes"], rss["ci_without_shared_bytes"], rss["production_max_bytes"]) == (
        78 * MIB,
        2 * MIB,
        128 * MIB,
    )
    assert (one["production"]["pods"], one["production"]["interval_s"], one["reason"]) == (2, 900, None)
    assert (two["compared"], two["production"], two["reason"]) == ([], None, "no series")


def test_nothing_to_show_has_no_table() -> None:
    out = io.StringIO()
    Console(file=out, width=200).print(render([ImageFidelity("web", 1, NotSeen.NO_SERIES, {})]))
    assert out.getvalue().startswith("web\n  not compared:")
