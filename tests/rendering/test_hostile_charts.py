"""Charts and folders of Kustomize that a stranger may have written, rendered by the real programs."""

from pathlib import Path

import pytest

from membudget.budgets.manifests import ManifestEntry, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.core.errors import ProgramFailed
from membudget.engine.rendering import Renderers
from membudget.judge.manifests import CheckedManifests

CHART = b"apiVersion: v2\nname: c\nversion: 0.1.0\n"


def chart(template: str, values: str = "") -> dict[str, bytes]:
    return {
        "c/Chart.yaml": CHART,
        "c/values.yaml": values.encode(),
        "c/templates/a.yaml": template.encode(),
    }


def render(renderers: Renderers, template: str, values: str = "") -> str:
    return renderers.chart(chart(template, values), "c", ())


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ('{{ fail "the reason" }}', "the reason"),
        ("{{ .Values.a.b.c }}", "nil pointer"),
        ('{{ required "give a limit" .Values.memory }}', "give a limit"),
        ('{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}', "Error: "),
        ('x: {{ repeat 2000000000 "0123456789" | len }}', "helm ran out of memory: it gets 1 GiB"),
        ('x: "{{ range until 600000 }}0123456789{{ end }}"', "more than 4 MiB"),
        ("{{ if }}", "missing value"),
        ("a: [", "."),
    ],
)
def test_a_chart_that_cannot_be_rendered_says_why(template: str, reason: str, renderers: Renderers) -> None:
    with pytest.raises(ProgramFailed, match=reason):
        render(renderers, template)


def test_a_chart_that_loops_is_stopped(renderers: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.engine.rendering._MOST_S", 1.0)
    with pytest.raises(ProgramFailed, match="longer than"):
        render(renderers, "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}")


def test_a_wrong_quantity_of_a_chart_names_template_and_key(renderers: Renderers, tmp_path: Path) -> None:
    files = {
        "c/Chart.yaml": CHART.decode(),
        "c/values.yaml": "memory: -1\n",
        "c/templates/a.yaml": DEPLOYMENT.replace("256Mi", "{{ .Values.memory }}"),
    }
    (fault,) = read(tmp_path, files, renderers, "c").head.faults
    assert fault.place.path == "c/templates/a.yaml"
    assert fault.key == "Deployment/api: api: resources.limits.memory"
    assert fault.reason == "'-1' is no amount of memory: it is negative"


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


def test_a_bomb_in_values_or_in_what_is_rendered_is_refused(renderers: Renderers, tmp_path: Path) -> None:
    chart = {"c/Chart.yaml": CHART.decode(), "c/values.yaml": BOMB, "c/templates/a.yaml": DEPLOYMENT}
    (fault,) = read(tmp_path, chart, renderers, "c").head.faults
    assert fault.place.path == "c/Chart.yaml"
    assert "excessive aliasing" in fault.reason
    rendered = {**chart, "c/values.yaml": "", "c/templates/a.yaml": DEPLOYMENT + BOMB}
    (fault,) = read(tmp_path, rendered, renderers, "c").head.faults
    assert "excessive aliasing" in fault.reason


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.yaml"])
def test_values_that_lead_out_of_the_repository_are_refused(target: str, renderers: Renderers, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("memory: 1Mi\n")
    top = tmp_path / "top"
    (top / "c").mkdir(parents=True)
    (top / "c/Chart.yaml").write_bytes(CHART)
    (top / "c/production.yaml").symlink_to(target)
    entry = ManifestEntry(path="c", values=("c/production.yaml",))
    found = checked_manifests([entry], ManifestRules(), ["api"], (ManifestTexts(top, renderers), None))
    assert found is not None
    (fault,) = found.head.faults
    assert "leads out of the repository" in fault.reason


def test_a_chart_sees_no_cluster_no_environment_and_no_file_outside(programs: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("secret")
    told = {**programs, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / ".kube/config"), "HELM_NAMESPACE": "mine"}
    template = """x: {{ lookup "v1" "Secret" "" "" | toJson }}
y: {{ env "HOME" | quote }}
n: {{ .Release.Namespace }}
"""
    with pytest.raises(ProgramFailed, match=r'function "env" not defined'):
        Renderers(told).chart(chart(template), "c", ())
    template = (
        template.replace('y: {{ env "HOME" | quote }}\n', "") + 'f: {{ .Files.Get "../../etc/passwd" | quote }}\n'
    )
    said = Renderers(told).chart(chart(template), "c", ())
    assert "x: {}" in said
    assert "n: default" in said
    assert 'f: ""' in said


KUSTOMIZATION = "resources: [deployment.yaml]\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
      - name: api
        image: shop/api
        resources:
          limits:
            memory: 256Mi
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
      - name: api
        resources: {limits: {memory: 128Mi}}
"""
OVERLAY = {
    "base/kustomization.yaml": KUSTOMIZATION,
    "base/deployment.yaml": DEPLOYMENT,
    "production/kustomization.yaml": "namePrefix: prod-\nresources: [../base]\npatches: [{path: memory.yaml}]\n",
    "production/memory.yaml": PATCH,
}


def read(top: Path, files: dict[str, str], renderers: Renderers, path: str = "production") -> CheckedManifests:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    found = checked_manifests(
        [ManifestEntry(path=path)], ManifestRules(), ["api"], (ManifestTexts(top, renderers), None)
    )
    assert found is not None
    return found


def test_the_patch_of_an_overlay_is_the_place(renderers: Renderers, tmp_path: Path) -> None:
    (workload,) = read(tmp_path, OVERLAY, renderers).head.workloads
    assert workload.name == "prod-api"
    limit = workload.containers[0].limit
    assert limit is not None
    assert (limit.text, limit.place.path, limit.place.line) == ("128Mi", "production/memory.yaml", 9)


def test_what_an_overlay_leaves_alone_is_in_its_base(renderers: Renderers, tmp_path: Path) -> None:
    overlay = {**OVERLAY, "production/kustomization.yaml": "resources: [../base]\n"}
    limit = read(tmp_path, overlay, renderers).head.workloads[0].containers[0].limit
    assert limit is not None
    assert (limit.place.path, limit.place.line) == ("base/deployment.yaml", 12)


@pytest.mark.parametrize(
    "resource",
    ["https://example.com/base.yaml", "github.com/owner/name//base?ref=v1", "git@example.com:a/b.git", "../../outside",
     "/etc", "missing.yaml"],
)  # fmt: skip
def test_remote_bases_are_refused_before_kubectl_starts(resource: str, renderers: Renderers, tmp_path: Path) -> None:
    files = {"production/kustomization.yaml": f"resources:\n- {resource}\n"}
    (fault,) = read(tmp_path, files, renderers).head.faults
    assert "production/kustomization.yaml, line 2" in fault.reason
    assert "is not in the repository" in fault.reason


def test_kubectl_has_no_network_and_no_git(renderers: Renderers) -> None:
    with pytest.raises(ProgramFailed):
        renderers.kustomize({"a/kustomization.yaml": b"resources: ['https://127.0.0.1:9/x']\n"}, "a")
