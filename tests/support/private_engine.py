"""A second container engine, which a test may kill."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import processes
from membudget.engine.connection import Engine, connect
from tests.support.awaited import PATIENCE_S, until
from tests.support.started import started

_APART = ("unshare", "--net", "--mount")  # or it would take the first engine's bridge down, and leave mounts


class PrivateEngine:
    """A second engine, that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder / 'docker.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Engine:
        """Start it; a connection to it."""
        parts = {"data-root": "data", "exec-root": "exec", "pidfile": "dockerd.pid"}
        options = [f"--{key}={self.folder / name}" for key, name in parts.items()]
        offline = ["--iptables=false", "--ip-forward=false", f"--host={self.address}"]
        with (self.folder / "log").open("ab") as log:
            command = [*_APART, "dockerd", *options, *offline]
            self._process = started(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        until(lambda: self.docker("version").returncode == 0, "the second engine")
        return self.connect()

    def connect(self) -> Engine:
        """Another connection to it."""
        return connect({**os.environ, "DOCKER_HOST": self.address})

    def kill(self) -> None:
        """As the OOM killer would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # Its containerd dies with it, but stays a zombie where PID 1 does not reap: neither pid means anything now.
        (self.folder / "dockerd.pid").unlink()
        (self.folder / "exec/containerd/containerd.pid").unlink()

    def stop(self) -> None:
        """End it in peace; by force where it does not go."""
        assert self._process is not None
        processes.end_group(self._process, PATIENCE_S)
        for pid in self._shims():  # of containers that were being started as it was killed
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _shims(self) -> list[int]:
        """The processes between its containerd and its containers, which outlive both."""
        address = str(self.folder / "exec/containerd/containerd.sock").encode()
        found = []
        for listed in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if address in listed.read_bytes().split(b"\0"):
                    found.append(int(listed.parent.name))
        return found

    def load(self, image: str) -> None:
        """Give it an image of the first engine."""
        archive = subprocess.run(["docker", "save", image], check=True, capture_output=True).stdout
        assert self.docker("load", input_bytes=archive).returncode == 0

    def docker(self, *arguments: str, input_bytes: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """The docker client, at this engine."""
        environ = {**os.environ, "DOCKER_HOST": self.address}
        return subprocess.run(["docker", *arguments], env=environ, input=input_bytes, capture_output=True, check=False)
