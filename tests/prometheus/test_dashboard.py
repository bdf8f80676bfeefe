"""The dashboard and the alerts of examples/prometheus, against a real Prometheus with what membudget exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import grafana_dashboard
from grafana_dashboard import ROWS, VARIABLES, Panel, Query
from membudget.core.quantities import MIB
from prometheus_tools import Programs
from tests.prometheus.conftest import Promtool
from tests.prometheus.watched import NOW_S, fill
from tests.support.prometheus import Server, prometheus

EXAMPLES = Path(__file__).parents[2] / "examples/prometheus"
QUERIES = [(panel.title, query) for panels in ROWS.values() for panel in panels for query in panel.queries]


@pytest.fixture(scope="module")
def server(programs: Programs, promtool: Promtool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("watched")
    fill(promtool, folder)
    with prometheus(programs, folder) as running:
        yield running


def chosen(expression: str) -> str:
    """A query as Grafana asks it, with everything chosen."""
    return expression.replace("$container", ".+").replace("$image", ".+")


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_dashboard_is_what_the_sdk_writes() -> None:
    assert (EXAMPLES / "dashboard.json").read_text() == grafana_dashboard.written(), "run `make dashboard`"


def test_every_query_of_the_dashboard_is_one_that_is_tested() -> None:
    found = json.loads((EXAMPLES / "dashboard.json").read_text())
    asked = [target["expr"] for panel in found["panels"] for target in panel.get("targets", [])]
    assert sorted(asked) == sorted(query.expression for _, query in QUERIES)
    names = {variable["name"] for variable in found["templating"]["list"]}
    assert {name for text in asked for name in re.findall(r"\$(\w+)", text)} <= names


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[f"{title}: {query.legend}" for title, query in QUERIES])
def test_a_query_finds_series_that_its_legend_can_name(server: Server, title: str, query: Query) -> None:
    found = server.query_range(chosen(query.expression), NOW_S - 600, NOW_S, 60)
    assert found, title
    for one in found:
        assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= set(one["metric"])


def test_ci_and_production_lie_in_one_panel(server: Server) -> None:
    panel = ROWS["CI and production"][0]
    values = [server.value(chosen(query.expression), NOW_S) / MIB for query in panel.queries]
    assert values == [118, 180, 192, 128], "CI's peak, production, production's limit, CI's limit"
    assert [found["metric"] for found in server.query_range(chosen(panel.queries[0].expression), NOW_S, NOW_S, 60)] == [
        {"container": "api"}
    ]


@pytest.mark.parametrize("panel", ROWS["The main branch"], ids=lambda panel: panel.title)
def test_images_of_one_name_in_two_repositories_stay_apart(server: Server, panel: Panel) -> None:
    expected = {"shop"} if "90 days" in panel.title else {"shop", "blog"}
    for query in panel.queries:
        if "history" not in query.expression:  # it is loaded without the name of the repository
            found = [labels["repository"] for labels, _ in server.query(chosen(query.expression), NOW_S)]
            assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("query", VARIABLES.values())
def test_a_variable_has_values(server: Server, query: str) -> None:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match is not None
    found = server.query(f"last_over_time({match[1]}[30d])", NOW_S)
    assert {labels[match[2]] for labels, _ in found} == {"api"}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_fires_on_what_is_really_exported(server: Server, name: str) -> None:
    (one,) = server.query(alerts()[name]["expr"], NOW_S)
    assert set(re.findall(r"\$labels\.(\w+)", str(alerts()[name]["annotations"]))) <= set(one[0])


def test_promtool_finds_nothing_wrong_with_the_alerts(promtool: Promtool) -> None:
    promtool("check", "rules", str(EXAMPLES / "alerts.yml"))
    promtool("check", "config", str(EXAMPLES / "prometheus.yml"))


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*_test.yml")))
def test_alerts_fire_when_they_should_and_not_before(promtool: Promtool, file: str) -> None:
    promtool("test", "rules", str(EXAMPLES / file))


def test_every_alert_is_tested_both_ways() -> None:
    fires: dict[str, set[bool]] = {name: set() for name in alerts()}
    for path in EXAMPLES.glob("*_test.yml"):
        for group in yaml.safe_load(path.read_text())["tests"]:
            for one in group["alert_rule_test"]:
                fires[one["alertname"]].add(bool(one["exp_alerts"]))
    assert fires == {name: {True, False} for name in alerts()}
