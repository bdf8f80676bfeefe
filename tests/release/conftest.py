"""A maintainer's clone with a pushed tag, and where a release goes: a registry, an index, a bare repository."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from membudget.version import VERSION
from release.source import git
from tests.support.engine_fixtures import engine as engine  # noqa: PLC0414 - a fixture
from tests.support.oci_registry import Service, package_index, registry
from tests.support.repository import IDENTITY, Repository

TOP = Path(__file__).parents[2]
TAG = f"release/v{VERSION}"
FILES = (
    *(".dockerignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "README.md", "action.yml", "pyproject.toml"),
    *("requirements.lock", "requirements-build.lock", "tools/pin_packages.sh", "tools/slim.cfg"),
)
"""What the image and the packages are made of, beside src."""
_MOMENT = "1700000000 +0000"


@dataclass(frozen=True, slots=True)
class Origin:
    """The repository on the server, and a clone of it as the release workflow has it."""

    bare: Path
    clone: Repository

    def tags(self) -> dict[str, str]:
        """The server's tags, and the commits that they are on."""
        command = ["git", "for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags"]
        listed = subprocess.run(command, cwd=self.bare, check=True, capture_output=True, text=True).stdout
        return dict(line.split(" ") for line in listed.splitlines())


def make_author(folder: Path) -> Repository:
    """What a maintainer tags. The same files make the same commit, so that the builder's cache knows it."""
    author = Repository.new(folder)
    for name in FILES:
        target = author.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, target)
    shutil.copytree(TOP / "src", author.folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    changelog = author.folder / "CHANGELOG.md"
    text = changelog.read_text()
    if f"## [{VERSION}]" not in text:
        changelog.write_text(text.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{VERSION}] - 2026-11-27\n", 1))
    author.git("add", "--all")
    tree = author.git("write-tree")
    dates = {"GIT_AUTHOR_DATE": _MOMENT, "GIT_COMMITTER_DATE": _MOMENT}
    commit = git(author.folder, *IDENTITY, "commit-tree", "-m", "Everything", tree, env={**os.environ, **dates})
    author.git("reset", "--quiet", "--hard", commit)
    author.git("tag", TAG)
    return author


def make_origin(author: Repository, folder: Path) -> Origin:
    """Make both of what a maintainer tagged."""
    bare = folder / "origin.git"
    author.git("clone", "--quiet", "--bare", ".", str(bare))
    author.git("clone", "--quiet", str(bare), str(folder / "clone"))
    clone = Repository(folder / "clone")
    clone.git("checkout", "--quiet", "--detach", TAG)
    return Origin(bare, clone)


@pytest.fixture(scope="session")
def author(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The maintainer's repository."""
    return make_author(tmp_path_factory.mktemp("author") / "membudget")


@pytest.fixture
def origin(author: Repository, tmp_path: Path) -> Origin:
    """The server's repository with the tag, and the workflow's clone."""
    return make_origin(author, tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Service]:
    """The registry."""
    with registry(tmp_path) as running:
        yield running


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Service]:
    """The package index."""
    with package_index(tmp_path / "index") as running:
        yield running
