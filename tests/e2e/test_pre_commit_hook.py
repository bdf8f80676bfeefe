"""The hook of .pre-commit-hooks.yaml, installed and run by the real pre-commit. Installing takes packages from PyPI."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lint import tracked
from processes import run

TOP = Path(__file__).parents[2]
BUDGETS = 'version = 1\n[images.api]\nlimit = "64Mi"\n'
WORKFLOW = "on: push\njobs:\n  m:\n    steps:\n      - uses: membudget/membudget@v1\n        with: {jbos: 2}\n"
_LONGEST_S = 600


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment of its own, in which pre-commit installs the hook once for all tests."""
    home = tmp_path_factory.mktemp("pre-commit")
    without_git = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    uncompiled = {"PIP_NO_COMPILE": "1"}  # Python compiles what the hook imports
    return {**without_git, **who, **uncompiled, "PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never"}


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory, environ: Mapping[str, str]) -> str:
    """The configuration of a repository that uses the hook, as docs/budgets.md shows it: of this tree, as it is."""
    copy = tmp_path_factory.mktemp("membudget")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, copy / name)
    git(copy, environ, "init --quiet", "add --all", "commit --quiet --message=all")
    (revision,) = git(copy, environ, "rev-parse HEAD")
    return (
        f"repos:\n  - repo: {copy.as_uri()}\n    rev: {revision.strip()}\n    hooks:\n      - id: membudget-validate\n"
    )


def git(folder: Path, environ: Mapping[str, str], *commands: str) -> list[str]:
    done = [run(["git", *command.split()], 60, cwd=folder, env=environ) for command in commands]
    assert [one.stderr for one in done if one.returncode] == []
    return [one.stdout for one in done]


def hooked(
    repository: Path, hook: str, environ: Mapping[str, str], files: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the hook on the files of a new repository."""
    for name, text in {**files, ".pre-commit-config.yaml": hook}.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git(repository, environ, "init --quiet", "add --all")
    pre_commit = Path(sys.executable).with_name("pre-commit")
    return run([str(pre_commit), "run", "--all-files", "--verbose"], _LONGEST_S, cwd=repository, env=environ)


def test_mistakes_in_budgets_and_workflows_stop_a_commit(tmp_path: Path, hook: str, environ: Mapping[str, str]) -> None:
    broken = {"budgets.toml": BUDGETS + "limt = 1\n", "Dockerfile": "", ".github/workflows/m.yml": WORKFLOW}
    done = hooked(tmp_path, hook, environ, broken)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "- exit code: 2" in lines
    assert "budgets.toml:4:1: error: images.api.limt: unknown key; did you mean limit?" in lines
    assert ".github/workflows/m.yml:6:16: error: jobs.m: jbos: unknown input of the action; did you mean jobs?" in lines


def test_a_valid_file_passes_and_other_files_are_not_looked_at(
    tmp_path: Path, hook: str, environ: Mapping[str, str]
) -> None:
    valid = {"budgets.toml": BUDGETS, "Dockerfile": "", "other.toml": "limt = 1\n", "compose.yaml": "services: {}\n"}
    done = hooked(tmp_path, hook, environ, valid)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 file checked, no problems found" in done.stdout


def test_a_repository_without_such_files_is_left_alone(tmp_path: Path, hook: str, environ: Mapping[str, str]) -> None:
    done = hooked(tmp_path, hook, environ, {"Dockerfile": "", "docs/budgets.toml": "limt = 1\n"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(no files to check)Skipped" in done.stdout
