"""The job of docs/integrations.md for GitLab: its scripts run as GitLab's runner runs them, on a real engine."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

PAGE = (Path(__file__).parents[2] / "docs/integrations.md").read_text()
(JOB,) = (
    yaml.safe_load(block)["membudget"]
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if "dind" in block
)
BUDGETS = 'version = 1\n[images.api]\nlimit = "64MiB"\ntrials = 1\nbudgets.peak_rss = { max = "40MiB" }\n'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with `membudget`, which the job installs."""
    program = tmp_path / "bin/membudget"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m membudget "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program.parent


@pytest.fixture
def work(repository: Repository, images: PreparedImages) -> Repository:
    """A commit whose image holds 20 MiB."""
    text = f'FROM {images.truth}\nCMD ["20", "0", "100", "1", "0"]\n'
    repository.commit("Base", {"budgets.toml": BUDGETS, "Dockerfile": text})
    return repository


def step(name: str, repository: Repository, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the lines of a step in one shell, which stops at the first that fails."""
    given = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "GITHUB_", "MEMBUDGET_"))}
    environ = {**given, "PATH": f"{programs}:{given['PATH']}", "CI": "true", "GITLAB_CI": "true", **variables}
    environ["MEMBUDGET_CACHE_DIR"] = str(programs.parent / "cache")
    script = "\n".join(JOB[name])
    return subprocess.run(
        ["sh", "-ec", script], cwd=repository.folder, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("most", "labels", "exit_code"),
    [("40MiB", "", 1), ("60MiB", "", 1), ("60MiB", "bug,memory-budget-approved", 0)],
    ids=["over budget", "looser", "looser and approved"],
)
def test_the_job_fails_over_budget_and_its_reports_say_so(
    work: Repository, programs: Path, most: str, labels: str, exit_code: int
) -> None:
    repository, base = work, work.git("rev-parse", "HEAD")
    repository.branch("change")
    larger = (repository.folder / "Dockerfile").read_text().replace('"20"', '"50"')
    repository.commit("Head", {"budgets.toml": BUDGETS.replace("40MiB", most), "Dockerfile": larger})
    of_merge_request = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_LABELS": labels}
    checked = step("script", repository, programs, **of_merge_request)
    assert checked.returncode == exit_code, checked.stderr
    reported = step("after_script", repository, programs)
    assert reported.returncode == 0, reported.stderr
    junit = ET.parse(repository.folder / "junit.xml").getroot()
    assert (junit.find(".//failure") is not None) == bool(exit_code)
    assert re.search(r"^membudget_peak_rss_bytes{", (repository.folder / "metrics.txt").read_text(), re.MULTILINE)
    assert "<title>" in (repository.folder / "membudget.html").read_text()


def test_the_default_branch_is_compared_with_the_commit_before(work: Repository, programs: Path) -> None:
    work.commit("Second", {"Dockerfile": (work.folder / "Dockerfile").read_text() + "LABEL a=b\n"})
    assert step("script", work, programs).returncode == 0
