"""Registries and package indexes that a release can publish to: the real programs, on this machine alone."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import debian
import processes
from tests.support.awaited import until
from tests.support.missing import skip_for_want_of

_CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{host}"}}
"""


class Service:
    """A server on a port of its own, which can die and come back."""

    def __init__(self, command: list[str], host: str, inside: list[str] | None = None) -> None:
        self.host = host
        self._command = command
        self._inside = inside
        """What enters the network that it is in, if that is another."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        until(self._answers, f"{self._command[0]} on {self.host}")

    def stop(self) -> None:
        """End it. What it stores stays."""
        if self._process is not None:
            processes.end_group(self._process)
            self._process = None

    def _answers(self) -> bool:
        """Ask as another process: it may be in another network."""
        host, _, port = self.host.rpartition(":")
        program = f"import socket; socket.create_connection(({host!r}, {port}), 5)"
        asking = [*(self._inside or ()), sys.executable, "-c", program]
        return subprocess.run(asking, capture_output=True, check=False).returncode == 0


@contextmanager
def registry(folder: Path) -> Iterator[Service]:
    """An image registry: Debian's docker-registry."""
    _provide("docker-registry")
    _provide("skopeo")
    host = f"localhost:{_free_port()}"
    configuration = folder / "registry.yml"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder / "registry", host=host.replace("localhost", "127.0.0.1"))
    )
    with _running(Service(["docker-registry", "serve", str(configuration)], host)) as service:
        yield service


@contextmanager
def package_index(folder: Path) -> Iterator[Service]:
    """A package index: pypiserver, which takes uploads from everybody."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    program = Path(sys.executable).with_name("pypi-server")
    anybody = ("--passwords", ".", "--authenticate", ".")
    command = [str(program), "run", "--port", str(port), "--interface", "127.0.0.1", *anybody, str(folder)]
    with _running(Service(command, f"localhost:{port}")) as service:
        yield service


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.stop()


def _provide(program: str) -> None:
    """Install a program of Debian's, named like its package."""
    if shutil.which(program) is not None:
        return
    if not debian.is_usable():
        skip_for_want_of(f"{program} is missing")
    debian.install(program)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
