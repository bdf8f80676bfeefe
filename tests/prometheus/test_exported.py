"""What membudget exports, read by Prometheus and promtool."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.report.formats.history_openmetrics import render_openmetrics
from membudget.report.formats.openmetrics import render, render_plain
from prometheus_tools import Programs
from tests.prometheus.conftest import Promtool
from tests.support.hostile_report import hostile_report
from tests.support.prometheus import prometheus
from tests.support.serving import serving
from tests.unit.report.formats.test_history import series
from tests.unit.report.reports import REPORTS, guarded

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4"


@contextmanager
def exposed(text: str, kind: str) -> Iterator[str]:
    """A server that answers with a text. Its address, without the scheme."""

    @Request.application
    def answer(_: Request) -> Response:
        return Response(text, content_type=kind)

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    with serving(server):
        yield f"127.0.0.1:{server.server_port}"


def scraping(**addresses: str) -> str:
    """A job for each address."""
    jobs = (
        f"{{job_name: {name}, honor_labels: true, static_configs: [{{targets: ['{address}']}}]}}"
        for name, address in addresses.items()
    )
    return f"global: {{scrape_interval: 1s}}\nscrape_configs: [{', '.join(jobs)}]\n"


@pytest.mark.parametrize("make", [*REPORTS.values(), hostile_report])
def test_promtool_finds_nothing_wrong_with_the_metrics(promtool: Promtool, make: object) -> None:
    assert callable(make)
    assert promtool("check", "metrics", given=render_plain(make().judged())) == ""


def test_prometheus_scrapes_every_figure(programs: Programs, tmp_path: Path) -> None:
    made = guarded().judged()
    texts = {"open": (render(made), OPENMETRICS), "plain": (render_plain(made), PLAIN)}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(exposed(*text)) for name, text in texts.items()}
        server = stack.enter_context(prometheus(programs, tmp_path, configuration=scraping(**addresses)))
        for name, (text, _) in texts.items():
            server.await_series(f'scrape_samples_scraped{{job="{name}"}} > 0')
            count = sum(not line.startswith("#") for line in text.splitlines())
            assert server.value(f'scrape_samples_scraped{{job="{name}"}}') == count
            instance = f'instance="{addresses[name]}"'
            api = f'job="membudget",container="api",{instance}'
            assert server.value(f'membudget_peak_rss_bytes{{image="api",side="head",{instance}}}') == 73505178
            assert server.value(f'container_memory_working_set_bytes{{{api},moment="peak"}}') == 76650906
            assert server.value(f"container_oom_events_total{{{api}}}") == 0
            assert server.value(f"container_spec_memory_limit_bytes{{{api}}}") == 128 * MIB


def test_prometheus_takes_blocks_of_the_history(programs: Programs, promtool: Promtool, tmp_path: Path) -> None:
    found = [series(40, 41, 60), series(45, 46, 66, metric=Metric.PEAK_WORKING_SET), series(8, image="web")]
    text = tmp_path / "history.txt"
    text.write_text(render_openmetrics(found))
    promtool("tsdb", "create-blocks-from", "openmetrics", str(text), str(tmp_path / "data"))
    newest_s = found[0].points[-1].commit.time_s
    with prometheus(programs, tmp_path) as server:
        assert server.value('membudget_history_peak_rss_bytes{image="api"}', newest_s) == 60 * MIB
        assert server.value('membudget_history_peak_rss_bytes{image="api"} offset 2h', newest_s) == 40 * MIB
        peak = 'container_memory_working_set_bytes{job="membudget",container="api",moment="peak"}'
        assert server.value(f"max_over_time({peak}[3h])", newest_s) == 66 * MIB
        assert len(server.query("membudget_history_peak_rss_bytes", newest_s - 2 * 3600 + 60)) == 2
