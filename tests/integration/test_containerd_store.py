"""The containerd image store, the default since Docker 29: compressed layers, and ids that are those of manifests."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from membudget.budgets.entries import Build
from membudget.build.docker_build import Builder
from membudget.build.revision import BuiltImage
from membudget.contents.image import COMPRESSED_BY_US
from membudget.engine.connection import Engine, connect
from tests.support import nested_engine
from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages

_SAME = ("image_size", "image_waste", "image_layers")


@dataclass(frozen=True)
class Other:
    """The engine with the other store."""

    engine: Engine

    def docker(self, *arguments: str, stdin: bytes | None = None) -> None:
        subprocess.run(["docker", *arguments], env=self.environ, input=stdin, check=True, stdout=subprocess.DEVNULL)

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.engine.address}


@pytest.fixture(scope="module")
def other(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    folder = tmp_path_factory.mktemp("store", numbered=False)
    with nested_engine.opened(folder, "--network=none") as environ, contextlib.closing(connect(environ)) as within:
        yield Other(within)


def inspected(reference: str, cache: Path, environ: dict[str, str], *options: str) -> dict[str, dict[str, object]]:
    done = run("inspect", reference, "--json", *options, environ={**environ, "MEMBUDGET_CACHE_DIR": str(cache)})
    assert done.exit_code == 0, done.stderr
    metrics: dict[str, dict[str, object]] = json.loads(done.stdout)["metrics"]
    return metrics


def test_both_stores_say_the_same_of_an_image(other: Other, images: PreparedImages, tmp_path: Path) -> None:
    archive = subprocess.run(["docker", "save", images.service], check=True, capture_output=True).stdout
    other.docker("load", "--quiet", stdin=archive)
    plain = inspected(images.service, tmp_path / "one", dict(os.environ), "--download-size")
    stored = inspected(images.service, tmp_path / "other", other.environ)
    assert {name: plain[name] for name in _SAME} == {name: stored[name] for name in _SAME}
    assert COMPRESSED_BY_US in str(plain["image_download_size"]["precision"])


def test_what_is_built_there_is_found_there(other: Other, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "payload").write_bytes(b"x" * 1_000_000)
    (checkout / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
    built = Builder(other.engine, other.environ).build(Build(), checkout, "membudget-test/built", lambda _: None)
    metrics = inspected(built.image_id, tmp_path, other.environ)
    assert metrics["image_size"]["value"] == 1_000_000
    download = metrics["image_download_size"]
    assert isinstance(download["value"], int)
    assert 0 < download["value"] < 10_000, "as the store compressed it"
    assert download["precision"] == "exact"


def test_two_builds_of_one_image_are_known_to_be_one(other: Other, tmp_path: Path) -> None:
    (tmp_path / "payload").write_bytes(os.urandom(8))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
    built: list[BuiltImage] = []
    for change in ("README", "CHANGELOG", "payload"):
        (tmp_path / change).write_bytes(os.urandom(8))
        builder = Builder(other.engine, other.environ)
        built.append(builder.build(Build(), tmp_path, f"membudget-test/built:{len(built)}", lambda _: None))
    readme, changelog, payload = built
    assert readme.image_id != changelog.image_id, "they say what they were built from"
    assert readme.identity == changelog.identity != payload.identity


def test_files_of_equal_size_and_time_are_told_apart(other: Other, tmp_path: Path) -> None:
    builder = Builder(other.engine, other.environ)
    digests = set()
    for number in range(5):
        context = tmp_path / str(number) / "api"
        context.mkdir(parents=True)
        (context / "payload").write_text(f"content {number}")
        (context / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
        for path in context.iterdir():
            os.utime(path, (1_600_000_000, 1_600_000_000))
        tag = f"membudget-test/told-apart:{number}"
        builder.build(Build(context="api"), context.parent, tag, lambda _: None)
        digests.add(tuple(other.engine.client.images.get(tag).attrs["RootFS"]["Layers"]))
    assert len(digests) == 5
