from collections.abc import Mapping

import pytest

from membudget.core.errors import ProgramFailed
from membudget.core.quantities import MIB
from membudget.setup.charts import chart_folders, read_charts
from membudget.setup.found import Deployed, Fact, HealthProbe, Origin
from tests.unit.setup.conftest import MakeFiles

VALUES = """\
global: {resources: {limits: {memory: 1Gi}}}
api:
  image: {repository: example.com/shop/api-server, tag: "1"}
  service: {port: 80, targetPort: 8080}
  readinessProbe: {httpGet: {path: /ready, port: http}}
  resources:
    limits: {memory: 128Mi}
worker:
  resources: {limits: {memory: 64Mi}}
"""
CHART = {"chart/Chart.yaml": "name: shop\n", "chart/values.yaml": VALUES, "chart/templates/a.yaml": "{{ x }}"}


class WithoutDependencies:
    """As helm, which wants all charts that another one names."""

    def render(self, chart: Mapping[str, str]) -> str:
        if "dependencies" in chart["Chart.yaml"] or "Chart.lock" in chart:
            raise ProgramFailed("found in Chart.yaml, but missing in charts/: postgresql")
        return "kind: Pod\nspec: {containers: [{name: api, ports: [{containerPort: 8080}]}]}\n"


class Renderer:
    def __init__(self, answer: str | ProgramFailed) -> None:
        self.answer = answer
        self.given: Mapping[str, str] = {}

    def render(self, chart: Mapping[str, str]) -> str:
        self.given = chart
        if isinstance(self.answer, ProgramFailed):
            raise self.answer
        return self.answer


def test_values_are_read(make_files: MakeFiles) -> None:
    files = make_files(CHART)
    api, worker = read_charts(files, chart_folders(files), None)
    assert api.names == ("api-server", "api")
    assert api.limit == Fact(128 * MIB, Origin("chart/values.yaml", 7))
    assert [port.value for port in api.ports] == [8080, 80]
    assert [probe.value for probe in api.probes] == [HealthProbe("/ready", 8080)]
    assert (worker.names, worker.limit and worker.limit.value) == (("worker",), 64 * MIB)


def test_a_chart_is_rendered_without_charts_that_are_not_committed(make_files: MakeFiles) -> None:
    chart = "name: shop\ndependencies:\n- name: postgresql\n  version: 1\n\n  # more\n  - name: redis\nversion: 1\n"
    files = make_files({"Chart.yaml": chart, "Chart.lock": "x", "templates/a.yaml": "x"})
    (api,) = read_charts(files, chart_folders(files), WithoutDependencies())
    assert [port.value for port in api.ports] == [8080]
    assert files.skipped == []


def test_values_of_config_maps_are_variables(make_files: MakeFiles) -> None:
    rendered = """\
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: info, PORT: "9102"}
---
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: api
          args: [serve, --port, "8081"]
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: smtp}}]
          env:
            - {name: OWN, value: x}
            - {name: LEVEL, valueFrom: {secretKeyRef: {name: s, key: k}}}
            - {name: ALSO, valueFrom: {configMapKeyRef: {name: settings, key: PORT}}}
"""
    files = make_files({"Chart.yaml": "name: shop\n", "templates/a.yaml": "x"})
    (api,) = read_charts(files, chart_folders(files), Renderer(rendered))
    assert api.variables == {"PORT": "9102", "OWN": "x", "ALSO": "9102"}
    assert api.unknown_variables == ("all of the secret smtp", "LEVEL")
    assert [port.value for port in api.ports] == [8081]


def test_values_at_the_top_are_the_charts_own(make_files: MakeFiles) -> None:
    files = make_files({"Chart.yaml": "name: shop\n", "values.yaml": "image: {repository: x/y}\nreplicas: 1\n"})
    assert [one.names for one in read_charts(files, chart_folders(files), None)] == [("y", "shop")]


def test_what_helm_renders_comes_first_with_the_lines_of_the_values(make_files: MakeFiles) -> None:
    ports = "[{containerPort: 8080}, {containerPort: 81}]"
    pod = f"{{containers: [{{name: api, resources: {{limits: {{memory: 128Mi}}}}, ports: {ports}}}]}}"
    renderer = Renderer(f"kind: Deployment\nspec: {{template: {{spec: {pod}}}}}\n")
    files = make_files(CHART)
    first: Deployed = next(read_charts(files, chart_folders(files), renderer))
    assert first.limit == Fact(128 * MIB, Origin("chart/values.yaml", 7))
    assert first.ports == (Fact(8080, Origin("chart/values.yaml", 4)), Fact(81, Origin("chart/Chart.yaml", 1)))
    assert renderer.given.keys() == {"Chart.yaml", "values.yaml", "templates/a.yaml"}


def test_a_chart_that_helm_refuses_is_read_from_its_values(make_files: MakeFiles) -> None:
    files = make_files(CHART)
    found = list(read_charts(files, chart_folders(files), Renderer(ProgramFailed("no such function"))))
    assert len(found) == 2
    assert [one.reason for one in files.skipped] == ["helm template: no such function"]


def test_charts_inside_of_charts_are_not_charts_of_their_own(make_files: MakeFiles) -> None:
    files = make_files({"a/Chart.yaml": "", "a/charts/b/Chart.yaml": "", "c/Chart.yaml": ""})
    assert chart_folders(files) == ("a", "c")


def test_values_that_multiply_by_aliases_are_visited_once(make_files: MakeFiles) -> None:
    levels = "".join(f"l{n}: &l{n} {{{', '.join(f'k{m}: *l{n - 1}' for m in range(50))}}}\n" for n in range(1, 6))
    values = f"l0: &l0 {{image: x}}\n{levels}"
    files = make_files({"Chart.yaml": "name: a\n", "values.yaml": values})
    assert [one.names for one in read_charts(files, chart_folders(files), None)] == [("x", "l0")]


@pytest.mark.thorough
def test_a_repository_of_charts_is_read_in_part(make_files: MakeFiles) -> None:
    files = make_files({f"c{number}/Chart.yaml": "name: x\n" for number in range(60)})
    assert len(chart_folders(files)) == 50
    assert [one.reason for one in files.skipped] == ["more than 50 charts were found before"]
