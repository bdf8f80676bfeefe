"""Where a chart or a folder of Kustomize lacks a limit, the change adds it to the source, and it still renders."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from membudget.budgets.manifests import ManifestEntry, ManifestRule, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.engine.rendering import Renderers
from membudget.judge.manifests import ManifestFinding
from tests.rendering.test_hostile_charts import DEPLOYMENT as WITH_LIMIT
from tests.support.manifests import judged, patched

R = ManifestRule
BARE = WITH_LIMIT.replace("        resources:\n          limits:\n            memory: 256Mi\n", "")
CHART = "apiVersion: v2\nname: c\nversion: 0.1.0\n"


def template(resources: str) -> str:
    return f"{BARE.replace('shop/api', '{{ .Values.image }}')}{resources}"


USUAL = template("        resources:\n          {{- toYaml .Values.resources | nindent 10 }}\n")
MAYBE = template(
    "        {{- with (.Values.api).resources }}\n        resources: {{- toYaml . | nindent 10 }}\n        {{- end }}\n"
)
VALUES = "image: shop/api\nresources: {}\n  # limits:\n  #   memory: 128Mi\n"


def found(files: Mapping[str, str], top: Path, renderers: Renderers, path: str, *values: str) -> list[ManifestFinding]:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    entry = ManifestEntry(path=path, values=values)
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (ManifestTexts(top, renderers), None))
    assert manifests is not None
    assert manifests.head.faults == ()
    return list(judged(manifests).findings)


BOTH = "resources: {requests: {memory: 120Mi}, limits: {memory: 230Mi}}"
LINES = ["requests:", "  memory: 120Mi", "limits:", "  memory: 230Mi"]
CASES = {
    "the usual values file": (
        {"c/Chart.yaml": CHART, "c/values.yaml": VALUES, "c/templates/a.yaml": USUAL},
        ("c",), "c/values.yaml", [BOTH],
    ),
    "a key without a value": (
        {"c/Chart.yaml": CHART, "c/values.yaml": "image: shop/api\nresources:\n", "c/templates/a.yaml": USUAL},
        ("c",), "c/values.yaml", [f"  {line}" for line in LINES],
    ),
    "other resources": (
        {"c/Chart.yaml": CHART, "c/templates/a.yaml": USUAL,
         "c/values.yaml": "image: shop/api\nresources:\n    requests: {memory: 128Mi}\n    limits:\n        cpu: 1\n"},
        ("c",), "c/values.yaml", ["        memory: 230Mi"],
    ),
    "a table without the key": (
        {"c/Chart.yaml": CHART, "c/templates/a.yaml": MAYBE,
         "c/values.yaml": "image: shop/api\napi:\n  # how many\n  replicas: 2\n"},
        ("c",), "c/values.yaml", ["  resources:", *(f"    {line}" for line in LINES)],
    ),
    "values that are given": (
        {"c/Chart.yaml": CHART, "c/values.yaml": VALUES, "c/templates/a.yaml": USUAL,
         "production.yaml": "replicas: 3\nresources: {limits: {cpu: 2}}\n"},
        ("c", "production.yaml"), "production.yaml", ["resources: {limits: {memory: 230Mi, cpu: 2}}"],
    ),
    "values of a subchart": (
        {"c/Chart.yaml": CHART, "c/charts/w/Chart.yaml": CHART.replace("name: c", "name: w"),
         "c/charts/w/values.yaml": "image: shop/api\n", "c/charts/w/templates/a.yaml": USUAL,
         "c/values.yaml": "w:\n  replicas: 1\n  resources: {}\n"},
        ("c",), "c/values.yaml", [f"  {BOTH}"],
    ),
    "a schema that allows no other keys": (
        {"c/Chart.yaml": CHART, "c/values.yaml": f"replicas: 1\n{VALUES}api:\n  replicas: 1\n",
         "c/templates/a.yaml": USUAL,
         "c/values.schema.json": '{"properties": {"api": {"additionalProperties": false, "properties": {"replicas": '
                                 '{"type": "integer"}}}}}'},
        ("c",), "c/values.yaml", [BOTH],
    ),
    "a template that is YAML": (
        {"c/Chart.yaml": CHART, "c/templates/a.yaml": BARE},
        ("c",), "c/templates/a.yaml", ["        resources:", *(f"          {line}" for line in LINES)],
    ),
    "a base of Kustomize": (
        {"base/kustomization.yaml": "resources: [deployment.yaml]\n", "base/deployment.yaml": BARE,
         "prod/kustomization.yaml": "namePrefix: prod-\nresources: [../base]\n"},
        ("prod",), "base/deployment.yaml", ["        resources:", *(f"          {line}" for line in LINES)],
    ),
    "a patch of Kustomize": (
        {"base/kustomization.yaml": "resources: [deployment.yaml]\n", "base/deployment.yaml": BARE,
         "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: memory.yaml}]\n",
         "prod/memory.yaml": BARE.replace("image: shop/api\n", "resources: {requests: {memory: 128Mi}}\n")},
        ("prod",), "prod/memory.yaml", ["        resources: {limits: {memory: 230Mi}, requests: {memory: 128Mi}}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_missing_is_added_to_the_source_and_still_renders(
    name: str, renderers: Renderers, tmp_path: Path
) -> None:
    files, (path, *values), changed, lines = CASES[name]
    before = found(files, tmp_path, renderers, path, *values)
    assert R.NO_LIMIT in {one.rule for one in before}
    for finding in before:
        assert finding.patch is not None
        assert finding.patch.path == changed
        assert (finding.place.path, finding.place.line) == (finding.patch.path, finding.patch.line)
        after = patched(files, finding.patch)
        assert finding.rule not in {one.rule for one in found(after, tmp_path, renderers, path, *values)}
    limit = next(one for one in before if one.rule is R.NO_LIMIT)
    old = files[changed].split("\n")
    assert limit.patch is not None
    new = [line for line in patched(files, limit.patch)[changed].split("\n") if line not in old]
    assert new == lines


def test_a_chart_that_computes_its_resources_gets_no_guess(renderers: Renderers, tmp_path: Path) -> None:
    computed = template('        resources: {requests: {cpu: {{ .Values.cpu | default "1" | quote }} }}\n')
    files = {"c/Chart.yaml": CHART, "c/values.yaml": VALUES, "c/templates/a.yaml": computed}
    assert all(one.patch is None for one in found(files, tmp_path, renderers, "c"))
