"""A Podman for a command: its Docker-compatible socket, with folders of its own, gone when the command has ended.

    python3 tools/podman.py run -- COMMAND...      run COMMAND with DOCKER_HOST at a Podman of its own

It is Debian's podman, installed where it is not. Its images, containers, locks and events lie in a temporary folder:
Docker, and other Podmans of this machine, see nothing of it. Standard library only, like tools/engine.py.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import debian
import dockerd
import processes

_START_S = 30
_STOP_S = 20
_MOST_PROCESSES = 32_768
_MOST_FILES = 1_048_576
_SYSTEMD = Path("/run/systemd/system")
_CGROUPS = Path("/sys/fs/cgroup")
_USUAL_PARENT = "libpod_parent"
"""Where Podman puts the cgroups of containers that have no parent of their own, with the cgroupfs driver."""


class CannotHavePodman(Exception):
    """There is none, and none can be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Podman:
    """A running one."""

    folder: Path
    environ: dict[str, str]

    @property
    def address(self) -> str:
        """As for DOCKER_HOST."""
        return f"unix://{self.folder / 'podman.sock'}"

    def command(self, *words: str) -> list[str]:
        """A `podman` command on the same images and containers; it needs `environ`."""
        places = (f"--root={self.folder / 'storage'}", f"--runroot={self.folder / 'run'}")
        return ["podman", *places, f"--tmpdir={self.folder / 'tmp'}", *words]

    def load(self, *images: str) -> None:
        """Take images from the engine that docker uses."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            command = self.command("load", "--quiet")
            loaded = subprocess.run(command, env=self.environ, stdin=saving.stdout, capture_output=True, check=False)
        if loaded.returncode != 0 or saving.returncode != 0:
            raise CannotHavePodman(f"it does not take {' '.join(images)}: {loaded.stderr.decode(errors='replace')}")


def main() -> int:
    """Obey the command line."""
    match sys.argv[1:]:
        case ["run", "--", *command] if command:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
            try:
                with running() as podman:
                    environ = {**os.environ, "DOCKER_HOST": podman.address}
                    return subprocess.run(command, env=environ, check=False).returncode
            except CannotHavePodman as error:
                raise SystemExit(f"no Podman can be had here: {error}") from None
    print(__doc__, file=sys.stderr)
    return 2


@contextlib.contextmanager
def running() -> Iterator[Podman]:
    """A Podman that answers on a socket, and nothing of it afterwards. Raises CannotHavePodman."""
    _provide()
    had_parent = _usual_parents()
    with tempfile.TemporaryDirectory(prefix="podman-") as folder:
        configuration = Path(folder, "containers.conf")
        configuration.write_text(_configuration(Path(folder)))
        podman = Podman(Path(folder), {**os.environ, "CONTAINERS_CONF": str(configuration), "TMPDIR": folder})
        service = _start(podman)
        try:
            _await(podman, service)
            yield podman
        finally:
            _take_down(podman, service)
            for parent in _usual_parents() - had_parent:
                _remove_cgroup(parent)


def _provide() -> None:
    """The programs, installed where they are not."""
    if os.geteuid() != 0:
        raise CannotHavePodman("it needs root, to limit memory everywhere")
    if shutil.which("podman") is not None:
        return
    if not debian.is_usable():
        raise CannotHavePodman("podman is not installed, and there is no apt to install it with")
    try:
        debian.install("podman", "runc")
    except SystemExit as error:
        raise CannotHavePodman(str(error)) from None


def _configuration(folder: Path) -> str:
    """containers.conf(5): nothing is shared with another Podman, and no setting of this machine's counts."""
    networks = folder / "networks"
    networks.mkdir()
    # By default Podman allows containers a million of each, and fails where this process may not raise its own limits.
    files = min(_positive(resource.getrlimit(resource.RLIMIT_NOFILE)[1]), _MOST_FILES)
    processes = min(_positive(resource.getrlimit(resource.RLIMIT_NPROC)[1]), _MOST_PROCESSES)
    return (
        "[containers]\n"
        f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
        "[engine]\n"
        f'cgroup_manager = "{"systemd" if _SYSTEMD.is_dir() else "cgroupfs"}"\n'
        'events_logger = "file"\n'
        'lock_type = "file"\n'
        f'runtime = "{"crun" if shutil.which("crun") else "runc"}"\n'
        "[network]\n"
        f'network_config_dir = "{networks}"\n'
    )


def _positive(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _start(podman: Podman) -> "subprocess.Popen[bytes]":
    with (podman.folder / "log").open("wb") as log:
        return subprocess.Popen(
            podman.command("system", "service", "--time=0", podman.address),
            env=podman.environ,
            cwd=podman.folder,  # conmon leaves an empty file named oom where it was started
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await(podman: Podman, service: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while not dockerd.answers(podman.folder / "podman.sock"):
        if service.poll() is not None or time.monotonic() > deadline:
            said = (podman.folder / "log").read_text(errors="replace")[-2000:]
            raise CannotHavePodman(f"`podman system service` does not answer:\n{said}")
        time.sleep(0.05)


def _take_down(podman: Podman, service: "subprocess.Popen[bytes]") -> None:
    """Nothing of it may stay: containers, the service, and what it mounted in its folder."""
    removal = podman.command("rm", "--all", "--force", "--time=0")
    with contextlib.suppress(subprocess.TimeoutExpired):  # the service is ended all the same
        processes.run(removal, _STOP_S, env=podman.environ)
    processes.end_group(service)
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        mounted = line.split()[1]
        if mounted.startswith(f"{podman.folder}/"):
            subprocess.run(["umount", mounted], capture_output=True, check=False)


def _usual_parents() -> set[Path]:
    return {*_CGROUPS.glob(_USUAL_PARENT), *_CGROUPS.glob(f"*/{_USUAL_PARENT}")}


def _remove_cgroup(cgroup: Path) -> None:
    """An empty one, and the empty ones in it."""
    for inner in sorted(cgroup.glob("**/"), reverse=True):
        with contextlib.suppress(OSError):
            inner.rmdir()


if __name__ == "__main__":
    sys.exit(main())
