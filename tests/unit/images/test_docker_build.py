import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from membudget.budgets.budget import Build
from membudget.engine.docker_engine import Engine, EngineInfo
from membudget.errors import BuildFailed
from membudget.images.docker_build import Builder
from tests.support.awaited import until

INFO = EngineInfo("here", "28.0", "1.48", 2, "systemd", "6.8", "linux/amd64", "overlay2", 2, 1 << 30)

FAKE_DOCKER = """\
#!/bin/sh
env > "$FAKE_FOLDER/environment"
for word in "$@"; do echo "$word"; done > "$FAKE_FOLDER/words"
while [ "$1" != --metadata-file ]; do shift; done
echo '{"containerimage.config.digest": "sha256:configuration", "buildx.build.provenance": {}}' > "$2"
echo '#1 building'
exit "$(cat "$FAKE_FOLDER/exit-code")"
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A docker client that writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    client = folder / "docker"
    client.write_text(FAKE_DOCKER.replace("$FAKE_FOLDER", str(folder)))
    client.chmod(0o755)
    (folder / "exit-code").write_text("0")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "run/checkout"
    (folder / "api").mkdir(parents=True)
    (folder / "api/Dockerfile").touch()
    return folder


class FakeImages:
    """An engine that has what was built last; its store is containerd's, which names images by their manifests."""

    images = property(lambda self: self)

    def get(self, reference: str) -> SimpleNamespace:
        return SimpleNamespace(attrs={"Id": f"sha256:manifest of {reference}", "RootFS": {}})


def builder(fake: Path, **environ: str) -> Builder:
    engine = Engine(FakeImages(), INFO, "unix:///run/test.sock")  # type: ignore[arg-type] # all that is asked of it
    return Builder(engine, {"PATH": f"{fake}:/usr/bin:/bin", "HOME": "/home/user", **environ})


def test_a_build_is_what_the_budgets_file_says(fake: Path, checkout: Path) -> None:
    spec = Build(context="api", target="run", args={"A": "1 2"}, platform="linux/arm64")
    lines: list[str] = []
    built = builder(fake).build(spec, checkout, "membudget-trial/api:x", lines.append)
    words = (fake / "words").read_text().splitlines()
    assert built.image_id == "sha256:manifest of membudget-trial/api:x", "what the engine knows it by"
    assert built.recipe is not None
    assert built.recipe.path == "api/Dockerfile"
    assert isinstance(built.recipe.provenance, dict)
    assert lines == ["#1 building"]
    assert words[:3] == ["buildx", "build", "--load"]
    assert {"--target=run", "--platform=linux/arm64", "--build-arg=A=1 2", "--provenance=false"} <= set(words)
    assert words[-3:] == ["--file", str(checkout / "api/Dockerfile"), str(checkout / "api")]
    assert sorted(path.name for path in checkout.parent.iterdir()) == ["checkout"], "what it wrote is gone"


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


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_a_build_ends_with_the_process_that_started_it(fake: Path, checkout: Path) -> None:
    client = fake / "docker"
    client.write_text(f"#!/bin/sh\necho $$ > {fake}/pid.new\nmv {fake}/pid.new {fake}/pid\nexec sleep 600\n")
    program = (
        "from pathlib import Path\nfrom tests.unit.images.test_docker_build import Build, builder\n"
        f"builder(Path({str(fake)!r})).build(Build(context='api'), Path({str(checkout)!r}), 'x', print)"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    until((fake / "pid").exists, "a running build")
    pid = int((fake / "pid").read_text())
    killed.kill()
    killed.wait()
    until(lambda: not Path(f"/proc/{pid}/stat").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), "its end")


def test_a_client_that_went_away_is_named(fake: Path, checkout: Path) -> None:
    (fake / "docker").unlink()
    with pytest.raises(BuildFailed, match="docker: No such file or directory"):
        Builder(Engine(None, INFO, "unix:///x"), {"PATH": str(fake)}).build(  # type: ignore[arg-type]
            Build(context="api"), checkout, "x", lambda _: None
        )
