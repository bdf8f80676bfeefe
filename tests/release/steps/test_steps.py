"""The steps of a release, on a real registry, a real package index and a bare repository; the image is a small one."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from membudget.version import VERSION
from release import archive, image, packages, source
from tests.release.conftest import TAG, TOP, Origin
from tests.support import oci_archive
from tests.support.github_operations import Permission
from tests.support.github_server import Github
from tests.support.oci_registry import Service

RELEASE = f"v{VERSION}"
FLOATING = f"v{VERSION.partition('.')[0]}"


@dataclass
class Releasing:
    """A release under way."""

    origin: Origin
    images: Service
    index: Service
    scratch: Path
    kept: Path
    """Packages that the step built before, by their commit. Those of one commit are always the same."""
    dist: Path = field(init=False)

    def __post_init__(self) -> None:
        self.dist = self.scratch / "dist"

    @property
    def repository(self) -> str:
        return f"{self.images.host}/membudget/membudget"

    @property
    def source(self) -> source.Source:
        return source.read(self.origin.clone.folder, TAG)

    def push(self) -> image.Image:
        """What the step image does after the build."""
        path = self.scratch / "image.tar"
        oci_archive.write(path, self.source.commit)
        return image.push(self.source, self.repository, path)

    def step(self, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a step as the workflow does."""
        command = [sys.executable, "-m", "release", name, TAG, "--clone", str(self.origin.clone.folder), *arguments]
        environ = {**os.environ, "PYTHONPATH": f"{TOP / 'tools'}:{TOP / 'src'}", **more}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def build_packages(self) -> subprocess.CompletedProcess[str]:
        return self.step("packages", "--dist", str(self.dist), "--index", self.index_url)

    @property
    def index_url(self) -> str:
        return f"http://{self.index.host}/simple"

    def upload(self) -> subprocess.CompletedProcess[str]:
        """What the index's own action does, without its identity: pypiserver knows no trusted publishing."""
        twine = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
        address = ["--repository-url", f"http://{self.index.host}/", "--username", "x", "--password", "x"]
        files = [str(path) for path in sorted(self.dist.iterdir())]
        return subprocess.run([*twine, *address, *files], capture_output=True, text=True, check=False)

    def publish(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        where = ("--repository", self.repository, "--dist", str(self.dist), "--index", self.index_url)
        return self.step("publish", *where, "--patience", "0", *options, **environ)

    def provide_packages(self) -> None:
        """As the step leaves them, without another build."""
        kept = self.kept / self.source.commit
        if not kept.is_dir():
            done = self.build_packages()
            assert done.returncode == 0, done.stdout + done.stderr
            shutil.copytree(self.dist, kept)
        shutil.copytree(kept, self.dist, dirs_exist_ok=True)

    def provide_upload(self) -> None:
        """As the index leaves it: files in its folder."""
        self.provide_packages()
        shutil.copytree(self.dist, self.scratch / "index", dirs_exist_ok=True)

    def complete(self) -> image.Image:
        made = self.push()
        self.provide_upload()
        done = self.publish()
        assert done.returncode == 0, done.stdout + done.stderr
        return made


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def releasing(origin: Origin, images: Service, index: Service, tmp_path: Path, kept: Path) -> Releasing:
    return Releasing(origin, images, index, tmp_path, kept)


def test_a_release_ends_with_both_tags_on_a_commit_that_runs_the_image_by_digest(releasing: Releasing) -> None:
    made = releasing.push()
    for done in (releasing.build_packages(), releasing.upload(), releasing.publish()):
        assert done.returncode == 0, done.stdout + done.stderr

    tags = releasing.origin.tags()
    assert tags.keys() == {TAG, RELEASE, FLOATING}
    assert tags[RELEASE] == tags[FLOATING] != tags[TAG]
    git = releasing.origin.clone.git
    git("fetch", "--quiet", "origin", "--tags")
    assert git("rev-parse", f"{RELEASE}^") == releasing.source.commit
    assert git("diff", "--name-only", f"{RELEASE}^", RELEASE) == "action.yml"
    action = git("show", f"{RELEASE}:action.yml")
    assert re.findall(r"^  image: (.*)$", action, re.MULTILINE) == [f"docker://{made.reference}"]
    assert git("branch", "--remotes", "--contains", RELEASE) == "", "main builds its image"


def test_a_second_run_of_the_same_tag_changes_nothing(releasing: Releasing, monkeypatch: pytest.MonkeyPatch) -> None:
    made = releasing.complete()
    tags, stored = releasing.origin.tags(), stored_files(releasing.scratch)

    def build(*_: object) -> None:
        pytest.fail("the image is built again")

    monkeypatch.setattr(image, "build", build)
    assert image.provide(releasing.source, releasing.repository) == made
    (again := releasing.scratch / "again").mkdir()
    releasing.dist.rename(again / "before")
    assert releasing.build_packages().stdout == "upload=false\n"
    done = releasing.publish()
    assert done.returncode == 0, done.stderr
    assert f"commit={tags[RELEASE]}\nmoved=\n" in done.stdout
    assert releasing.origin.tags() == tags
    assert stored_files(releasing.scratch) == stored
    for path in releasing.dist.iterdir():
        assert path.read_bytes() == (again / "before" / path.name).read_bytes(), "reproducible"


def stored_files(scratch: Path) -> dict[str, int]:
    """What registry and index store, and when they stored it."""
    found = [path for name in ("registry", "index") for path in (scratch / name).rglob("*") if path.is_file()]
    return {str(path): path.stat().st_mtime_ns for path in found}


def test_a_registry_that_dies_leaves_no_tag_and_the_next_run_completes(releasing: Releasing) -> None:
    releasing.images.stop()
    with pytest.raises(SystemExit, match="cannot be pushed"):
        releasing.push()
    releasing.images.start()
    assert image.published(releasing.source, releasing.repository) is None

    releasing.provide_upload()
    refused = releasing.publish()
    assert refused.returncode == 1
    assert f"{releasing.repository} does not have {VERSION}\nfix: run the step image first" in refused.stderr
    assert releasing.origin.tags().keys() == {TAG}

    releasing.push()
    assert releasing.publish().returncode == 0
    assert releasing.origin.tags().keys() == {TAG, RELEASE, FLOATING}


def test_an_upload_that_the_index_refuses_leaves_no_tag_and_the_next_run_completes(releasing: Releasing) -> None:
    releasing.push()
    releasing.provide_packages()
    releasing.index.stop()
    assert releasing.upload().returncode == 1
    assert "does not answer" in releasing.publish().stderr
    releasing.index.start()
    lacking = releasing.publish()
    assert lacking.returncode == 1
    assert f"does not have membudget-{VERSION}-py3-none-any.whl, membudget-{VERSION}.tar.gz" in lacking.stderr
    assert releasing.origin.tags().keys() == {TAG}

    assert releasing.upload().returncode == 0
    assert releasing.publish().returncode == 0
    assert releasing.origin.tags().keys() == {TAG, RELEASE, FLOATING}


@pytest.mark.parametrize("refused", [RELEASE, FLOATING])
def test_a_push_that_is_refused_moves_no_floating_tag_and_the_next_run_completes(
    releasing: Releasing, refused: str
) -> None:
    hook = releasing.origin.bare / "hooks/update"
    hook.write_text(f'#!/bin/sh\n[ "$1" != "refs/tags/{refused}" ]\n')
    hook.chmod(0o755)
    releasing.push()
    releasing.provide_upload()
    done = releasing.publish()
    assert done.returncode == 1
    assert "hook declined" in done.stderr
    assert FLOATING not in releasing.origin.tags()

    hook.unlink()
    assert releasing.publish().returncode == 0
    assert releasing.origin.tags().keys() == {TAG, RELEASE, FLOATING}


def test_the_release_page_has_the_notes_and_the_digest_and_is_made_once(releasing: Releasing, github: Github) -> None:
    releases = github.state.repository("membudget/membudget").releases
    made = releasing.complete()
    environ = {"GITHUB_TOKEN": github.add_workflow_token(), "GITHUB_API_URL": github.url}
    for _ in range(2):
        done = releasing.publish("--github", "membudget/membudget", **environ)
        assert done.returncode == 0, done.stderr
    (release,) = releases.values()
    assert (release["tag_name"], release["name"], release["prerelease"]) == (RELEASE, f"membudget {VERSION}", False)
    body = str(release["body"])
    assert body.startswith(releasing.source.notes)
    assert f"Image: `{made.reference}`, built from {releasing.source.commit}." in body


def test_a_page_that_github_refuses_leaves_the_floating_tag_where_it_is(releasing: Releasing, github: Github) -> None:
    github.state.repository("membudget/membudget")
    releasing.push()
    releasing.provide_upload()
    environ = {"GITHUB_TOKEN": github.add_workflow_token(Permission.READ), "GITHUB_API_URL": github.url}
    done = releasing.publish("--github", "membudget/membudget", **environ)
    assert done.returncode == 1
    assert "refuses the release of membudget/membudget: 403" in done.stderr
    assert environ["GITHUB_TOKEN"] not in done.stderr
    assert releasing.origin.tags().keys() == {TAG, RELEASE}


def test_a_version_of_another_commit_is_never_replaced(releasing: Releasing) -> None:
    releasing.complete()
    tags = releasing.origin.tags()
    clone = releasing.origin.clone
    clone.git("tag", "--delete", TAG)
    other = clone.commit("Something else", {"README.md": "other\n"})
    clone.git("tag", TAG)
    clone.git("push", "--quiet", "origin", "HEAD:refs/heads/main")

    with pytest.raises(SystemExit, match=f"exists, built from {tags[TAG]}, and not from {other}"):
        image.provide(releasing.source, releasing.repository)
    assert releasing.publish().returncode == 1
    assert releasing.origin.tags() == tags


def test_an_index_that_has_other_files_of_this_version_stops_the_release(releasing: Releasing) -> None:
    releasing.push()
    releasing.provide_packages()
    wheel = releasing.dist / f"membudget-{VERSION}-py3-none-any.whl"
    (releasing.scratch / "index" / wheel.name).write_bytes(b"another")
    done = releasing.publish()
    assert done.returncode == 1
    assert f"has another {wheel.name}" in done.stderr
    assert releasing.origin.tags().keys() == {TAG}


def test_an_older_release_does_not_move_the_floating_tag_back(releasing: Releasing) -> None:
    later = releasing.origin.clone.commit("Later")
    major, minor, _ = VERSION.split(".")
    for tag in (FLOATING, f"v{major}.{int(minor) + 1}.0"):
        releasing.origin.clone.git("push", "--quiet", "origin", f"{later}:refs/tags/{tag}")
    releasing.origin.clone.git("checkout", "--quiet", "--detach", TAG)
    releasing.complete()
    assert releasing.origin.tags()[FLOATING] == later
    assert RELEASE in releasing.origin.tags()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"provenance": "0" * 40}, r"linux/arm64: the provenance names 0{40}, and not [0-9a-f]{40}"),
        ({"packages": {"deb": "apt"}}, "linux/amd64: the SBOM names no pypi packages"),
        ({"platforms": ("linux/amd64",)}, "the platforms are linux/amd64, and have to be linux/amd64, linux/arm64"),
    ],
)
def test_what_is_wrong_with_an_image_stops_it_before_the_registry_sees_it(
    releasing: Releasing, options: dict[str, object], complaint: str
) -> None:
    path = releasing.scratch / "image.tar"
    oci_archive.write(path, releasing.source.commit, **options)  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match=complaint):
        image.push(releasing.source, releasing.repository, path)
    assert image.published(releasing.source, releasing.repository) is None


def test_an_image_that_is_too_large_to_download_is_refused(tmp_path: Path) -> None:
    oci_archive.write(tmp_path / "image.tar", "a" * 40, content=os.urandom(5000))
    _, images = archive.read(tmp_path / "image.tar")
    (found, _) = archive.complaints(images, "a" * 40, set(image.PLATFORMS), 4000)
    assert re.fullmatch(r"linux/amd64: 0\.0 MB to download; at most 0 MB", found)


def test_packages_need_a_folder_of_their_own(releasing: Releasing) -> None:
    (releasing.dist).mkdir()
    (releasing.dist / "other.whl").write_text("")
    assert "is not empty: name a new folder" in releasing.build_packages().stderr
    with pytest.raises(SystemExit, match=r"has other\.whl, and should have"):
        packages.built(releasing.source, releasing.dist)
