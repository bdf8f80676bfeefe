"""Suspected steps are measured again on an engine: the commit is found and told once, and noise is not told."""

import json
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.engine.connection import Engine
from membudget.history.record import machine_class
from tests.support.github_server import Github, running_github
from tests.support.history import line, text
from tests.support.membudget_process import Finished, run
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

SHOP = "octo/shop"
BUDGETS = """\
version = 1
[defaults]
limit = "96MiB"
trials = 1
[images.api.build]
context = "api"
[images.calm.build]
context = "calm"
"""


def holding(images: PreparedImages, mib: int, number: int = 0) -> str:
    """A Dockerfile whose image holds so many MiB, for long enough to be seen on a busy machine."""
    return f'FROM {images.truth}\nLABEL number={number}\nCMD ["{mib}", "0", "400", "1", "0"]\n'


@pytest.fixture
def commits(repository: Repository, images: PreparedImages, engine: Engine) -> list[str]:
    """Seven commits. The fifth adds 8 MiB to the service `api`, and `calm` never changes.

    The history has a step of both.
    """
    made = []
    for number in range(7):
        api = holding(images, 28 if number >= 4 else 20, number)
        files = {"budgets.toml": BUDGETS, "api/Dockerfile": api, "calm/Dockerfile": holding(images, 20, number)}
        made.append(repository.commit("Load it all" if number == 4 else f"Commit {number}", files))
    info = engine.info
    machine = machine_class(info.platform, info.cgroup_version, info.cpus)
    store = GitHistory(GitRepository(repository.folder), DEFAULT_PLACE)
    for number, sha in enumerate(made):
        lines = [
            line(sha, (28 if number >= first else 20) + 0.02 * number, image=image)
            for image, first in (("api", 4), ("calm", 3))
        ]
        store.append({sha: text(*(one.model_copy(update={"machine": machine}) for one in lines))})
    return made


def steps(repository: Repository, *arguments: str, github: Github | None = None) -> Finished:
    environ = {}
    if github is not None:
        token = github.add_workflow_token()
        environ = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": SHOP, "GITHUB_TOKEN": token}
    done = run("history", "steps", *arguments, folder=repository.folder, environ=environ)
    assert done.exit_code == 0, done.stderr
    return done


def test_a_step_is_searched_to_its_commit_and_told_once_and_noise_is_not(
    repository: Repository, commits: list[str], tmp_path: Path, clean: None
) -> None:
    found = tmp_path / "steps.json"
    assert "not measured again yet" in steps(repository).stdout
    done = steps(repository, "--confirm", "--output", str(found))
    assert f"With commit {commits[4][:12]} Load it all, the peak RSS of api grew" in done.stdout
    by_image = {one["image"]: one for one in json.loads(found.read_text())["steps"]}
    assert (by_image["api"]["since"], by_image["api"]["until"]) == (commits[3], commits[4])
    assert by_image["calm"]["outcome"] == "not-confirmed"
    with running_github() as github:
        github.state.repository(SHOP)
        tell = ("--tell", "issue", "--from", str(found))
        for _ in range(2):
            steps(repository, *tell, github=github)
        (issue,) = github.issues(SHOP)
    assert "Load it all" in issue.body
    assert "0 of 0 suspected steps were measured again" in steps(repository, "--confirm").stdout
