"""Base images: pulled where a registry answers, else made with debootstrap and kept in the cache.

    python3 tools/base_image.py bookworm [trixie...]

Gives the engine `debian:SUITE-slim`. What is made here behaves like the real one: a minimal Debian without
documentation, translations and package lists.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import debian
import dev_cache
import processes
import second_engine

_PULL_S = 120
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)
_VERSION = 1  # of what is made: count up when it changes


def main() -> int:
    """Provide every suite that is asked for."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    for suite in sys.argv[1:]:
        provide(suite)
    return 0


def provide(suite: str) -> str:
    """Make sure that the engine has `debian:SUITE-slim`; its reference."""
    reference = f"debian:{suite}-slim"
    if not (_docker("image", "inspect", reference) or _pull(reference)):
        archive = made(suite)
        debian.say(f"giving the engine {reference}, made here")
        if not _docker("import", "--change", 'CMD ["bash"]', str(archive), reference):
            raise SystemExit(f"the engine does not take {archive}")
    second_engine.copy(reference)
    return reference


def is_pulled(reference: str) -> bool:
    """Whether the engine has an image from a registry, which then has others as well. One made here has no digest."""
    asked = ["docker", "image", "inspect", "--format", "{{len .RepoDigests}}", reference]
    environ = second_engine.builder_environ()
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout.strip() != "0"


def _pull(reference: str) -> bool:
    debian.say(f"pulling {reference}")
    try:
        return _docker("pull", "--quiet", reference, timeout=_PULL_S)
    except subprocess.TimeoutExpired:
        return False


def _docker(*arguments: str, timeout: float | None = None) -> bool:
    return processes.run(["docker", *arguments], timeout, env=second_engine.builder_environ()).returncode == 0


def made(suite: str, architecture: str | None = None) -> Path:
    """A root file system of Debian, as an archive in the cache. Another architecture's needs `emulation.of` it."""
    key = hashlib.sha256(f"{_VERSION} {suite} {_LEFT_OUT}".encode()).hexdigest()[:12]
    name = suite if architecture is None else f"{suite}-{architecture}"
    archive = dev_cache.folder("base-images") / f"{name}-{key}.tar"
    if archive.exists():
        return archive
    if not debian.is_usable():
        raise SystemExit(f"debian:{suite}-slim can neither be pulled nor made here (that needs root and apt).")
    if shutil.which("debootstrap") is None:
        debian.install("debootstrap")
    debian.say(f"making Debian {name} with debootstrap (half a minute or so, emulated some minutes, once)")
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        root, log = Path(scratch, "root"), Path(scratch, "log")
        with log.open("w") as output:
            options = [] if architecture is None else [f"--arch={architecture}"]
            command = ["debootstrap", "--variant=minbase", *options, suite, str(root)]
            done = subprocess.run(command, stdout=output, stderr=output, check=False)
        if done.returncode != 0:
            raise SystemExit(f"debootstrap failed:\n{log.read_text()[-2000:]}")
        unfinished = Path(scratch, "tar")
        with tarfile.open(unfinished, "w") as packed:
            packed.add(root, ".", filter=_slim)
        unfinished.replace(archive)
    return archive


def _slim(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what slim images leave out, and device files, which an engine makes itself."""
    name = member.name.removeprefix("./")
    inside_left_out = any(name.startswith(f"{folder}/") for folder in _LEFT_OUT)
    return None if (inside_left_out and not member.isdir()) or name.startswith("dev/") else member


if __name__ == "__main__":
    sys.exit(main())
