"""`inspect` and `diff` on a real engine: what it exports, and what `docker save` writes, are the same image."""

import subprocess

import pytest

from tests.support.membudget_process import run
from tests.support.prepared_images import PreparedImages

DOCKERFILE = """\
FROM debian:bookworm-slim
RUN head -c 3000000 /dev/urandom > /big && mkdir /dir && head -c 2000000 /dev/urandom > /dir/file
RUN chmod 600 /big
RUN rm -rf /dir
COPY Dockerfile /app/
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, images: PreparedImages) -> str:
    folder = tmp_path_factory.mktemp("inspected")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    tag = "membudget-test/inspected"
    subprocess.run(["docker", "buildx", "build", "--load", "--tag", tag, str(folder)], check=True, capture_output=True)
    (folder / "image.tar").write_bytes(subprocess.run(["docker", "save", tag], check=True, capture_output=True).stdout)
    return str(folder)


def inspected(*arguments: str) -> dict[str, object]:
    done = run("inspect", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, object] = done.json
    return found


def test_the_engine_and_its_archive_say_the_same(image: str) -> None:
    dockerfile = ["--dockerfile", f"{image}/Dockerfile"]
    from_engine = inspected("membudget-test/inspected", *dockerfile)
    from_archive = inspected(f"{image}/image.tar", *dockerfile)
    assert from_engine["metrics"] == from_archive["metrics"]
    assert from_engine["contents"] == from_archive["contents"]
    contents = from_engine["contents"]
    assert isinstance(contents, dict)
    own = contents["file_bytes"] - contents["live_bytes"] - contents["inherited_waste_bytes"]
    assert own == 5_000_000, "what chmod copied once, and what was removed"
    assert [layer["dockerfile_lines"] for layer in contents["layers"]] == [None, [2, 2], [3, 3], [4, 4], [5, 5]]
    assert {hint["kind"] for hint in contents["hints"]} == {"removed_later", "rewritten"}
    assert any(package["name"] == "libc6" for package in contents["packages"])


def test_a_diff_of_an_image_and_its_base(image: str) -> None:
    done = run("diff", "debian:bookworm-slim", "membudget-test/inspected", "--json")
    assert done.exit_code == 0, done.stderr
    diff = done.json["diff"]
    assert diff["same_layers"] == 1
    assert diff["delta_bytes"] == 3_000_000 * 2 + 2_000_000 + len(DOCKERFILE)
    assert [layer["kind"] for layer in diff["layers"]] == ["added"] * 4
