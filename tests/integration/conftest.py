"""A real engine, the images that are measured there, and git repositories to check."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import own_image
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from membudget.measure.equipment import MeasuringOptions
from membudget.version import VERSION
from tests.support import engine_fixtures
from tests.support.leftovers import nothing_stays
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository
from tests.support.trials import Trials, trials


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


engine, images = engine_fixtures.engine, engine_fixtures.images


@pytest.fixture(scope="session")
def helper_image(engine: Engine) -> str:
    """membudget's own image, from the source as it is."""
    reference = f"membudget:{VERSION}"
    own_image.build(reference)
    return reference


@pytest.fixture
def repository(tmp_path: Path, images: PreparedImages) -> Repository:
    """An empty git repository."""
    return Repository.new(tmp_path / "repository")


@pytest.fixture
def clean(engine: Engine, repository: Repository) -> Iterator[None]:
    """A test that leaves nothing behind."""
    with nothing_stays(engine, repository.folder):
        yield


@pytest.fixture(scope="session")
def on_host(engine: Engine) -> None:
    """Skips where this process cannot read the engine's cgroups itself."""
    if not vantage_on(engine).acts_alone:
        skip_for_want_of("this process does not see the engine's cgroups, or is not root")


@pytest.fixture(scope="module")
def tidy(engine: Engine, images: PreparedImages) -> Iterator[None]:
    """The tests of a module leave nothing behind."""
    with nothing_stays(engine):
        yield


@pytest.fixture(scope="module")
def from_host(engine: Engine, images: PreparedImages, on_host: None, tidy: None) -> Iterator[Trials]:
    """Trials sampled from this machine's own cgroup files."""
    with trials(engine) as running:
        yield running
    assert running.warnings == []


@pytest.fixture(scope="module")
def from_container(engine: Engine, images: PreparedImages, helper_image: str, tidy: None) -> Iterator[Trials]:
    """Trials sampled from a probe container."""
    with trials(engine, MeasuringOptions(VERSION, "container")) as running:
        yield running
    assert running.warnings == []


@pytest.fixture
def private_engine(engine: Engine, images: PreparedImages) -> Iterator[PrivateEngine]:
    """A second engine with the truth image."""
    if shutil.which("dockerd") is None or not vantage_on(engine).acts_alone:
        skip_for_want_of("a second engine needs root, dockerd, and the machine of the first")
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:  # no longer: a socket's path has 107 bytes at most
        second = PrivateEngine(Path(folder))
        try:
            second.start().close()
            second.load(images.truth)
            yield second
        finally:
            second.stop()
