"""The manifests of a commit are read and rendered once, whoever asks for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from membudget.budgets.file import parse_budgets
from membudget.budgets.manifests import ManifestEntry, ManifestRules
from membudget.check.manifest_files import ManifestRefused
from membudget.check.manifest_texts import CommitManifests, ManifestTexts, why_unreadable
from membudget.check.manifests import checked_manifests
from membudget.check.pods import with_pods
from membudget.check.written_settings import SettingFiles
from membudget.core.errors import ProgramFailed
from membudget.manifests.kubernetes import MOST_TEXT, TooMuchYaml
from membudget.manifests.yaml_text import InvalidYaml

MANIFEST = """kind: Deployment
metadata: {name: api}
spec: {template: {spec: {containers: [{name: main, image: "api:1", resources: {limits: {memory: 64Mi}}}]}}}
"""
BUDGETS = """version = 1
[images.api]
kubernetes = { manifest = "chart" }
"""
FOLDERS = ["chart", "overlay"]
ENTRIES = (ManifestEntry(path="chart"), ManifestEntry(path="overlay"))


class Counting:
    """Renders all to the same, and counts how often it renders the files as they are committed."""

    def __init__(self, *, fails: bool = False) -> None:
        self.started: list[str] = []
        self._fails = fails

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        del values
        return self._rendered(files, folder)

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        return self._rendered(files, folder)

    def _rendered(self, files: Mapping[str, bytes], folder: str) -> str:
        if all(content == b"name: committed\n" for content in files.values()):  # else a place is sought
            self.started.append(folder)
        if self._fails:
            raise ProgramFailed("helm is not installed")
        return MANIFEST


def checkout(top: Path) -> Path:
    for path in ("chart/Chart.yaml", "overlay/kustomization.yaml"):
        (top / path).parent.mkdir(parents=True)
        (top / path).write_text("name: committed\n")
    return top


def test_helm_and_kubectl_start_once_for_each_chart_and_side(tmp_path: Path) -> None:
    started = {}
    sides = []
    manifests = CommitManifests()
    budgets = parse_budgets(BUDGETS, "budgets.toml")
    for sha in ("head", "base"):
        renderer = Counting()
        started[sha] = renderer.started
        first = manifests.of(sha, checkout(tmp_path / sha / "rules"), renderer)
        resolved = with_pods(budgets, first)
        assert resolved.faults == ()
        again = manifests.of(sha, checkout(tmp_path / sha / "check"), renderer)
        SettingFiles(again).of("api", resolved.budgets.images["api"])
        sides.append(again)
    found = checked_manifests(ENTRIES, ManifestRules(), ["api"], (sides[0], sides[1]))
    assert found is not None
    assert found.base is not None
    assert [len(side.workloads) for side in (found.head, found.base)] == [2, 2]
    assert {sha: sorted(folders) for sha, folders in started.items()} == {"head": FOLDERS, "base": FOLDERS}


def test_a_failure_is_not_tried_again(tmp_path: Path) -> None:
    renderer = Counting(fails=True)
    manifests = ManifestTexts(checkout(tmp_path), renderer)
    for _ in range(3):
        with pytest.raises(ProgramFailed, match="helm is not installed"):
            manifests.documents(ENTRIES[0])
    assert renderer.started == ["chart"]


def test_other_values_are_another_rendering(tmp_path: Path) -> None:
    renderer = Counting()
    manifests = ManifestTexts(checkout(tmp_path), renderer)
    (tmp_path / "more.yaml").write_text("name: committed\n")
    for values in ((), ("more.yaml",)):
        assert manifests.text(ManifestEntry(path="chart", values=values)) == MANIFEST
    assert renderer.started == ["chart", "chart"]


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("kind: Pod\na: [", InvalidYaml, "it is not valid YAML: "),
        (f"kind: Pod\n# {'x' * MOST_TEXT}", TooMuchYaml, "more YAML about workloads than the 512 KiB that are read"),
        (None, ManifestRefused, "api.yaml"),
    ],
)
def test_why_a_manifest_cannot_be_read(text: str | None, kind: type[Exception], reason: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "api.yaml").write_text(text)
    with pytest.raises(kind) as raised:
        ManifestTexts(tmp_path, Counting()).documents(ManifestEntry(path="api.yaml"))
    assert reason in why_unreadable(raised.value)
