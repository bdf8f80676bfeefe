"""A pod is compared as its manifest describes it, from the manifest of each commit."""

from pathlib import Path

import pytest

from membudget.budgets.deployed_pod import pod_of
from membudget.budgets.loosening import LabelState
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.check.check import CheckRequest
from membudget.cli.request import Wanted, check_request
from membudget.core.errors import BudgetsFileError
from membudget.core.quantities import MIB
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough  # git
BUDGETS = 'version = 1\n[images.api]\nkubernetes = { manifest = "deploy.yaml" }\n'
MANIFEST = """kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
        - name: main
          image: shop/api:1
          args: [serve]
          resources: {limits: {memory: 64Mi}}
"""


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "work")
    made.commit("Base", {"budgets.toml": BUDGETS, "deploy.yaml": MANIFEST, "Dockerfile": "FROM scratch\n"})
    made.branch("change")
    return made


def request(work: Repository) -> CheckRequest:
    wanted = Wanted(work.folder / "budgets.toml", BaseRequest(revision="main"))
    return check_request(GitRepository(work.folder), wanted, LabelState(is_set=False))


def loosened(made: CheckRequest) -> list[tuple[str, str, str]]:
    return [(one.key, one.before, one.after) for one in made.rules.loosened]


def test_a_raised_limit_of_the_manifest_is_a_looser_limit(work: Repository) -> None:
    work.commit("Head", {"deploy.yaml": MANIFEST.replace("64Mi", "128Mi")})
    made = request(work)
    assert loosened(made) == [("limit", "64.0 MiB", "128.0 MiB")]
    assert made.head_images["api"].limit == 64 * MIB
    assert made.approval_digest is not None


def test_a_lowered_limit_counts_at_once(work: Repository) -> None:
    work.commit("Head", {"deploy.yaml": MANIFEST.replace("64Mi", "32Mi")})
    made = request(work)
    assert (loosened(made), made.head_images["api"].limit) == ([], 32 * MIB)


def test_a_limit_that_moves_from_the_manifest_to_the_budgets_file_and_grows_is_looser(work: Repository) -> None:
    work.commit("Head", {"budgets.toml": f'{BUDGETS}limit = "96MiB"\n'})
    made = request(work)
    assert loosened(made) == [("limit", "64.0 MiB", "96.0 MiB")]
    assert any("the limit of the budgets file counts, 96.0 MiB, and not that of deploy.yaml, 64.0 MiB" in one
               for one in made.notes)  # fmt: skip


def test_another_command_is_compared_as_the_base_has_it_and_run_as_the_head_has_it(work: Repository) -> None:
    work.commit("Head", {"deploy.yaml": MANIFEST.replace("serve", "serve-less")})
    made = request(work)
    rules = made.rules.images["api"]
    assert loosened(made) == []
    assert rules.settings_of_base == ("kubernetes",)
    assert rules.own is not None
    runs = [pod_of(spec) for spec in (rules.spec, rules.own)]
    assert [pod.containers[0].arguments for pod in runs if pod is not None] == [("serve",), ("serve-less",)]


def test_a_new_tag_and_more_replicas_change_nothing(work: Repository) -> None:
    text = MANIFEST.replace("api:1", "api:2").replace("spec:\n  template", "spec:\n  replicas: 3\n  template")
    work.commit("Head", {"deploy.yaml": text})
    made = request(work)
    assert (loosened(made), made.rules.images["api"].settings_of_base, made.approval_digest) == ([], (), None)


def test_the_label_does_not_cover_what_a_later_push_changes_in_the_manifest(work: Repository) -> None:
    digests = set()
    for words in ("serve, a", "serve, b"):
        work.commit("Push", {"deploy.yaml": MANIFEST.replace("64Mi", "128Mi").replace("serve", words)})
        digests.add(request(work).approval_digest)
    assert len(digests) == 2
    assert None not in digests


def test_a_pod_that_the_base_does_not_have_fails_closed(work: Repository) -> None:
    work.git("checkout", "--quiet", "main")
    work.commit("Broken", {"deploy.yaml": "kind: Pod\n"})
    work.git("checkout", "--quiet", "-B", "change")
    work.commit("Head", {"deploy.yaml": MANIFEST})
    made = request(work)
    assert made.base_problem is not None
    assert "images.api.kubernetes.manifest cannot be used" in made.base_problem
    assert made.approval_digest is not None


def test_what_the_head_cannot_resolve_is_a_problem_of_its_budgets_file(work: Repository) -> None:
    work.commit(
        "Head", {"deploy.yaml": MANIFEST.replace("args:", "securityContext: {privileged: true}\n          args:")}
    )
    with pytest.raises(BudgetsFileError, match=r"securityContext\.privileged is more than") as caught:
        request(work)
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("images.api.kubernetes.manifest", 3)


def test_the_manifest_is_the_commits(work: Repository) -> None:
    work.write({"deploy.yaml": MANIFEST.replace("64Mi", "128Mi")})
    made = request(work)
    assert made.head_images["api"].limit == 64 * MIB
    assert any("deploy.yaml has uncommitted changes" in note for note in made.notes)
