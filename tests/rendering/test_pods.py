"""Pods of charts and of folders of Kustomize, rendered by the real programs."""

from pathlib import Path

from membudget.budgets.deployed_pod import pod_of
from membudget.budgets.file import parse_budgets
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.pods import ResolvedPods, with_pods
from membudget.engine.rendering import Renderers
from tests.rendering.conftest import CHARTS

TEMPLATE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  template:
    metadata: {annotations: {checksum: {{ .Values.greeting | sha256sum }}}}
    spec:
      containers:
        - name: main
          image: "registry/shop/api:{{ .Values.tag }}"
          envFrom: [{configMapRef: {name: {{ .Release.Name }}}}]
          resources: {limits: {memory: {{ .Values.memory }}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {GREETING: {{ .Values.greeting | quote }}}
"""
OVERLAY = """\
resources: [../base]
configMapGenerator:
  - {name: api, literals: [GREETING=kustomized]}
patches:
  - patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "96Mi"}]'
    target: {kind: Deployment}
"""


def read(top: Path, renderers: Renderers, table: str) -> ResolvedPods:
    return with_pods(
        parse_budgets(f"version = 1\n[images.api]\n{table}\n", "budgets.toml"), ManifestTexts(top, renderers)
    )


def write(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


def test_values_of_a_chart_decide_the_pod(tmp_path: Path, renderers: Renderers) -> None:
    write(tmp_path, {
        "chart/Chart.yaml": "apiVersion: v2\nname: api\nversion: 1.0.0\n",
        "chart/values.yaml": "tag: 1\nmemory: 64Mi\ngreeting: hello\n",
        "production.yaml": "memory: 128Mi\ngreeting: good day\n",
        "chart/templates/all.yaml": TEMPLATE,
    })  # fmt: skip
    for values, limit_mib, greeting in (("", 64, "hello"), (', values = ["production.yaml"]', 128, "good day")):
        found = read(tmp_path, renderers, f'kubernetes = {{ manifest = "chart"{values} }}')
        assert found.faults == ()
        image = found.budgets.images["api"]
        pod = pod_of(image)
        assert pod is not None
        assert (image.limit, pod.containers[0].environment) == (limit_mib << 20, (("GREETING", greeting),))


def test_patches_and_generated_config_maps_of_kustomize_count(tmp_path: Path, renderers: Renderers) -> None:
    plain = TEMPLATE.replace("{{ .Release.Name }}", "api").replace("{{ .Values.tag }}", "1")
    plain = plain.partition("---")[0].replace("{{ .Values.memory }}", "64Mi")
    plain = plain.replace("    metadata: {annotations: {checksum: {{ .Values.greeting | sha256sum }}}}\n", "")
    write(tmp_path, {
        "base/kustomization.yaml": "resources: [deploy.yaml]\n", "base/deploy.yaml": plain,
        "over/kustomization.yaml": OVERLAY,
    })  # fmt: skip
    found = read(tmp_path, renderers, 'kubernetes = { manifest = "over" }')
    assert (found.faults, found.facts["api"].lacks) == ((), ())
    image = found.budgets.images["api"]
    pod = pod_of(image)
    assert pod is not None
    assert (image.limit, pod.containers[0].environment) == (96 << 20, (("GREETING", "kustomized"),))


def test_charts_in_the_manner_of_widely_used_ones_are_read(renderers: Renderers) -> None:
    found = read(CHARTS, renderers, 'kubernetes = { manifest = "api" }')
    assert found.faults == ()
    assert found.budgets.images["api"].limit is not None
