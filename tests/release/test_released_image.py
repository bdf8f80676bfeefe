"""A whole release, by BuildKit, to a registry and back: what is in the image, what is attested, and act running it.

Emulated steps take minutes when nothing is in the builder's cache: `make test-release` runs this, `make test` does not.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import base_image
import emulation
from membudget.engine.connection import Engine
from membudget.version import VERSION
from release import image
from tests.release.conftest import TAG, TOP, Origin, make_author, make_origin
from tests.support import release_builder
from tests.support.act import Runner, tool_cache_as_before
from tests.support.oci_registry import Service, package_index, registry
from tests.support.repository import Repository

pytestmark = [pytest.mark.act, pytest.mark.engine, pytest.mark.timeout(3600)]
BOTH = pytest.mark.parametrize("platform", image.PLATFORMS)
DISTRIBUTIONS = """
import importlib.metadata as m
print(*sorted(f"{one.metadata['Name']} {one.version}" for one in m.distributions()), sep="\\n")
"""
WORKFLOW = f"""
on: pull_request
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: membudget/membudget@v{VERSION}
        with:
          comment: "off"
"""
BUDGETS = """
version = 1
[images.hello]
limit = "24MiB"
trials = 1
workload = { kind = "command", command = ["true"] }
"""


@dataclass(frozen=True, slots=True)
class Released:
    """A release, and where it is."""

    origin: Origin
    image: image.Image
    registry: Service

    @property
    def name(self) -> str:
        return f"{self.image.repository}:{VERSION}"


def step(name: str, origin: Origin, *arguments: str, **environ: str) -> dict[str, str]:
    """Run a step of the release; its outputs."""
    command = [sys.executable, "-m", "release", name, TAG, "--clone", str(origin.clone.folder), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": f"{TOP / 'tools'}:{TOP / 'src'}", **environ},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def released(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """A release of this tree."""
    folder = tmp_path_factory.mktemp("release", numbered=False)
    origin = make_origin(make_author(folder / "author"), folder)
    with tool_cache_as_before(engine), registry(folder) as images, package_index(folder / "index") as index:
        repository = f"{images.host}/membudget/membudget"
        with release_builder.opened(folder) as builder:
            options = ("--repository", repository, "--scanner", release_builder.SCANNER, "--", *builder.options)
            made = step("image", origin, *options, DOCKER_HOST=builder.environ["DOCKER_HOST"])
        where = ("--dist", str(folder / "dist"), "--index", f"http://{index.host}/simple")
        assert step("packages", origin, *where) == {"upload": "true"}
        for path in (folder / "dist").iterdir():
            shutil.copy2(path, folder / "index")
        step("publish", origin, "--repository", repository, *where, "--patience", "0")
        try:
            yield Released(origin, image.Image(repository, made["digest"]), images)
        finally:
            listing = ["docker", "image", "ls", "--digests", "--quiet", repository]
            pulled = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
            subprocess.run(["docker", "image", "rm", "--force", *set(pulled)], check=False, stdout=subprocess.DEVNULL)


def inspected(released: Released, what: str) -> dict[str, dict[str, dict[str, object]]]:
    """As a user sees it: `docker buildx imagetools inspect`."""
    command = ["docker", "buildx", "imagetools", "inspect", released.name, "--format", f"{{{{json .{what}}}}}"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert isinstance(found, dict)
    return found


def inside(released: Released, platform: str, program: str, *arguments: str) -> set[str]:
    """The lines that a program in the image prints."""
    image_of_platform = f"{released.image.repository}@{digests(released)[platform]}"
    command = ["docker", "run", "--rm", "--entrypoint", program, image_of_platform]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def runs_arm64() -> Iterator[None]:
    with emulation.of("arm64"):
        yield


@BOTH
@pytest.mark.usefixtures("runs_arm64")
def test_the_sbom_names_every_package_of_the_image(released: Released, platform: str) -> None:
    packages = inspected(released, "SBOM")[platform]["SPDX"]["packages"]
    assert isinstance(packages, list)
    named: dict[str, set[str]] = {"deb": set(), "pypi": set()}
    for package in packages:
        for reference in package.get("externalRefs", ()):
            kind = re.match(r"pkg:(\w+)/", reference["referenceLocator"])
            if kind is not None and kind[1] in named:
                named[kind[1]].add(f"{package['name']} {package['versionInfo']}")
    debian = inside(released, platform, "dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n")
    assert named["deb"] == debian
    assert len(debian) > 80
    python = inside(released, platform, "/opt/membudget/bin/python", "-c", DISTRIBUTIONS)
    assert {spelled(line) for line in named["pypi"]} == {spelled(line) for line in python}
    assert f"membudget {VERSION}" in python


def spelled(package: str) -> str:
    """Names of PyPI have several spellings (PEP 503)."""
    name, version = package.split(" ")
    return f"{re.sub(r'[-_.]+', '-', name).lower()} {version}"


@BOTH
def test_the_provenance_names_the_commit_and_what_the_build_stands_on(released: Released, platform: str) -> None:
    provenance = inspected(released, "Provenance")[platform]["SLSA"]
    metadata = provenance["metadata"]
    assert isinstance(metadata, dict)
    vcs = metadata["https://mobyproject.org/buildkit@v1#metadata"]["vcs"]
    assert vcs["revision"] == released.origin.clone.git("rev-parse", TAG)
    materials = provenance["materials"]
    assert isinstance(materials, list)
    assert any(one["uri"].startswith("pkg:oci/base") for one in materials)


def test_each_platform_is_within_what_a_download_may_cost(released: Released) -> None:
    for platform in image.PLATFORMS:
        layers = manifest(f"{released.image.repository}@{digests(released)[platform]}")["layers"]
        size = sum(layer["size"] for layer in layers)
        print(f"{platform}: {size / 1e6:.1f} MB to download")
        assert 50_000_000 < size <= image.MOST_BYTES


def digests(released: Released) -> dict[str, str]:
    """The digest of each platform's image."""
    found = manifest(released.name)["manifests"]
    return {"/".join((one["platform"]["os"], one["platform"]["architecture"])): one["digest"] for one in found}


def manifest(name: str) -> dict[str, list[dict[str, Any]]]:
    command = ["docker", "buildx", "imagetools", "inspect", "--raw", name]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert isinstance(found, dict)
    return found


def test_act_runs_the_action_of_the_release_from_the_registry(released: Released, tmp_path: Path) -> None:
    base_image.provide("bookworm")
    action = tmp_path / "action"
    command = ["git", "clone", "--quiet", "--branch", f"v{VERSION}", str(released.origin.bare), str(action)]
    subprocess.run(command, check=True, capture_output=True)
    assert f"image: docker://{released.image.reference}\n" in (action / "action.yml").read_text()
    repository = Repository.new(tmp_path / "repository")
    files = {"Dockerfile": "FROM debian:bookworm-slim\n", "budgets.toml": BUDGETS, ".github/workflows/w.yml": WORKFLOW}
    base = repository.commit("All", files)
    head = repository.commit("More", {"Dockerfile": "FROM debian:bookworm-slim\nENV MORE=1\n"})
    repository.git("remote", "add", "origin", "https://github.com/octo/hello.git")
    pull_request = {"number": 1, "base": {"sha": base, "ref": "main"}, "head": {"sha": head}}
    runner = Runner(
        tmp_path, "http://localhost:9", "no-token", repositories={f"membudget/membudget@v{VERSION}": action}
    )

    run = runner.run("pull_request", {"number": 1, "pull_request": pull_request}, repository, ".github/workflows/w.yml")

    assert run.exit_code == 0, run.log
    assert f"docker pull image={released.image.reference}" in run.log
    (hello,) = json.loads((repository.folder / "report.json").read_text())["images"]
    assert len(hello["head"]["trials"]) == 1, "its helper containers are from the same image"


def test_a_second_release_of_the_same_tag_builds_nothing_and_has_the_same_digest(released: Released) -> None:
    again = step("image", released.origin, "--repository", released.image.repository, DOCKER_HOST="unix:///nowhere")
    assert again == {"digest": released.image.digest, "image": released.image.repository}
