"""What is measured is what was committed: BuildKit takes a file of equal size and time for unchanged."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from membudget.budgets.entries import Build
from membudget.build.docker_build import Builder
from membudget.build.revision import BuiltImage
from membudget.core.files import DEFAULT_REPORT
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.publish.report_file import read_report
from tests.support.membudget_process import run
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.sidecar import SIDECAR, SIDECAR_BUDGETS

_SIDES = ("one", "other")
_BUILDS = 8
_AT_ONCE = 8
"""Without own names, 1 build of 40 had its own files."""
_LONG_AGO = 1_600_000_000

BUDGETS = """
version = 1
[images.api]
build.context = "api"
limit = "256MiB"
trials = 1
settle = "0s"
budgets.peak_rss = { max = "64MiB", growth = { percent = 10, floor = "4MiB" } }
"""


@pytest.fixture(scope="module")
def whole_seconds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose file system keeps whole seconds: ext4 with inodes of 128 bytes."""
    folder = tmp_path_factory.mktemp("whole-seconds")
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(256 << 20)
    try:
        for command in (
            ["mkfs.ext4", "-q", "-F", "-I", "128", str(image)],
            ["mount", "-o", "loop", str(image), str(mounted)],
        ):
            subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_for_want_of(f"no file system can be made and mounted here: {error}")
    try:
        assert mounted.stat().st_mtime_ns % 1_000_000_000 == 0
        yield mounted
        assert [path.name for path in mounted.iterdir() if path.name != "lost+found"] == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def holding(mib: int, seconds: float, seed: str) -> str:
    """A program that holds so many MiB, of equal size whatever the amount."""
    return f"# {seed}\nimport time\nheld = b'x' * ({mib} << 20)\ntime.sleep({seconds})\n"


def test_head_is_not_built_from_files_of_the_base(
    clean: None, repository: Repository, images: PreparedImages, whole_seconds: Path
) -> None:
    """Without own names, no check of a head built it from its own files."""
    dockerfile = f'FROM {images.service}\nCOPY hold.py /\nCMD ["python3", "/hold.py"]\n'
    seed = os.urandom(8).hex()
    files = {"budgets.toml": BUDGETS, "api/Dockerfile": dockerfile, "api/hold.py": holding(20, 0.3, seed)}
    repository.commit("Hold 20 MiB", files)
    repository.branch("change")
    repository.commit("Hold 90 MiB", {"api/hold.py": holding(90, 0.3, seed)})
    done = run("check", "--base=main", folder=repository.folder, environ={"TMPDIR": str(whole_seconds)})
    head = read_report(repository.folder / DEFAULT_REPORT).images[0].head
    assert head is not None
    assert (head.metrics[Metric.PEAK_RSS].value or 0) > 90 * MIB
    assert done.exit_code == 1, done.stderr + done.stdout


def test_services_around_an_image_are_built_from_files_of_their_own_side(
    repository: Repository, images: PreparedImages, whole_seconds: Path
) -> None:
    seed = os.urandom(8).hex()
    files = {
        "budgets.toml": SIDECAR_BUDGETS,
        "compose.yaml": SIDECAR,
        "Dockerfile": f"FROM {images.service}\n",
        "side/Dockerfile": f'FROM {images.service}\nCOPY hold.py /\nCMD ["python3", "/hold.py"]\n',
    }
    repository.commit("Hold 20 MiB", files | {"side/hold.py": holding(20, 60, seed)})
    repository.branch("change")
    repository.commit("Hold 90 MiB", {"side/hold.py": holding(90, 60, seed)})
    done = run("check", "--base=main", folder=repository.folder, environ={"TMPDIR": str(whole_seconds)})
    assert done.exit_code == 1, done.stderr + done.stdout
    (web,) = read_report(repository.folder / DEFAULT_REPORT).judged().judgement.images
    rows = {row.metric: row for row in web.rows}
    assert rows[Metric.POD_PEAK_RSS].delta == pytest.approx(70 * MIB, rel=0.1)


def test_submodules_are_built_in_or_the_image_is_not_measured(
    clean: None, repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    library = Repository.new(tmp_path / "library")
    library.commit("Hold 20 MiB", {"hold.py": holding(20, 0.3, "")})
    local = ("-c", "protocol.file.allow=always")
    repository.git(*local, "submodule", "--quiet", "add", str(library.folder), "api/lib")
    dockerfile = f'FROM {images.service}\nCOPY . /api\nCMD ["sh", "-c", "cd /api/lib && python3 hold.py || true"]\n'
    repository.commit("Base", {"budgets.toml": BUDGETS, "api/Dockerfile": dockerfile})
    repository.branch("change")
    Repository(repository.folder / "api/lib").commit("Hold 90 MiB", {"hold.py": holding(90, 0.3, "")})
    repository.commit("Head")
    done = run("check", "--base=main", folder=repository.folder)
    assert done.exit_code == 1, done.stderr + done.stdout
    (api,) = read_report(repository.folder / DEFAULT_REPORT).judged().judgement.images
    (row,) = (row for row in api.rows if row.metric is Metric.PEAK_RSS)
    assert row.delta == pytest.approx(70 * MIB, rel=0.1)

    repository.git("submodule", "--quiet", "deinit", "--force", "--all")
    done = run("check", "--base=main", "--allow-inconclusive", folder=repository.folder)
    assert done.exit_code == 3, done.stderr + done.stdout
    assert "the build context needs the submodule api/lib" in done.stdout


def test_builds_at_the_same_time_keep_to_their_own_repositories(clean: None, engine: Engine, tmp_path: Path) -> None:
    """Two repositories with folders of equal names, files of equal size and time."""
    builder = Builder(engine)

    def build(number: int) -> bool:
        side = _SIDES[number % 2]
        content = f"{side:>5} {number // 2:03} {os.urandom(8).hex()}"
        checkout = tmp_path / f"{side}-{number}" / "checkout"
        context = checkout / "api"
        context.mkdir(parents=True)
        (context / "payload").write_text(content)
        (context / "Dockerfile").write_text('FROM scratch\nCOPY payload /\nCMD ["never"]\n')
        for path in context.iterdir():
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        built = builder.build(Build(context="api"), checkout, f"membudget-test/concurrent:{number}", lambda _: None)
        return file_of(engine, built.image_id, "/payload") == content

    try:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            right = sum(threads.map(build, range(_BUILDS)))
    finally:
        for image in engine.client.images.list("membudget-test/concurrent"):
            for tag in image.tags:
                engine.client.api.remove_image(tag)
    print(f"{right} of {_BUILDS} builds, {_AT_ONCE} at once, have their own repository's files")
    assert right == _BUILDS


def test_a_context_may_hold_whatever_git_can(engine: Engine, tmp_path: Path) -> None:
    """All of it is read back, what the build ignores as well; the Dockerfile may be ignored, or lie elsewhere."""
    context = tmp_path / "checkout/api"
    (context / "folder/in a folder").mkdir(parents=True)
    (context / "folder/in a folder/späte Grüße\n'\"*?[x]!#").write_bytes(b"\0\xff")
    (context / ".dockerignore").write_text("*\n!payload\n")
    (context / "payload").write_text(os.urandom(8).hex())
    (context / "payload").chmod(0o755)
    (context / "empty").touch()
    (context / ".wh.payload").touch()  # the name of a removal, in layers
    (context / "link").symlink_to("./folder/../nowhere")
    (context / "to-folder").symlink_to("folder")
    (context / "absolute").symlink_to("/etc/passwd")
    (context / ("n" * 200)).mkdir()
    (context / ("n" * 200) / ("m" * 200)).write_text("a long name")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY . /\nCMD ["never"]\n')
    (context.parent / "other").mkdir()
    (context.parent / "other/api.Dockerfile").write_text('FROM scratch\nCOPY payload /renamed\nCMD ["never"]\n')
    (context.parent / "linked").symlink_to("api")
    builder = Builder(engine)
    cases = (
        (Build(context="api"), "/payload"),
        (Build(context="linked", dockerfile="../other/api.Dockerfile"), "/renamed"),
        (Build(context="."), None),
    )
    (context.parent / "Dockerfile").write_text('FROM scratch\nLABEL of=nothing\nCMD ["never"]\n')
    for number, (spec, path) in enumerate(cases):
        reference = f"membudget-test/contents:{number}"
        built = builder.build(spec, context.parent, reference, lambda _: None)
        try:
            if path is not None:
                assert file_of(engine, built.image_id, path) == (context / "payload").read_text()
        finally:
            engine.client.api.remove_image(reference)


def test_files_that_no_image_takes_do_not_make_it_another_one(engine: Engine, tmp_path: Path) -> None:
    context = tmp_path / "checkout"
    context.mkdir()
    (context / "payload").write_text(os.urandom(8).hex())
    (context / "Dockerfile").write_text('FROM scratch\nCOPY payload /\nCMD ["never"]\n')
    built: list[BuiltImage] = []
    for change in ("README", "CHANGELOG", "payload"):
        (context / change).write_text(os.urandom(8).hex())
        reference = f"membudget-test/identity:{len(built)}"
        built.append(Builder(engine).build(Build(), context, reference, lambda _: None))
    for image in built:
        engine.client.api.remove_image(image.reference)
    readme, changelog, payload = built
    assert readme.image_id != changelog.image_id, "they say what they were built from"
    assert readme.identity == changelog.identity
    assert changelog.identity != payload.identity


def file_of(engine: Engine, image_id: str, path: str) -> str:
    """A small file of an image."""
    container = engine.client.containers.create(image_id)
    try:
        stream, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            assert file is not None
            return file.read().decode()
    finally:
        container.remove()
