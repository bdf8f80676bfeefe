"""How long a workflow waits for the action's first line on a cold engine, and what it downloads before.

    make bench-first-line

- By digest: act runs the action with `image: docker://REGISTRY@sha256:…` on an engine that was started for it and has
  only the runner's image. The registry is on the same machine. From act's start to the action's first line.
- Building, as the action did before there were releases: `docker buildx build --no-cache`, then `docker run`. The base
  image is there already, and the packages come from the caches of apt and pip: a runner has neither.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tabulate import tabulate

import base_image
import own_image
import second_engine
from membudget.version import VERSION
from tests.support.act import RUNNER_IMAGE, TOP, Runner
from tests.support.oci_registry import Service, registry
from tests.support.repository import Repository

WANTED_S = 10
MOST_MB = 160
_USES = f"membudget/membudget@v{VERSION}"
_WORKFLOW = f"""
on: push
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      - uses: {_USES}
        with: {{command: plan}}
"""
_BUDGETS = '[images.hello]\nlimit = "24MiB"\nworkload = { kind = "command", command = ["true"] }\n'


def main() -> int:
    """Print the table."""
    base_image.provide("bookworm")
    own_image.build(tag := f"membudget:{VERSION}")
    with tempfile.TemporaryDirectory(prefix="mbl-") as name:
        scratch = Path(name)
        with registry(scratch) as there:
            digest = pushed(tag, there.host)
            size = download_bytes(f"{there.host}/membudget@{digest}")
        built = building()  # first: the other one leaves this process with the address of its own engine
        pulled = by_digest(scratch, there.host, digest)
    rows = [
        ("by digest: act's start to the action's first line", f"{pulled:.1f} s", f"≤ {WANTED_S} s"),
        ("building: the build's start to the first line", f"{built:.1f} s", ""),
        (f"image to download ({os.uname().machine})", f"{size / 1e6:.1f} MB", f"≤ {MOST_MB} MB"),
    ]
    print()
    print(tabulate(rows, ("what", "figure", "wanted"), tablefmt="github", disable_numparse=True))
    return 0 if pulled <= WANTED_S and size <= MOST_MB * 1e6 else 1


def pushed(tag: str, host: str) -> str:
    """Push an image of the first engine; its digest."""
    name = f"{host}/membudget"
    subprocess.run(["docker", "tag", tag, name], check=True)
    try:
        said = subprocess.run(["docker", "push", name], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["docker", "image", "rm", "--no-prune", name], check=True, stdout=subprocess.DEVNULL)
    return next(word for word in said.split() if word.startswith("sha256:"))


def download_bytes(reference: str) -> int:
    """The compressed layers of an image in the registry."""
    command = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{reference}"]
    manifest = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return sum(int(layer["size"]) for layer in manifest["layers"])


def by_digest(scratch: Path, host: str, digest: str) -> float:
    """Seconds on an engine without the image."""
    action = scratch / "action"
    action.mkdir()
    text = (TOP / "action.yml").read_text()
    (action / "action.yml").write_text(text.replace("image: Dockerfile", f"image: docker://{host}/membudget@{digest}"))
    subprocess.run(["git", "init", "--quiet"], cwd=action, check=True)
    repository = Repository.new(scratch / "repository")
    files = {"budgets.toml": f"version = 1\n{_BUDGETS}", "Dockerfile": f"FROM {RUNNER_IMAGE}\n"}
    repository.commit("All", {**files, ".github/workflows/w.yml": _WORKFLOW})
    with second_engine.opened() as environ:
        os.environ.update(environ)
        second_engine.copy(RUNNER_IMAGE)
        with inside(environ, scratch, host):
            runner = Runner(scratch, "http://localhost:9", "no-token", repositories={_USES: action})
            command = runner.command("push", {}, ".github/workflows/w.yml")
            return until_said(command, repository.folder, "| ", runner.environ)


@contextmanager
def inside(environ: dict[str, str], scratch: Path, host: str) -> Iterator[None]:
    """The registry again, with what it stores, in the network of the second engine: it has no other."""
    engine = Path(environ["DOCKER_HOST"].removeprefix("unix://")).with_name("dockerd.pid").read_text().strip()
    enter = ["nsenter", "--target", engine, "--net"]
    subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
    service = Service([*enter, "docker-registry", "serve", str(scratch / "registry.yml")], host, enter)
    service.start()
    try:
        yield
    finally:
        service.stop()


def building() -> float:
    """Seconds that a build without the builder's cache takes, and the first line of the image."""
    started = time.monotonic()
    own_image.build("membudget-bench:first-line", "--no-cache")
    built = time.monotonic() - started
    try:
        return built + until_said(["docker", "run", "--rm", "membudget-bench:first-line", "--version"], TOP, "", None)
    finally:
        subprocess.run(["docker", "image", "rm", "membudget-bench:first-line"], check=False, stdout=subprocess.DEVNULL)


def until_said(command: list[str], folder: Path, mark: str, environ: dict[str, str] | None) -> float:
    """Seconds from a command's start to its first line with a mark. Raises SystemExit if there is none."""
    started = time.monotonic()
    said = []
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        first: float | None = None
        for line in process.stdout:
            said.append(line)
            if first is None and mark in line:
                first = time.monotonic() - started
    if first is None or process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} said:\n{''.join(said)}")
    return first


if __name__ == "__main__":
    sys.exit(main())
