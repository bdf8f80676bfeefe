import pytest

from membudget.core.quantities import MIB
from membudget.setup.found import Deployed, Fact, HealthProbe, Origin
from membudget.setup.manifests import read_manifests
from tests.unit.setup.conftest import MakeFiles

API = """\
apiVersion: v1
kind: Service
metadata: {name: api}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-api
spec:
  template:
    spec:
      containers:
        - name: server
          image: registry.example.com/shop/api:1.2
          env:
            - {name: LOG_LEVEL, value: warning}
            - {name: TOKEN, valueFrom: {secretKeyRef: {name: api, key: token}}}
            - {name: URL, value: "http://$(HOST)/"}
          ports:
            - {name: http, containerPort: 8080}
            - {name: dns, containerPort: 53, protocol: UDP}
          readinessProbe:
            httpGet: {path: /ready, port: http}
          livenessProbe:
            tcpSocket: {port: 8080}
          resources:
            limits:
              memory: 128Mi
"""


def deployed(make_files: MakeFiles, text: str) -> list[Deployed]:
    return list(read_manifests(make_files({"deploy/api.yaml": text}), ()))


def test_a_deployment_is_read(make_files: MakeFiles) -> None:
    (one,) = deployed(make_files, API)
    assert one.names == ("api", "server", "shop-api")
    assert one.limit == Fact(128 * MIB, Origin("deploy/api.yaml", 28))
    assert [port.value for port in one.ports] == [8080]
    assert [probe.value for probe in one.probes] == [HealthProbe("/ready", 8080), HealthProbe(None, 8080)]
    assert not one.runs_to_end
    assert one.variables == {"LOG_LEVEL": "warning"}


@pytest.mark.parametrize(
    ("kind", "pod", "runs_to_end"),
    [
        ("StatefulSet", "template: {spec: POD}", False), ("DaemonSet", "template: {spec: POD}", False),
        ("Job", "template: {spec: POD}", True), ("CronJob", "jobTemplate: {spec: {template: {spec: POD}}}", True),
    ],
)  # fmt: skip
def test_each_kind_has_its_pod(kind: str, pod: str, runs_to_end: bool, make_files: MakeFiles) -> None:
    spec = pod.replace("POD", "{containers: [{name: a}]}")
    (one,) = deployed(make_files, f"kind: {kind}\nspec: {{{spec}}}\n")
    assert (one.names, one.runs_to_end) == (("a",), runs_to_end)


def test_the_entries_of_a_list_are_read(make_files: MakeFiles) -> None:
    text = "kind: List\nitems:\n- {kind: Pod, spec: {containers: [{name: a}, {name: b}]}}\n"
    assert [one.names for one in deployed(make_files, text)] == [("a",), ("b",)]


def test_a_probe_by_command_tells_the_address_that_it_asks(make_files: MakeFiles) -> None:
    probe = "{exec: {command: [wget, -q, 'http://127.0.0.1:81/up']}}"
    (one,) = deployed(make_files, f"kind: Pod\nspec: {{containers: [{{name: a, startupProbe: {probe}}}]}}\n")
    assert [found.value for found in one.probes] == [HealthProbe("/up", 81)]


@pytest.mark.parametrize(
    "text",
    ["kind: ConfigMap\n", "kind: Deployment\n", "kind: Deployment\nspec: []\n", "a: 1\n", "kind: {{ .Kind }}\n",
     "kind: Pod\nspec: {containers: {a: 1}}\n"],
)  # fmt: skip
def test_other_documents_tell_nothing(text: str, make_files: MakeFiles) -> None:
    assert deployed(make_files, text) == []


def test_templates_of_charts_are_left_out(make_files: MakeFiles) -> None:
    files = make_files({"chart/Chart.yaml": "", "chart/templates/a.yaml": "kind: Pod\n{{ x }}\n"})
    assert list(read_manifests(files, ("chart",))) == []
    assert files.skipped == []


def test_config_maps_of_the_same_folder_give_variables(make_files: MakeFiles) -> None:
    pod = "{containers: [{name: api, envFrom: [{configMapRef: {name: settings}, prefix: APP_}]}]}"
    config = "kind: ConfigMap\nmetadata: {name: settings}\ndata: {LEVEL: %s}\n"
    files = make_files({
        "a/config.yaml": config % "info", "b/config.yaml": config % "debug", "a/pod.yaml": f"kind: Pod\nspec: {pod}\n",
    })  # fmt: skip
    (api,) = read_manifests(files, ())
    assert api.variables == {"APP_LEVEL": "info"}
    assert api.sources == ("a/pod.yaml", "a/config.yaml"), "all of them have to be committed"
