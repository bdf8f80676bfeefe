"""What `membudget metrics push` sends, taken by a real Pushgateway and a real Prometheus."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from membudget.cli.main import main
from membudget.core.errors import ExitCode
from membudget.core.quantities import MIB
from membudget.publish.report_file import write_report
from membudget.report.formats.exposition import Family, FamilyKind
from membudget.report.formats.remote_write import HEADERS, MOST_SERIES, write_requests
from membudget.report.report import Report
from membudget.web.metrics_login import MetricsAddress
from membudget.web.push import MetricsServer
from prometheus_tools import Programs
from tests.prometheus.conftest import Promtool
from tests.support.builders import image, report, side, trial
from tests.support.prometheus import prometheus, pushgateway

EXAMPLES = Path(__file__).parents[2] / "examples/prometheus"
PASSWORD = "hunter2hunter2"
HASH = "$2b$04$wWlhQm.2KsfGxBaBdCOiiuyZVpjS8ey3fipICeousDMbPYymd56k6"
"""Of the password, by bcrypt."""


@pytest.fixture(autouse=True)
def outside_of_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's


def written(folder: Path, made: Report) -> str:
    path = folder / "report.json"
    write_report(made, path)
    return str(path)


def ended(ago: timedelta, rss: float = 40) -> Report:
    """A check that ended some time ago."""
    made = report(image("api", base=side(trial(30)), head=side(trial(rss))))
    return made.model_copy(update={"started_at": datetime.now(UTC) - ago, "duration_ms": 0})


def test_a_pushgateway_keeps_the_figures_until_the_next_push(
    programs: Programs, promtool: Promtool, tmp_path: Path
) -> None:
    with pushgateway(programs, tmp_path) as gateway:
        push = ["metrics", "push", "--pushgateway", gateway.url]
        two = report(image("api", head=side(trial(40))), image("web", head=side(trial(20))))
        assert main([*push, written(tmp_path, two), "--label", "repository=shop/api"]) == 0
        assert main([*push, written(tmp_path, ended(timedelta(0), 50)), "--label", "repository=other"]) == 0
        one = report(image("api", head=side(trial(44))))
        assert main([*push, written(tmp_path, one), "--label", "repository=shop/api"]) == 0
        exposed = requests.get(f"{gateway.url}/metrics", timeout=60).text
        ours = [line for line in exposed.splitlines() if line.startswith(("membudget_", "container_"))]
        assert not any('image="web"' in line for line in ours), "a push replaces what its group had"
        assert all('job="membudget"' in line for line in ours)
        shutil.copy(EXAMPLES / "alerts.yml", tmp_path)
        example = (EXAMPLES / "prometheus.yml").read_text()
        assert "localhost:9091" in example
        example = example.replace("localhost:9091", gateway.url.removeprefix("http://")).replace("15s", "1s")
        with prometheus(programs, tmp_path, configuration=example) as server:
            rules = requests.get(f"{server.url}/api/v1/rules", timeout=60).json()["data"]["groups"]
            assert [group["name"] for group in rules] == ["membudget"]
            peak = 'container_memory_working_set_bytes{job="membudget",container="api",moment="peak"%s}'
            server.await_series(peak % "")
            assert server.value(peak % ',repository="shop/api"') == 47 * MIB
            assert server.value(peak % ',repository="other"') == 53 * MIB


def test_a_pushgateway_with_a_password(programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    protected, token = tmp_path / "web.yml", tmp_path / "token"
    protected.write_text(f"basic_auth_users: {{shop: '{HASH}'}}\n")
    with pushgateway(programs, tmp_path, f"--web.config.file={protected}") as gateway:
        push = ["metrics", "push", "--pushgateway", gateway.url, written(tmp_path, ended(timedelta(0)))]
        token.write_text("shop:wrong-wrong")
        login = ["--token-file", str(token)]
        assert main(push) == ExitCode.CONFIGURATION
        assert main([*push, *login]) == ExitCode.CONFIGURATION
        assert "refuses the login (401)" in capsys.readouterr().err
        token.write_text(f"shop:{PASSWORD}\n")
        assert main([*push, *login]) == 0
        kept = requests.get(f"{gateway.url}/metrics", auth=("shop", PASSWORD), timeout=60).text
        assert "membudget_peak_rss_bytes" in kept
        assert PASSWORD not in "".join(capsys.readouterr())


def test_prometheus_takes_remote_writes(programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with prometheus(programs, tmp_path) as server:
        push = ["metrics", "push", "--remote-write", f"{server.url}/api/v1/write", "--label", "team=shop"]
        made = ended(timedelta(minutes=10))
        ended_s = made.started_at.timestamp()
        assert main([*push, written(tmp_path, made)]) == 0
        assert main([*push, written(tmp_path, made)]) == 0, "the same figures again change nothing"
        assert main([*push, written(tmp_path, ended(timedelta(minutes=1), 44))]) == 0
        peak = 'container_memory_working_set_bytes{job="membudget",container="api",moment="peak",team="shop"}'
        assert server.value(peak, ended_s + 1) == 43 * MIB
        assert server.value(f"last_over_time({peak}[1h])") == 47 * MIB
        assert server.query(peak, ended_s - 1) == []

        capsys.readouterr()
        assert main([*push, written(tmp_path, ended(timedelta(days=40)))]) == ExitCode.UNMEASURED
        assert "the server answered 400: out of bounds" in capsys.readouterr().err
        assert main(["metrics", "push", "--remote-write", server.url, written(tmp_path, made)]) != 0
        assert "--web.enable-remote-write-receiver" in capsys.readouterr().err


def test_prometheus_reads_any_label_and_any_number_of_series(programs: Programs, tmp_path: Path) -> None:
    texts = ["plain", "tàbby", 'q"uo\\te\nd', "😀" * 50, "x" * 5000]
    values = [0.0, -1.5, 1e300, 2.0**60, 3.0]
    made = Family("cats", FamilyKind.COUNTER, "", "how many there are")
    for text, value in zip(texts, values, strict=True):
        made.add(str(value), {"kind": text})
    many = Family("mice", FamilyKind.GAUGE, "", "how many there are")
    for number in range(2 * MOST_SERIES + 1):
        many.add(str(number), {"number": str(number), "padding": "x" * 100})
    with prometheus(programs, tmp_path) as server:
        writes = MetricsServer(MetricsAddress(f"{server.url}/api/v1/write", "--remote-write"))
        for body in write_requests([made, many], {"team": "shop"}, round(time.time() * 1000)):
            writes.send("POST", "", body, HEADERS)
        found = {labels["kind"]: value for labels, value in server.query('cats_total{team="shop"}')}
        assert found == dict(zip(texts, values, strict=True))
        assert server.value("count(mice)") == 2 * MOST_SERIES + 1
        assert server.value("sum(mice)") == sum(range(2 * MOST_SERIES + 1))
