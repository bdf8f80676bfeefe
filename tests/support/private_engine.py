"""A second container engine, which a test may kill."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import dockerd
import processes
from membudget.engine.connection import Engine, connect
from tests.support.awaited import PATIENCE_S
from tests.support.started import started


class PrivateEngine:
    """A second engine, that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{dockerd.socket_in(folder)}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Engine:
        """Start it; a connection to it."""
        self._process = started(dockerd.start(self.folder, "--iptables=false", "--ip-forward=false", apart=True))
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
        if self._process is not None:
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
