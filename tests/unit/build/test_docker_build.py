import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from membudget.budgets.entries import Build
from membudget.build.docker_build import Builder
from membudget.core.errors import BuildFailed, EngineLost, EnvironmentFault
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine, EngineInfo
from tests.support.awaited import until
from tests.support.started import started

INFO = EngineInfo("here", "28.0", "1.48", 2, "systemd", "6.8", "linux/amd64", "overlay2", 2, 1 << 30)

FAKE_DOCKER = """\
#!/bin/sh
case " $* " in *" --output=type=tar,dest=- "*)
    for context in "$@"; do :; done
    echo "$context" >> "$FAKE_FOLDER/exported"
    if [ -e "$FAKE_FOLDER/held" ]; then context="$FAKE_FOLDER/held"; fi
    tar -C "$context/" -c .
    exit "$(cat "$FAKE_FOLDER/export-exit-code")"
esac
env > "$FAKE_FOLDER/environment"
for word in "$@"; do echo "$word"; done > "$FAKE_FOLDER/words"
while [ "$1" != --metadata-file ]; do shift; done
echo '{"containerimage.config.digest": "sha256:configuration", "buildx.build.provenance": {}}' > "$2"
echo '#1 building'
exit "$(cat "$FAKE_FOLDER/exit-code")"
"""
"""Writes down how it was called, and gives back what it was sent: or what is in `held`."""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A docker client that writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    client = folder / "docker"
    client.write_text(FAKE_DOCKER.replace("$FAKE_FOLDER", str(folder)))
    client.chmod(0o755)
    (folder / "exit-code").write_text("0")
    (folder / "export-exit-code").write_text("0")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "run/checkout"
    (folder / "api").mkdir(parents=True)
    (folder / "api/Dockerfile").touch()
    return folder


class FakeImages:
    """An engine that has what was built last; its store is containerd's, which names images by their manifests."""

    def __init__(self, fake: Path) -> None:
        self._words = fake / "words"
        self.labels: dict[str, str] | None = None
        """Instead of those that the build was given."""
        self.is_gone = False

    images = property(lambda self: self)

    def ping(self) -> bool:
        if self.is_gone:
            raise requests.ConnectionError
        return True

    def get(self, reference: str) -> SimpleNamespace:
        given = [word.removeprefix("--label=") for word in self._words.read_text().splitlines() if "--label" in word]
        labels = dict(one.split("=", 1) for one in given) if self.labels is None else self.labels
        attrs = {"Id": f"sha256:manifest of {reference}", "RootFS": {}, "Config": {"Labels": labels}}
        return SimpleNamespace(attrs=attrs, history=list)


def builder(fake: Path, /, **environ: str) -> Builder:
    return builder_of(FakeImages(fake), fake, environ)


def builder_of(images: FakeImages, fake: Path, environ: Mapping[str, str]) -> Builder:
    engine = Engine(images, INFO, "unix:///run/test.sock")  # type: ignore[arg-type] # all it asks
    return Builder(engine, {"PATH": f"{fake}:/usr/bin:/bin", "HOME": "/home/user", **environ})


def words(fake: Path) -> list[str]:
    """What the client was told by the last build."""
    return (fake / "words").read_text().splitlines()


def exported(fake: Path) -> list[str]:
    """Contexts that were read back, or emptied."""
    return (fake / "exported").read_text().splitlines()


@pytest.mark.thorough
def test_a_build_is_what_the_budgets_file_says(fake: Path, checkout: Path) -> None:
    spec = Build(context="api", target="run", args={"A": "1 2"}, platform="linux/arm64", network="none")
    lines: list[str] = []
    built = builder(fake).build(spec, checkout, "membudget-trial/api:x", lines.append)
    assert built.image_id == "sha256:manifest of membudget-trial/api:x", "what the engine knows it by"
    assert built.recipe is not None
    assert built.recipe.path == "api/Dockerfile"
    assert isinstance(built.recipe.provenance, dict)
    assert lines == ["#1 building"]
    assert words(fake)[:3] == ["buildx", "build", "--load"]
    assert {"--target=run", "--platform=linux/arm64", "--build-arg=A=1 2", "--network=none"} <= set(words(fake))
    assert words(fake)[-3:-1] == ["--file", str(checkout / "api/Dockerfile")]
    assert sorted(path.name for path in checkout.parent.iterdir()) == ["checkout"], "what it wrote is gone"


PULLS = """\
case " $* " in *" --pull "*)
    echo "ERROR: failed to solve: local: failed to resolve source metadata for docker.io/library/local: not found"
    exit 1
esac
"""
"""A builder without a registry that has the base image."""


@pytest.mark.thorough
@pytest.mark.parametrize("is_in_a_registry", [True, False])
def test_a_fresh_build_takes_nothing_from_earlier_ones(fake: Path, checkout: Path, is_in_a_registry: bool) -> None:
    if not is_in_a_registry:
        script = (fake / "docker").read_text()
        (fake / "docker").write_text(script.replace("env >", f"{PULLS}env >", 1))
    engine = Engine(FakeImages(fake), INFO, "unix:///run/test.sock")  # type: ignore[arg-type] # all it asks
    lines: list[str] = []
    environ = {"PATH": f"{fake}:/usr/bin:/bin", "HOME": "/home/user"}
    Builder(engine, environ, is_fresh=True).build(Build(context="api"), checkout, "x", lines.append)
    assert "--no-cache" in words(fake)
    assert ("--pull" in words(fake)) is is_in_a_registry
    assert ("the base image cannot be pulled: the engine's own is used" in lines) is not is_in_a_registry


def test_a_fresh_build_that_fails_is_not_tried_again(fake: Path, checkout: Path) -> None:
    (fake / "exit-code").write_text("7")
    engine = Engine(FakeImages(fake), INFO, "unix:///run/test.sock")  # type: ignore[arg-type] # all it asks
    fresh = Builder(engine, {"PATH": f"{fake}:/usr/bin:/bin", "HOME": "/home/user"}, is_fresh=True)
    with pytest.raises(BuildFailed, match="exited with code 7"):
        fresh.build(Build(context="api"), checkout, "x", print)
    assert "--pull" in words(fake)


@pytest.mark.thorough
def test_no_secret_of_ours_reaches_the_build(fake: Path, checkout: Path) -> None:
    secrets = {"GITHUB_TOKEN": "s", "INPUT_GITHUB-TOKEN": "s", "ACTIONS_RUNTIME_TOKEN": "s", "AWS_SECRET": "s"}
    useful = {"HTTPS_PROXY": "p", "DOCKER_CONFIG": "c", "BUILDKIT_HOST": "b"}
    builder(fake, **secrets, **useful).build(Build(context="api"), checkout, "x", print)
    seen = dict(line.split("=", 1) for line in (fake / "environment").read_text().splitlines())
    assert not set(secrets) & set(seen)
    assert useful.items() <= seen.items()
    assert seen["DOCKER_HOST"] == "unix:///run/test.sock"


def test_a_build_that_fails_has_its_log(fake: Path, checkout: Path) -> None:
    (fake / "exit-code").write_text("7")
    with pytest.raises(BuildFailed, match="exited with code 7") as caught:
        builder(fake).build(Build(context="api"), checkout, "x", print)
    assert caught.value.log_tail == ("#1 building",)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (Build(context="none"), "build context none"),
        (Build(context="api", dockerfile="none"), "Dockerfile api/none"),
        (Build(context="linked"), "build context linked"),
        (Build(context="/etc"), "build context /etc"),
        (Build(context="../outside"), "build context ../outside"),
        (Build(context="x" * 300), "build context x+"),
        (Build(context="api", dockerfile="../../outside/file"), "Dockerfile api/../../outside/file"),
        (Build(context="api", dockerfile="linked"), "Dockerfile api/linked"),
    ],
)
def test_what_lies_outside_of_the_checkout_is_not_built(fake: Path, checkout: Path, spec: Build, what: str) -> None:
    outside = checkout.parent / "outside"
    outside.mkdir()
    (checkout / "linked").symlink_to(outside)
    (checkout / "api/linked").symlink_to("/etc/passwd")
    with pytest.raises(BuildFailed, match=f"the {what} does not exist in this revision"):
        builder(fake).build(spec, checkout, "x", print)


def _large(path: Path) -> None:
    path.write_bytes(bytes(MIB + 1))


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("odd", os.mkfifo, "the Dockerfile api/odd cannot be read: it is a device or a pipe"),
        ("odd", Path.mkdir, "the Dockerfile api/odd cannot be read: Is a directory"),
        ("odd", _large, "the Dockerfile api/odd is larger than 1.0 MiB"),
        ("odd", lambda path: path.symlink_to("/dev/zero"), "the Dockerfile api/odd does not exist"),
        (".dockerignore", _large, r"the ignore file api/\.dockerignore is larger than 1.0 MiB"),
        (".dockerignore", os.mkfifo, r"the ignore file api/\.dockerignore cannot be read: it is a device or a pipe"),
        ("Dockerfile.dockerignore", _large, r"the ignore file api/Dockerfile\.dockerignore is larger than 1.0 MiB"),
    ],
)
def test_a_dockerfile_that_is_no_plain_file_of_bounded_size_costs_its_image_alone(
    fake: Path, checkout: Path, name: str, make: Callable[[Path], object], said: str
) -> None:
    make(checkout / "api" / name)
    spec = Build(context="api", dockerfile="odd" if name == "odd" else "Dockerfile")
    with pytest.raises(BuildFailed, match=said):
        builder(fake).build(spec, checkout, "x", print)
    assert not (fake / "words").exists()


@pytest.mark.thorough
def test_a_dockerfile_that_is_no_utf_8_is_the_builders_to_judge(fake: Path, checkout: Path) -> None:
    (checkout / "api/Dockerfile").write_bytes(b"# \xff\nFROM scratch\n")
    built = builder(fake).build(Build(context="api"), checkout, "x", print)
    assert built.recipe is not None
    assert built.recipe.text == "# \ufffd\nFROM scratch\n"


@pytest.mark.thorough
def test_builds_of_other_threads_are_ended_and_none_begins_after_that(fake: Path, checkout: Path) -> None:
    client = fake / "docker"
    client.write_text(f"#!/bin/sh\necho started > {fake}/started\nexec sleep 600\n")
    building = builder(fake)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(building.build, Build(context="api"), checkout, "x", lambda _: None)
        until((fake / "started").exists, "a running build")
        building.cancel()
        with pytest.raises(BuildFailed):
            future.result()
    with pytest.raises(BuildFailed, match="the run was cancelled"):
        building.build(Build(context="api"), checkout, "x", lambda _: None)


def test_a_base_image_that_cannot_be_pulled_is_told_with_what_to_do(fake: Path, checkout: Path) -> None:
    said = (
        "ERROR: failed to solve: nope/base:1: failed to resolve source metadata for docker.io/nope/base:1: pull access"
        " denied, repository does not exist or may require authorization"
    )
    (fake / "docker").write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
    with pytest.raises(BuildFailed) as failed:
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)
    cause, _, fix = failed.value.what.partition("\n  fix: ")
    assert cause == said.removeprefix("ERROR: ")
    assert fix == (
        "correct the name in FROM of the Dockerfile, or build or pull nope/base:1 first; a private registry needs"
        " docker login"
    )


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_a_build_ends_with_the_process_that_started_it(fake: Path, checkout: Path) -> None:
    client = fake / "docker"
    client.write_text(f"#!/bin/sh\necho $$ > {fake}/pid.new\nmv {fake}/pid.new {fake}/pid\nexec sleep 600\n")
    program = (
        "from pathlib import Path\nfrom tests.unit.build.test_docker_build import Build, builder\n"
        f"builder(Path({str(fake)!r})).build(Build(context='api'), Path({str(checkout)!r}), 'x', print)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = started(subprocess.Popen([sys.executable, "-c", program], env=environ, start_new_session=True))
    until((fake / "pid").exists, "a running build")
    pid = int((fake / "pid").read_text())
    killed.kill()
    killed.wait()
    until(lambda: not Path(f"/proc/{pid}/stat").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "its end")


def test_a_client_that_went_away_is_named(fake: Path, checkout: Path) -> None:
    (fake / "docker").unlink()
    with pytest.raises(BuildFailed, match="docker: No such file or directory"):
        builder(fake, PATH=str(fake)).build(Build(context="api"), checkout, "x", lambda _: None)


@pytest.mark.thorough
@pytest.mark.parametrize("failing", ["exit-code", "export-exit-code"])
def test_an_engine_that_dies_is_no_failed_build(fake: Path, checkout: Path, failing: str) -> None:
    images = FakeImages(fake)
    images.is_gone = True
    (fake / failing).write_text("1")
    with pytest.raises(EngineLost, match="building x: the engine stopped answering"):
        builder_of(images, fake, {}).build(Build(context="api"), checkout, "x", lambda _: None)


@pytest.mark.thorough
def test_each_build_has_a_context_of_its_own_name(fake: Path, checkout: Path) -> None:
    """BuildKit takes files of equal size and time for unchanged, in contexts of one name."""
    names = set()
    for _ in range(3):
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)
        names.add(Path(words(fake)[-1]).name)
        assert exported(fake).pop() == words(fake)[-1], "what is read back is what was sent"
    assert len(names) == 3
    assert "api" not in names


@pytest.mark.thorough
def test_the_label_names_all_that_was_sent(fake: Path, checkout: Path) -> None:
    def label(**settings: str) -> str:
        builder(fake).build(Build(context="api", **settings), checkout, "x", lambda _: None)
        (found,) = [word for word in words(fake) if word.startswith("--label=membudget.built-from=sha256:")]
        return found

    outside = "../other/Dockerfile"
    (checkout / "other").mkdir()
    (checkout / "other/Dockerfile").touch()
    labels = [label(), label(dockerfile=outside)]
    assert labels[0] == labels[1], "the same content of the same files"
    changes: list[Callable[[], object]] = [
        lambda: (checkout / "api/file").write_text("one"),
        lambda: (checkout / "api/file").write_text("two"),
        lambda: (checkout / "api/file").chmod(0o755),
        lambda: (checkout / "api/file").rename(checkout / "api/name"),
        lambda: (checkout / "api/link").symlink_to("name"),
        lambda: (checkout / "other/Dockerfile").write_text("FROM scratch"),
        lambda: (checkout / "other/Dockerfile.dockerignore").write_text("name"),
    ]
    for change in changes:
        change()
        labels.append(label(dockerfile=outside))
    assert len(set(labels[1:])) == len(changes) + 1
    os.utime(checkout / "api/name", (1, 1))
    assert label(dockerfile=outside) == labels[-1]


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, "it does not say of which"), ({"membudget.built-from": "sha256:other"}, "says sha256:other")],
)
def test_an_image_that_was_not_built_from_this_commit_is_not_measured(
    fake: Path, checkout: Path, labels: dict[str, str], found: str
) -> None:
    images = FakeImages(fake)
    images.labels = labels
    with pytest.raises(EnvironmentFault, match=f"was not built from the files of this commit .*{found}"):
        builder_of(images, fake, {}).build(Build(context="api"), checkout, "x", lambda _: None)


def _other_content(held: Path) -> None:
    (held / "file").write_text("other")


def _other_mode(held: Path) -> None:
    (held / "file").chmod(0o755)


def _more(held: Path) -> None:
    (held / "more").touch()


def _link_instead(held: Path) -> None:
    (held / "file").unlink()
    (held / "file").symlink_to("Dockerfile")


def _hard_link(held: Path) -> None:
    (held / "file").unlink()
    (held / "file").hardlink_to(held / "Dockerfile")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_other_content, "file"),
        (_other_mode, "file"),
        (_more, "more"),
        (_link_instead, "file"),
        (_hard_link, "file"),
        (lambda held: (held / "file").unlink(), "file"),
    ],
)
def test_a_builder_that_has_other_files_than_the_commit_is_found_out(
    fake: Path, checkout: Path, change: Callable[[Path], None], named: str
) -> None:
    (checkout / "api/file").write_text("right")
    (checkout / "api/link").symlink_to("./file")
    shutil.copytree(checkout / "api", fake / "held", symlinks=True)
    builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)
    change(fake / "held")
    with pytest.raises(
        EnvironmentFault, match=f"the builder's files differ from those of the commit: {named}\n"
    ) as told:
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)
    assert "nothing was measured" in str(told.value)


@pytest.mark.thorough
def test_many_different_files_are_counted(fake: Path, checkout: Path) -> None:
    (fake / "held").mkdir()
    for number in range(9):
        (checkout / f"api/file-{number}").touch()
    with pytest.raises(EnvironmentFault, match="Dockerfile, file-0, file-1, file-2, file-3 and 5 more"):
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)


@pytest.mark.thorough
def test_a_builder_that_does_not_give_the_files_back_is_the_environments_fault(fake: Path, checkout: Path) -> None:
    (fake / "export-exit-code").write_text("3")
    with pytest.raises(EnvironmentFault, match="cannot be read back: docker buildx build exited with code 3"):
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)


@pytest.mark.thorough
def test_what_is_no_archive_is_not_taken_for_an_empty_one(fake: Path, checkout: Path) -> None:
    client = fake / "docker"
    client.write_text(client.read_text().replace('tar -C "$context/" -c .', "echo none"))
    with pytest.raises(EnvironmentFault, match="cannot be read back"):
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)


@pytest.mark.thorough
@pytest.mark.parametrize("exit_code", ["0", "7"])
def test_the_builders_copy_of_a_large_context_is_emptied(fake: Path, checkout: Path, exit_code: str) -> None:
    (checkout / "api/large").write_bytes(bytes(MIB))
    (fake / "exit-code").write_text(exit_code)
    with contextlib.suppress(BuildFailed):
        builder(fake).build(Build(context="api"), checkout, "x", lambda _: None)
    built, emptied = Path(words(fake)[-1]), Path(exported(fake)[-1])
    assert (emptied.name, emptied != built) == (built.name, True)


def _one_large_file(context: Path) -> None:
    with (context / "large").open("wb") as file:
        file.truncate(256 * MIB + 1)


def _many_files(context: Path) -> None:
    (context / "large").write_bytes(bytes(MIB))
    for number in range(20_000):
        (context / f"link-{number}").symlink_to("nowhere")


@pytest.mark.thorough
@pytest.mark.parametrize("fill", [_one_large_file, _many_files])
def test_a_context_that_is_too_large_to_be_read_back_is_told(
    fake: Path, checkout: Path, fill: Callable[[Path], None]
) -> None:
    fill(checkout / "api")
    lines: list[str] = []
    builder(fake).build(Build(context="api"), checkout, "x", lines.append)
    assert lines[-1] == "the context has more than 256.0 MiB or 20,000 files: it is not read back from the builder"
    assert [Path(context).parent.name for context in exported(fake)] == ["empty"]
