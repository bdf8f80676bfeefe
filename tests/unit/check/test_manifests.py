"""What is read of a checkout without helm and kubectl."""

from pathlib import Path

import pytest

from membudget.budgets.manifests import ManifestEntry, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import changed_images, checked_manifests
from membudget.engine.rendering import Renderers
from membudget.judge.manifests import CheckedManifests
from tests.support.manifests import checked, containers

API = "- name: api\n  image: shop/api\n  resources: {limits: {memory: 256Mi}}\n"


def reason(manifests: CheckedManifests) -> str:
    (fault,) = manifests.head.faults
    return fault.reason


def test_without_entries_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert checked_manifests([], ManifestRules(), ["api"], (ManifestTexts(tmp_path, Renderers({})), None)) is None


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a.yaml": "x: 1\n"}, "has neither workloads of Kubernetes, nor services of compose, nor an ECS task"),
        ({"a.yaml": "kind: Pod\nspec: [\n"}, "it is not valid YAML"),
        ({"a.yaml": "kind: Pod\n#" + "x" * (600 << 10)}, "more YAML about workloads"),
        ({"a.yaml": "kind: Pod\n#" + "x" * (5 << 20)}, "is larger than 4 MiB"),
        ({"a/b.yaml": API}, "No such file"),
        ({"a/Chart.yaml": "name: a\nversion: 1\n"}, "helm is not installed, and a Helm chart needs it: install it"),
        ({"a/kustomization.yaml": "resources: []\n"}, "kubectl is not installed"),
        ({"a/Chart.yaml": "dependencies: [{name: b, repository: 'https://charts'}]\n"}, "helm dependency update"),
        ({"a/Chart.yaml": "dependencies: [{name: b, repository: 'file://../../b'}]\n"}, "not in the repository"),
        ({"a/Chart.yaml": "x: ["}, "Chart.yaml is not valid YAML"),
        ({"a/kustomization.yaml": "resources: [https://example.com/a.yaml]\n"}, "remote bases are not fetched"),
    ],
)
def test_what_cannot_be_used_says_why(files: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    first = next(iter(files))
    path = first if first == "a.yaml" else "a" if first.count("/") and not first.endswith("b.yaml") else "missing.yaml"
    assert why in reason(checked(files, path=path))


def test_a_folder_without_a_kind_asks_for_its_files() -> None:
    assert "name its files instead" in reason(checked({"a/b.yaml": API}, path="a"))


def test_values_are_for_charts_alone() -> None:
    files = {"a.yaml": containers(API), "values.yaml": ""}
    assert "is not a Helm chart" in reason(checked(files, values=["values.yaml"]))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.yaml"])
def test_a_link_that_leads_out_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(containers(API))
    top = tmp_path / "checkout"
    top.mkdir()
    (top / "api.yaml").symlink_to(target)
    found = checked_manifests(
        [ManifestEntry(path="api.yaml")], ManifestRules(), ["api"], (ManifestTexts(top, Renderers({})), None)
    )
    assert found is not None
    assert "leads out of the repository" in reason(found)


def test_a_file_in_a_folder_that_is_a_link_is_refused_in_a_chart(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: a\n")
    (tmp_path / "chart/templates").symlink_to("/etc")
    found = checked_manifests(
        [ManifestEntry(path="chart")], ManifestRules(), ["api"], (ManifestTexts(tmp_path, Renderers({})), None)
    )
    assert found is not None
    assert "is a link to a folder" in reason(found)


def test_a_container_is_matched_by_its_name_if_the_entry_says_so() -> None:
    other = API.replace("shop/api", "ghcr.io/other/backend:1")
    assert checked({"a.yaml": containers(other)}).unmatched == ("a.yaml",)
    found = checked({"a.yaml": containers(other)}, containers={"api": "api"})
    assert found.unmatched == ()
    assert found.head.workloads[0].containers[0].runs == "api"


def test_a_service_that_compose_builds_is_matched_by_its_name() -> None:
    found = checked({"compose.yaml": "services:\n  api: {build: .}\n  db: {image: postgres}\n"})
    assert [workload.name for workload in found.head.workloads] == ["api"]


@pytest.mark.parametrize(
    ("before", "is_changed"),
    [(API, False), (f"# moved\n{API}", False), (API.replace("256", "255"), True), ("", True)],
)
def test_images_whose_memory_changed_are_named(before: str, is_changed: bool) -> None:
    base = {"a.yaml": containers(before) if before.startswith("-") else f"# more\n{containers(API)}" if before else ""}
    found = checked({"a.yaml": containers(API)}, base)
    assert changed_images(found) == (frozenset({"api"}) if is_changed else frozenset())


def test_without_a_base_nothing_has_changed() -> None:
    assert changed_images(checked({"a.yaml": containers(API)})) == frozenset()
    assert changed_images(None) == frozenset()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-1", "it is negative"),
        ("16Ei", "it is larger than Kubernetes can hold"),
        ("1.5.9", "it is no quantity of Kubernetes"),
        ("128MiB", "it is no quantity of Kubernetes"),
        ("[256Mi]", "a table or a list"),
        ("{{ .Values.memory }}", "a table or a list"),
    ],
)
def test_a_wrong_quantity_names_file_line_and_key(text: str, why: str) -> None:
    (fault,) = checked({"a.yaml": containers(API.replace("256Mi", text))}).head.faults
    assert (fault.place.path, fault.place.line) == ("a.yaml", 9)
    assert fault.key == "Deployment/api: api: resources.limits.memory"
    assert why in fault.reason


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("1.5e9", 1_500_000_000), ("128974848000m", 128_974_848), ("0.1Gi", 107_374_183), ("1Ei", 2**60)],
)
def test_a_quantity_in_any_form_is_right(text: str, size_bytes: int) -> None:
    (workload,) = checked({"a.yaml": containers(API.replace("256Mi", text))}).head.workloads
    limit = workload.containers[0].limit
    assert limit is not None
    assert (limit.size_bytes, limit.text) == (size_bytes, text)


@pytest.mark.parametrize("path", ["a.yaml", "compose.yaml"])
def test_a_bomb_of_aliases_costs_nothing(path: str) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    text = containers(API) if path == "a.yaml" else "services: {api: {image: shop/api, mem_limit: 128m, x: *a29}}\n"
    (workload,) = checked({path: bomb + text}).head.workloads
    assert workload.containers[0].limit is not None


def test_anchors_and_merges_are_followed() -> None:
    text = "x: &limits {limits: {memory: 256Mi}}\n" + containers(API.replace("{limits: {memory: 256Mi}}", "*limits"))
    (workload,) = checked({"a.yaml": text}).head.workloads
    limit = workload.containers[0].limit
    assert limit is not None
    assert (limit.text, limit.place.line) == ("256Mi", 1)
    merged = text.replace("*limits", "{<<: *limits}")
    (workload,) = checked({"a.yaml": merged}).head.workloads
    assert workload.containers[0].limit is not None
