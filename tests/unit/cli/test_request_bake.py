"""A bake target is compared as the plain build that it resolves to, from the bake file of each commit."""

import json
from pathlib import Path

import pytest

from membudget.budgets.loosening import LabelState
from membudget.build.bake import BakeRefused
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.check.check import CheckRequest
from membudget.cli.request import Wanted, check_request
from membudget.core.errors import BudgetsFileError
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough  # git
BUDGETS = 'version = 1\n[images.api]\nlimit = "64MiB"\nbuild = { bake = "docker-bake.json", target = "api" }\n'


class PrintsAsItIs:
    """Buildx for bake files that need no evaluation."""

    def targets(self, text: str, kind: str, wanted: str | None = None) -> str:
        if kind != "json":
            raise BakeRefused("HCL")
        return text


@pytest.fixture(autouse=True)
def without_buildx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membudget.cli.request.BuildxBake", PrintsAsItIs)


def bake(context: str, **more: object) -> str:
    return json.dumps({"target": {"api": {"context": context, **more}}})


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "work")
    dockerfiles = {f"{name}/Dockerfile": f"FROM scratch\nLABEL a={name}\n" for name in ("api", "small", "smaller")}
    made.commit("Base", {"budgets.toml": BUDGETS, "docker-bake.json": bake("api"), **dockerfiles})
    made.branch("change")
    return made


def request(work: Repository) -> CheckRequest:
    wanted = Wanted(work.folder / "budgets.toml", BaseRequest(revision="main"))
    return check_request(GitRepository(work.folder), wanted, LabelState(is_set=False))


def test_what_a_bake_file_points_elsewhere_is_built_as_base_says(work: Repository) -> None:
    work.commit("Head", {"docker-bake.json": bake("small")})
    made = request(work)
    assert [(one.key, one.before, one.after) for one in made.rules.loosened] == [("build.context", "api", "small")]
    assert made.head_images["api"].build.context == "api"


def test_the_label_does_not_cover_what_a_later_push_changes_in_the_bake_file(work: Repository) -> None:
    digests = set()
    for context in ("small", "smaller"):
        work.commit("Push", {"docker-bake.json": bake(context)})
        digests.add(request(work).approval_digest)
    assert len(digests) == 2
    assert None not in digests


def test_tags_of_a_bake_file_change_no_image(work: Repository) -> None:
    work.commit("Head", {"docker-bake.json": bake("./api", tags=["x/api:2"])})
    made = request(work)
    assert (made.rules.loosened, made.untouched, made.approval_digest) == ((), frozenset({"api"}), None)


def test_the_bake_file_is_the_commits(work: Repository) -> None:
    work.write({"docker-bake.json": bake("small")})
    made = request(work)
    assert made.head_images["api"].build.context == "api"
    assert any("docker-bake.json has uncommitted changes" in note for note in made.notes)


def test_a_target_that_the_base_cannot_resolve_is_told_and_fails_closed(work: Repository) -> None:
    work.git("checkout", "--quiet", "main")
    work.commit("Broken", {"docker-bake.json": bake("api", ssh=["default"])})
    work.git("checkout", "--quiet", "-B", "change")
    work.commit("Head", {"docker-bake.json": bake("api")})
    made = request(work)
    assert [one.key for one in made.rules.loosened] == ["build.bake"]
    assert any(
        "images.api.build.bake cannot be resolved: the target api uses an SSH agent" in one for one in made.base_notes
    )
    assert made.untouched == frozenset()


def test_what_head_cannot_resolve_is_a_problem_of_its_budgets_file(work: Repository) -> None:
    work.commit("Head", {"docker-bake.json": bake("../elsewhere")})
    with pytest.raises(
        BudgetsFileError, match="the context of the target api lies outside of the repository"
    ) as caught:
        request(work)
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("images.api.build.bake", 4)
