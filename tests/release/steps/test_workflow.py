"""The release workflow: who may do what, in which order, with which steps."""

import re
import subprocess
import sys
from typing import Any

import yaml

from membudget.version import VERSION
from tests.release.conftest import TAG, TOP, Origin

TEXT = (TOP / ".github/workflows/release.yml").read_text()
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["jobs"]


def needed(name: str) -> set[str]:
    """All jobs that end before one starts."""
    needs = JOBS[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(needed(one) for one in direct))


def test_the_tags_come_after_everything_else() -> None:
    assert needed("publish") == set(JOBS) - {"publish"}
    assert needed("index") >= {"image", "packages"}, "what cannot be taken back comes after what can fail"
    assert [name for name, job in JOBS.items() if "release publish" in str(job["steps"])] == ["publish"]
    assert not [name for name, job in JOBS.items() if "if" in job], "a job that is skipped must skip what needs it"


def test_each_right_is_given_to_the_job_that_needs_it() -> None:
    assert yaml.safe_load(TEXT)["permissions"] == {}
    writes = {
        name: {right for right, may in job["permissions"].items() if may == "write"} for name, job in JOBS.items()
    }
    assert writes == {
        "check": set(),
        "packages": set(),
        "image": {"packages", "id-token", "attestations"},
        "index": {"id-token"},
        "publish": {"contents"},
    }
    assert [name for name, job in JOBS.items() if "environment" in job] == [name for name in writes if writes[name]]
    checkouts = [step for job in JOBS.values() for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_there_is_no_secret_in_it() -> None:
    assert "secrets" not in TEXT
    assert set(re.findall(r"\$\{\{ (github\.token|[^}]*token[^}]*) \}\}", TEXT)) == {"github.token"}


def test_nobody_but_a_pushed_tag_starts_it() -> None:
    workflow = yaml.safe_load(TEXT)
    assert workflow[True] == {"push": {"tags": ["release/v*"]}}  # YAML 1.1: "on" is a truth
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_the_steps_until_the_image_need_no_library(origin: Origin) -> None:
    """Their jobs install none: fewer programs beside the right to push."""
    command = [sys.executable, "-S", "-m", "release", "check", TAG, "--clone", str(origin.clone.folder)]
    environ = {"PYTHONPATH": str(TOP / "tools"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"version={VERSION}\ncommit={origin.clone.git('rev-parse', TAG)}\n"
