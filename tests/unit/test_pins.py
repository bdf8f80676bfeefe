"""What is pinned, and how it is renewed: actions by commit, our own image's base by digest, its packages by day."""

import hashlib
import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

import lint
import pins
from documented_workflows import workflows_of
from membudget.measure.profiling.memray_wheels import MEMRAY_VERSION, WHEELS
from membudget.version import VERSION
from tests.support.repository import Repository

TOP = Path(__file__).parents[2]
PAGES = [name for name in lint.tracked() if name.endswith(".md")]
OURS = sorted(TOP.glob(".github/workflows/*.yml"))
WORKFLOWS = [
    *(pytest.param(one.text, id=f"{one.page}:{one.line}") for one in workflows_of(TOP, PAGES)),
    *(pytest.param(file.read_text(), id=file.name) for file in OURS),
]
USES = re.compile(r"^(?:- |  )?\s*(?:- )?uses: (\S+)(.*)$", re.MULTILINE)
PINNED = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:/[\w./-]+)?@(?P<commit>[0-9a-f]{40})")
VERSION_COMMENT = re.compile(r" # v(?P<version>\d+\.\d+\.\d+)")
TO_REPLACE = "0" * 40
"""What stands for the commit of a release of ours, which no file in that release can name."""
SOURCES = """\
Types: deb
# http://snapshot.debian.org/archive/debian/20261005T000000Z
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
# http://snapshot.debian.org/archive/debian-security/20261005T000000Z
URIs: http://deb.debian.org/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
"""
PINNED_SOURCES = re.sub(r"^# (\S+)\nURIs: \S+$", r"URIs: \1\nCheck-Valid-Until: no", SOURCES, flags=re.MULTILINE)


def jobs_of(workflow: str) -> dict[str, dict[str, Any]]:
    jobs = yaml.safe_load(workflow)["jobs"]
    assert isinstance(jobs, dict)
    return jobs


@pytest.mark.thorough
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_job_of_a_workflow_that_has_steps_ends_in_time(workflow: str) -> None:
    limits = {name: job.get("timeout-minutes") for name, job in jobs_of(workflow).items() if "steps" in job}
    endless = [name for name, limit in limits.items() if not (isinstance(limit, str) or 0 < (limit or 0) <= 60)]
    assert endless == []


def test_every_action_that_a_page_or_a_workflow_uses_is_pinned_by_commit_and_tells_its_version() -> None:
    commits = defaultdict(set)
    for file in [*(TOP / page for page in PAGES), *OURS]:
        for used, comment in USES.findall(file.read_text()):
            if used == "./" or "zizmor: ignore[unpinned-uses]" in comment:
                continue  # the checked-out head itself; a workflow of ours, which cannot name its own commit
            pin, told = PINNED.fullmatch(used), VERSION_COMMENT.match(comment)
            assert pin is not None, f"{file.name}: {used}"
            assert told is not None, f"{file.name}: {used}{comment}"
            commits[pin["repository"], told["version"].split(".")[0]].add((pin["commit"], told["version"]))
    assert {key: len(pinned) for key, pinned in commits.items()} == dict.fromkeys(commits, 1)
    ((ours, version),) = commits["membudget/membudget", VERSION.split(".")[0]]
    assert version == VERSION
    assert ours in (TO_REPLACE, tagged_commit())
    assert {"actions/checkout", "actions/cache", "actions/download-artifact"} <= {name for name, _ in commits}


def tagged_commit() -> str | None:
    """The commit that this clone has for the version's tag, where it has one."""
    command = ["git", "rev-parse", "--verify", "--quiet", f"v{VERSION}^{{commit}}"]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False).stdout.strip() or None


def test_who_pastes_a_workflow_is_told_what_to_replace() -> None:
    for page in ("README.md", "docs/pull-requests.md"):
        text = (TOP / page).read_text()
        if TO_REPLACE in text:
            assert f"`git ls-remote https://github.com/membudget/membudget v{VERSION}`" in text


def test_our_own_image_stands_on_a_digest_and_takes_packages_of_one_day() -> None:
    dockerfile = (TOP / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=debian:trixie-slim@sha256:[0-9a-f]{64}$", dockerfile, re.MULTILINE)
    assert re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", dockerfile, re.MULTILINE) == ["${BASE}", "${BASE}", "python"]
    steps = [one for one in re.findall(r"^RUN (?:.*\\\n)*.*$", dockerfile, re.MULTILINE) if "apt-get" in one]
    assert len(steps) == 3
    *first, other = steps
    for step in first:
        assert step.index("sh /tmp/pin_packages.sh &&") < step.index("apt-get")
    assert "pin_packages" not in other, "the sources are pinned in the stage below"
    assert dockerfile.count("\nARG PACKAGES=pinned\n") == 2


def pin_packages(sources: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(TOP / "tools/pin_packages.sh"), str(sources)]
    environ = {"PATH": "/usr/bin:/bin", **environ}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_packages_come_from_the_archive_of_the_day_that_the_base_was_made(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text(SOURCES)
    assert pin_packages(sources).returncode == 0
    assert sources.read_text() == PINNED_SOURCES
    assert PINNED_SOURCES.count("snapshot.debian.org") == 2
    assert "deb.debian.org" not in PINNED_SOURCES


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param(SOURCES.replace("# http://snapshot.debian.org/archive/debian/20261005T000000Z\n", ""), id="one"),
        pytest.param(SOURCES.replace("snapshot.debian.org", "snapshot.example.org"), id="another server"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="no file"),
    ],
)
def test_a_base_whose_packages_cannot_be_pinned_fails_the_build(tmp_path: Path, sources: str | None) -> None:
    file = tmp_path / "debian.sources"
    if sources is not None:
        file.write_text(sources)
    failed = pin_packages(file)
    assert failed.returncode == 1
    assert f"{file} names no snapshot for each address; build with PACKAGES=newest" in failed.stderr
    assert [(one, one.read_text()) for one in tmp_path.iterdir()] == ([(file, sources)] if sources is not None else [])


def test_a_base_that_was_made_elsewhere_gets_the_newest_packages_when_asked(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text(SOURCES)
    assert pin_packages(sources, PACKAGES="newest").returncode == 0
    assert sources.read_text() == SOURCES
    assert pin_packages(sources, PACKAGES="new").returncode == 2


@pytest.fixture
def github_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What git takes for github.com."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    pins._newest.cache_clear()
    return tmp_path


@pytest.mark.thorough
def test_a_pin_goes_to_the_newest_release_of_its_major_version(github_here: Path) -> None:
    action = Repository.new(github_here / "octo/action")
    commits = {}
    for version in ("1.9.0", "1.10.0", "1.10.1-beta", "2.0.0"):
        commits[version] = action.commit(version, {"action.yml": version})
        action.git("tag", "--annotate", "--message", version, f"v{version}")
    action.git("tag", "v1", "v1.10.0^{commit}")
    workflow = "      - uses: octo/action{}@{} # v{} as the docs say\n"

    renewed = pins.with_newest_actions(workflow.format("/sub", "f" * 40, "1.9.0"))

    assert renewed == workflow.format("/sub", commits["1.10.0"], "1.10.0")


@pytest.mark.thorough
def test_a_pin_of_ours_gets_a_commit_once_the_version_has_its_tag(github_here: Path) -> None:
    ours = Repository.new(github_here / "membudget/membudget")
    commit = ours.commit("A release", {"action.yml": ""})
    ours.git("tag", "v0.0.1")
    pinned = f"    uses: membudget/membudget@{TO_REPLACE} # v{VERSION}\n"
    assert pins.with_newest_actions(pinned) == pinned

    ours.git("tag", f"v{VERSION}")
    pins._newest.cache_clear()
    assert pins.with_newest_actions(pinned) == pinned.replace(TO_REPLACE, commit)


def test_the_base_gets_the_digest_that_its_tag_has_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def index(*architectures: str) -> str:
        return json.dumps({"manifests": [{"platform": {"architecture": one}} for one in architectures]})

    said = tmp_path / "said"
    client = tmp_path / "docker"
    client.write_text(f'#!/bin/sh\ntest "$*" = "buildx imagetools inspect --raw debian:new" && cat {said}\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    dockerfile = "ARG BASE=debian:new@sha256:{}\nFROM ${{BASE}}\n"

    said.write_text(index("amd64", "arm64"))
    digest = hashlib.sha256(said.read_bytes()).hexdigest()
    assert pins.with_newest_base(dockerfile.format("0" * 64)) == dockerfile.format(digest)

    said.write_text(index("amd64"))
    with pytest.raises(SystemExit, match="not there for each of amd64, arm64"):
        pins.with_newest_base(dockerfile.format("0" * 64))


def test_the_table_of_memrays_wheels_is_made_of_what_the_index_lists() -> None:
    def listed(name: str, **more: object) -> dict[str, Any]:
        return {"filename": name, "size": 9_000_000, "hashes": {"sha256": "a" * 64}, **more}

    fitting = ["memray-1.2.0-cp39-cp39-musllinux_1_2_x86_64.whl"]
    fitting += ["memray-1.2.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"]
    others = ["memray-1.1.0-cp311-cp311-musllinux_1_2_x86_64.whl", "memray-1.2.0-cp314-cp314t-musllinux_1_2_x86_64.whl"]
    others += ["memray-1.2.0.tar.gz", "memray-1.2.0-cp311-cp311-macosx_11_0_arm64.whl"]
    others += ["memray-1.2.0-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl"]
    yanked = listed("memray-1.2.0-cp312-cp312-musllinux_1_2_x86_64.whl", yanked="broken")
    module = "W = (\n    # made by tools/pins.py\n    old\n    # end\n)\n"
    made = pins.with_wheels(module, "1.2.0", [*map(listed, [*fitting[::-1], *others]), yanked])
    assert re.findall(r"memray-[^\"]+", made) == fitting
    assert made.count("9000000,") == made.count("a" * 64) == 2
    assert "old" not in made
    assert made.startswith("W = (\n    # made by tools/pins.py\n    Wheel(\n")
    assert made.endswith("    ),\n    # end\n)\n")


def test_memrays_wheels_are_those_of_the_tools_form() -> None:
    module = (TOP / pins._WHEELS).read_text()
    files = [{"filename": wheel.file, "size": wheel.size_bytes, "hashes": {"sha256": wheel.sha256}} for wheel in WHEELS]
    assert pins.with_wheels(module, MEMRAY_VERSION, files) == module
