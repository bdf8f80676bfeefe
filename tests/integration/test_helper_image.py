"""Which image helper containers are started from: they see more than others, so it must be ours."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.build.docker_images import inspect
from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.helper import HELPER_LABEL, find_helper_image
from membudget.version import VERSION
from tests.support.prepared_images import PreparedImages

IMPOSTER = "membudget-test/imposter"
FIND = (
    "from membudget.engine.connection import connect; from membudget.engine.helper import find_helper_image;"
    f"print(find_helper_image(connect(), '{VERSION}', None))"
)


@pytest.fixture
def labelled_later(engine: Engine, helper_image: str, tmp_path: Path) -> Iterator[str]:
    """An image that is newer than our own, and carries its label: a pull request can build one."""
    (tmp_path / "Dockerfile").write_text(f'FROM {helper_image}\nLABEL {HELPER_LABEL}="{VERSION}" imposter=1\n')
    subprocess.run(["docker", "buildx", "build", "--load", "--quiet", "-t", IMPOSTER, str(tmp_path)], check=True)
    yield inspect(engine, IMPOSTER).image_id
    engine.client.images.remove(IMPOSTER, force=True)


def test_a_label_does_not_make_an_image_ours(engine: Engine, helper_image: str, labelled_later: str) -> None:
    found = find_helper_image(engine, VERSION, None)
    assert found == inspect(engine, helper_image).image_id
    assert found != labelled_later


def test_inside_of_a_container_it_is_the_image_we_run_from(engine: Engine, labelled_later: str) -> None:
    socket = engine.address.removeprefix("unix://")
    mounts = ["--volume", f"{socket}:/var/run/docker.sock", "--entrypoint", "python3"]
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", *mounts, IMPOSTER, "-c", FIND],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == labelled_later


def test_membudget_works_inside_of_a_container_as_the_action_does(
    clean: None, engine: Engine, helper_image: str, images: PreparedImages
) -> None:
    mounts = ["--volume", f"{engine.address.removeprefix('unix://')}:/var/run/docker.sock"]
    done = subprocess.run(
        ["docker", "run", "--rm", *mounts, helper_image, "measure", "--json", "--trials", "1", images.truth],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["metrics"]["peak_rss"]["value"] == pytest.approx(20 * MIB, rel=0.03)
    assert json.loads(done.stdout)["environment"]["probe"].startswith("probe container")
    name = images.truth
    assert done.stderr.splitlines() == ["Measuring 1 image", f"  {name}: warm-up", f"  {name}: trial 1 of 1"]


def test_what_was_asked_for_is_taken_or_missed(engine: Engine, labelled_later: str) -> None:
    assert find_helper_image(engine, VERSION, IMPOSTER) == labelled_later
    with pytest.raises(EnvironmentFault, match="the helper image no-such-image is not in the engine"):
        find_helper_image(engine, VERSION, "no-such-image")
    with pytest.raises(EnvironmentFault, match="has no image membudget:0"):
        find_helper_image(engine, "0.0.0", None)
