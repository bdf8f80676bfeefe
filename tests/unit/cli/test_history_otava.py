"""The real Apache Otava on what `membudget history list --format csv` exports, as docs/history.md shows it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli.main import main
from tests.support.history import line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough
PAGE = (Path(__file__).parents[3] / "docs/history.md").read_text()
BEFORE, AFTER = 24, 16
SECONDS_OF_A_DAY = 86_400


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commits of a repository, oldest first. From one on, the peak is 3 MiB higher."""
    repository = Repository.new(tmp_path / "repository")
    stream = b"".join(
        b"commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (1_767_225_600 + number * SECONDS_OF_A_DAY)
        for number in range(BEFORE + AFTER)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository.folder, input=stream, check=True)
    found = repository.git("rev-list", "--reverse", "main").split()
    peaks = [40 + number % 5 / 10 + (3 if number >= BEFORE else 0) for number in range(len(found))]
    lines = {sha: text(line(sha, mib)) for sha, mib in zip(found, peaks, strict=True)}
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).append(lines)
    monkeypatch.chdir(repository.folder)
    return found


def documented(kind: str, word: str) -> str:
    """The block of docs/history.md that has the word."""
    blocks = PAGE.split(f"```{kind}\n")[1:]
    return next(block.split("```")[0] for block in blocks if word in block.split("```")[0])


def test_the_command_of_otava_finds_a_step_in_an_export(commits: list[str]) -> None:
    Path("otava.yaml").write_text(documented("yaml", "time_column"))
    export, analyze = documented("sh", "otava analyze").splitlines()
    assert main([*export.split()[1:], "--no-fetch"]) == 0
    program = Path(sys.executable).parent / "otava"
    ended = subprocess.run(
        [program, *analyze.split()[1:], "--output", "json"], capture_output=True, text=True, check=True, env={}
    )
    (steps,) = json.loads(ended.stdout).values()
    (step,) = steps
    assert step["attributes"]["commit"] == commits[BEFORE]
    (change,) = step["changes"]
    assert change["metric"] == "peak_rss"
    assert 6 < float(change["forward_change_percent"]) < 9
