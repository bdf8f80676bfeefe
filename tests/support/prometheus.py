"""Real Prometheus and Pushgateway on localhost, each with a folder of its own, ended and removed afterwards."""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

import processes
from prometheus_tools import Programs
from tests.support.awaited import PATIENCE_S, until

_LISTENS = re.compile(r"Listening on.* address=127\.0\.0\.1:([1-9]\d*)")
"""How each tells its port in its log. It chooses a free one itself."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    folder: Path

    def query(self, expression: str, time_s: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The result of an instant query: labels and value of each series."""
        asked = {"query": expression, **({"time": str(time_s)} if time_s is not None else {})}
        return [(one["metric"], float(one["value"][1])) for one in self._asked("query", asked)]

    def query_range(self, expression: str, begin_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """The result of a query over a time, as the API answers."""
        asked = {"query": expression, "start": str(begin_s), "end": str(end_s), "step": str(step_s)}
        return self._asked("query_range", asked)

    def _asked(self, what: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v1/{what}", params=asked, timeout=PATIENCE_S).json()
        assert answer["status"] == "success", (asked["query"], answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expression: str, time_s: float | None = None) -> float:
        """The value of the only series that a query finds."""
        found = self.query(expression, time_s)
        assert len(found) == 1, (expression, found)
        return found[0][1]

    def await_series(self, expression: str) -> None:
        """Await that a query finds something."""
        until(lambda: bool(self.query(expression)), expression)


@contextmanager
def prometheus(programs: Programs, folder: Path, *options: str, configuration: str = "{}") -> Iterator[Server]:
    """A Prometheus with its data in `folder/data`, which takes what is written to it."""
    file = folder / "prometheus.yml"
    file.write_text(configuration)
    command = [
        programs.prometheus,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-remote-write-receiver",
        *options,
    ]
    with _running("prometheus", command, folder, "/-/ready") as server:
        yield server


@contextmanager
def pushgateway(programs: Programs, folder: Path, *options: str) -> Iterator[Server]:
    """A Pushgateway without content."""
    kept = f"--persistence.file={folder / 'pushed'}"
    command = [programs.pushgateway, "--web.listen-address=127.0.0.1:0", kept, *options]
    with _running("pushgateway", command, folder, "/-/ready") as server:
        yield server


@contextmanager
def _running(name: str, command: Sequence[str], folder: Path, ready: str) -> Iterator[Server]:
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{_port(process, name, log)}"
        until(lambda: _is_ready(process, url + ready, log), f"{name} at {url}")
        yield Server(url, folder)
    finally:
        processes.end_group(process)


def _port(process: "subprocess.Popen[bytes]", name: str, log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if found := _LISTENS.findall(log.read_text()):
            return str(found[-1])
        time.sleep(0.02)
    raise AssertionError(f"{name} tells no port: {log.read_text()}")


def _is_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return requests.get(url, timeout=5).status_code in (200, 401)
    except requests.RequestException:
        return False
