"""The step of docs/manifests.md that renders a chart before the action, as it is pasted, with the real helm."""

import re
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

from membudget.budgets.manifests import ManifestEntry, ManifestRule, ManifestRules
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.engine.rendering import Renderers
from tests.rendering.conftest import CHARTS
from tests.support.manifests import judged
from tests.support.repository import Repository

PAGE = (Path(__file__).parents[2] / "docs/manifests.md").read_text()


def render(programs: dict[str, str], folder: Path) -> int:
    """Run the step as a runner does. Returns its exit code."""
    found = re.search(r"^      - name: Render the chart\n        run: \|\n((?:          .*\n)+)", PAGE, re.MULTILINE)
    assert found is not None
    return subprocess.run(["bash", "-e", "-c", dedent(found[1])], cwd=folder, env=programs, check=False).returncode


def test_a_rendered_file_must_be_up_to_date_and_is_checked_without_helm(
    programs: dict[str, str], tmp_path: Path
) -> None:
    repository = Repository.new(tmp_path / "repository")
    top = repository.folder
    shutil.copytree(CHARTS / "api", top / "charts/shop")
    (top / "deploy").mkdir()
    repository.commit("A chart", {"deploy/shop.yaml": ""})
    assert render(programs, top) == 1, "it differs from what was committed"
    repository.git("commit", "--all", "--message", "Render")
    assert render(programs, top) == 0

    entry = ManifestEntry(path="deploy/shop.yaml")
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (ManifestTexts(top, Renderers({})), None))
    (limit,) = (one for one in judged(manifests).findings if one.rule is ManifestRule.LIMIT_BELOW_NEED)
    line = (top / limit.place.path).read_text().splitlines()[limit.place.line - 1]
    assert line.strip() == "memory: 128Mi"
    assert limit.patch is not None
