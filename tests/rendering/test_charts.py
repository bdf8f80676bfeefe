"""Charts in the manner of widely used ones, rendered by the real helm."""

import shutil
from pathlib import Path

import pytest

from membudget.budgets.manifests import ManifestEntry, ManifestRule, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.engine.rendering import Renderers
from membudget.judge.manifest_rules import judge_manifests
from membudget.judge.manifests import ManifestFinding
from tests.rendering.conftest import CHARTS
from tests.support.manifests import api, patched

R = ManifestRule


def found(top: Path, renderers: Renderers, chart: str, *values: str) -> tuple[ManifestFinding, ...]:
    entry = ManifestEntry(path=chart, values=tuple(f"{chart}/{name}" for name in values))
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (ManifestTexts(top, renderers), None))
    judged = judge_manifests(manifests, [api()])
    assert judged.faults == ()
    return judged.findings


def places(findings: tuple[ManifestFinding, ...]) -> set[tuple[ManifestRule, str, int]]:
    return {(one.rule, one.place.path, one.place.line) for one in findings if one.place.is_exact}


def test_the_values_file_that_counts_is_named(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "api", "values-production.yaml")
    assert places(findings) == {(R.LIMIT_BELOW_NEED, "api/values-production.yaml", 4)}
    assert [one.rule for one in findings if not one.place.is_exact] == [R.HPA_CANNOT_SCALE_DOWN]
    (limit,) = (one for one in findings if one.place.is_exact)
    assert limit.patch is not None
    assert limit.patch.after == ('    memory: "230Mi" # tight on purpose',)


def test_the_defaults_of_a_chart_are_its_own_values(renderers: Renderers) -> None:
    assert found(CHARTS, renderers, "api") == ()


def test_values_of_subcharts_come_from_the_chart_above_or_from_their_own(renderers: Renderers) -> None:
    assert places(found(CHARTS, renderers, "shop")) == {
        (R.LIMIT_BELOW_NEED, "shop/values.yaml", 4),
        (R.LIMIT_BELOW_NEED, "shop/charts/worker/values.yaml", 1),
    }


def test_a_default_in_a_library_chart_beside_it_is_a_line_of_that_chart(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "with-library")
    assert places(findings) == {(R.LIMIT_BELOW_NEED, "common/templates/_container.tpl", 6)}


def test_anchors_in_a_list_of_the_values_are_followed(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "gateway")
    assert (R.LIMIT_BELOW_NEED, "gateway/values.yaml", 5) in places(findings)


def test_a_chart_at_the_top_of_the_repository_is_a_chart(renderers: Renderers) -> None:
    entry = ManifestEntry(path=".", values=("values-production.yaml",))
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (ManifestTexts(CHARTS / "api", renderers), None))
    assert (R.LIMIT_BELOW_NEED, "values-production.yaml", 4) in places(judge_manifests(manifests, [api()]).findings)


LACKING = {
    "api/values-production.yaml": "replicaCount: 4\nresources: {requests: {memory: 144Mi}}\n",
    "api/values.yaml": (CHARTS / "api/values.yaml").read_text().replace("  limits:\n    memory: 256Mi\n", ""),
    "shop/values.yaml": "global: {registry: ghcr.io/shop}\napi:\n  replicas: 2\nworker: {enabled: true}\n",
    "common/templates/_container.tpl": (
        '{{- define "common.container" -}}\n- name: {{ .name }}\n  image: {{ .image | quote }}\n'
        "  {{- with .resources }}\n  resources: {{- toYaml . | nindent 4 }}\n  {{- end }}\n{{- end }}\n"
    ),
}  # fmt: skip
"""The same charts without limits."""


@pytest.mark.parametrize("lacks", [False, True], ids=["written", "lacking"])
@pytest.mark.parametrize(
    ("chart", "values"),
    [("api", ("values-production.yaml",)), ("shop", ()), ("with-library", ()), ("gateway", ())],
)
def test_each_patch_applied_silences_its_finding_and_still_renders(
    chart: str, values: tuple[str, ...], lacks: bool, renderers: Renderers, tmp_path: Path
) -> None:
    shutil.copytree(CHARTS, tmp_path, dirs_exist_ok=True)
    for path, text in LACKING.items() if lacks else ():
        (tmp_path / path).write_text(text)
    findings = found(tmp_path, renderers, chart, *values)
    patches = [(one, one.patch) for one in findings if one.patch is not None]
    assert patches
    assert not lacks or chart == "gateway" or R.NO_LIMIT in {one.rule for one, _ in patches}
    for finding, patch in patches:
        file = tmp_path / patch.path
        before = file.read_text()
        file.write_text(patched({patch.path: before}, patch)[patch.path])
        left = found(tmp_path, renderers, chart, *values)
        same = (finding.rule, finding.workload, finding.container)
        assert same not in {(one.rule, one.workload, one.container) for one in left}
        file.write_text(before)
