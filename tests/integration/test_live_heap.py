"""What runtimes keep, asked from outside: of real services, and of programs that only pretend to be a runtime."""

import socket
import tempfile
from pathlib import Path

import pytest

from membudget.budgets.workload_parts import HttpRequests
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.live_heap import reader
from membudget.measure.trial import Outcome, Trial, TrialInputs
from tests.support import membudget_process
from tests.support.prepared_images import PreparedImages, build_catalog
from tests.support.pretending import LISTENS, SERVES
from tests.support.repository import Repository
from tests.support.trials import Trials, http

LOAD = HttpRequests(path="/", count=600, concurrency=8)
"""All 400 entries are filled, and half of them replaced."""
SERVICE = """
import http.server, os, signal, socket, threading, time
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
"""
FLOODS = "def answer(connection):\n    while True: connection.sendall(b'x' * (1 << 20))\n"
HANGS = "def answer(connection):\n    time.sleep(3600)\n"
TALKS = "def answer(connection):\n    connection.sendall(b'0\\nTotal 1 \\x1b[2J9999999999999999999999\\n')\n"
LIES = "def answer(connection):\n    connection.sendall(b'0\\nTotal 1 999999999999999999\\n')\n"
INSPECTS = """
def open_inspector(*_):
    global server
    server = socket.create_server(("127.0.0.1", 9229))
    threading.Thread(target=accept, daemon=True).start()
def accept():
    while True:
        connection, _ = server.accept()
        connection.recv(100)
        try:
            answer(connection)
        except OSError:
            pass
        connection.close()
signal.signal(signal.SIGUSR1, open_inspector)
"""
UPGRADES = """
LIST = b'[{"webSocketDebuggerUrl": "ws://127.0.0.1:9229/01234567-89ab-cdef-0123-456789abcdef"}]'
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n"
ANSWERS = [HEAD % len(LIST) + LIST, b"HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n" + b"\\x81\\x7f" + b"\\xff" * 100]
def answer(connection):
    connection.sendall(ANSWERS.pop(0))
    time.sleep(1)
"""
NO_ANSWER = "signal.signal(63, lambda *_: None)\n"
CATCHES = "signal.signal(signal.SIGQUIT, lambda *_: None); signal.signal(signal.SIGUSR1, lambda *_: None)\n"


@pytest.fixture(scope="module", params=["jvm", "node", "python", "ruby"])
def service(engine: Engine, request: pytest.FixtureRequest) -> str:
    return build_catalog(request.param)


@pytest.fixture(scope="module")
def measured(from_host: Trials, service: str) -> Trial:
    """A trial of a service, seen from this machine."""
    return catalog(from_host, service)


def catalog(trials: Trials, image: str, kept_bytes: int = 100_000) -> Trial:
    inputs = TrialInputs(environment={"KEPT_BYTES": str(kept_bytes)})
    trial = trials.run(
        image, http(LOAD), limit_mib=512, timeout_ms=300_000, settle_ms=200, inputs=inputs, asks_live_heap=True
    )
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    return trial


def pretended(trials: Trials, images: PreparedImages, program: str, name: str = "java") -> Trial:
    """A service in Python whose executable is called otherwise."""
    inputs = TrialInputs(environment={"NAME": name, "PROGRAM": SERVICE + program + SERVES})
    trial = trials.run(images.pretender, http(), inputs=inputs, asks_live_heap=True)
    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    return trial


def test_what_a_service_keeps_is_known_to_a_hundredth(from_host: Trials, service: str, measured: Trial) -> None:
    less, more = (trial.metrics[Metric.LIVE_HEAP] for trial in (measured, catalog(from_host, service, 105_000)))
    assert less.value is not None, less.reason
    assert more.value is not None, more.reason
    assert 40_000_000 < less.value < 60_000_000
    assert more.value - less.value == pytest.approx(400 * 5_000, rel=0.3)


def test_a_helper_container_finds_the_same(from_container: Trials, service: str, measured: Trial) -> None:
    here, there = (trial.metrics[Metric.LIVE_HEAP] for trial in (measured, catalog(from_container, service)))
    assert there.value is not None, there.reason
    assert there.value == pytest.approx(here.value, rel=0.01)


def test_runtimes_are_not_asked_unless_a_budget_wants_it(from_host: Trials, images: PreparedImages) -> None:
    heap = from_host.run(images.service, http()).metrics[Metric.LIVE_HEAP]
    assert (heap.value, heap.reason) == (None, "runtimes are asked only if a budget concerns it")


def test_a_container_without_a_runtime_has_no_live_heap(from_host: Trials, images: PreparedImages) -> None:
    trial = pretended(from_host, images, "", "shop")
    assert "no process of the container is a runtime" in str(trial.metrics[Metric.LIVE_HEAP].reason)


PRETENDED = [
    ("java", "", "does not handle SIGQUIT"),
    ("java", CATCHES, "did not open its attach socket in time"),
    ("java", FLOODS + LISTENS, "longer than 32 MiB"),
    ("java", HANGS + LISTENS, "did not answer in time"),
    ("java", TALKS + LISTENS, "has no total"),
    ("java", LIES + LISTENS, "out of range"),
    ("python3", "signal.signal(63, signal.SIG_DFL)\n", "cannot be asked"),
    ("python3", NO_ANSWER, "did not answer in time"),
    ("ruby3.1", "signal.signal(63, signal.SIG_DFL)\n", "the service replaces RUBYOPT"),
    ("ruby3.1", NO_ANSWER, "did not answer in time"),
    ("node", "", "does not handle SIGUSR1"),
    ("node", CATCHES, "did not listen in time"),
    ("node", FLOODS + INSPECTS, "no answer of HTTP"),
    ("node", HANGS + INSPECTS, "did not answer in time"),
    ("node", UPGRADES + INSPECTS, "sent a message that is none, or of more than 1 MiB"),
]
FROM_CONTAINER = [case for case in PRETENDED if case[1] in (FLOODS + LISTENS, NO_ANSWER, UPGRADES + INSPECTS)]
"""Who asks reads the same answers there: one of each way of asking."""


@pytest.mark.parametrize(
    ("name", "program", "reason", "place"),
    [
        *((*case, "from_host") for case in PRETENDED),
        *((*case, "from_container") for case in FROM_CONTAINER),
    ],
)
def test_a_program_that_pretends_to_be_a_runtime_harms_nothing(
    name: str,
    program: str,
    reason: str,
    *,
    place: str,
    images: PreparedImages,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "_EACH_S", 5.0)
    trials: Trials = request.getfixturevalue(place)
    trial = pretended(trials, images, program, name)
    assert reason in str(trial.metrics[Metric.LIVE_HEAP].reason)
    assert trial.metrics[Metric.OOM_KILLS].value == 0
    assert (trial.metrics[Metric.PEAK_RSS].value or 0) < 64 * MIB


def test_a_link_in_a_container_does_not_lead_to_the_machine(
    from_host: Trials, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container's /tmp points to a folder of this machine, in which a socket with the right name listens."""
    monkeypatch.setattr(reader, "_EACH_S", 5.0)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/.java_pid1")
        server.listen()
        linked = f"os.rmdir('/tmp'); os.symlink({folder!r}, '/tmp')\n"
        trial = pretended(from_host, images, linked + CATCHES)
        assert "did not open its attach socket in time" in str(trial.metrics[Metric.LIVE_HEAP].reason)
        assert [path.name for path in Path(folder).iterdir()] == [".java_pid1"]


def test_a_check_finds_growth_of_what_a_jvm_keeps(engine: Engine, repository: Repository, clean: None) -> None:
    """Five percent more, which would be within the noise of its RSS."""
    dockerfile = f"FROM {build_catalog('jvm')}\nENV KEPT_BYTES=%d JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1\n"
    budgets = """
        version = 1
        [images.catalog]
        build = { context = "." }
        limit = "512MiB"
        timeout = "5m"
        trials = 1
        workload = { kind = "http", port = 8080, requests = [{ path = "/", count = 600, concurrency = 8 }] }
        budgets.live_heap = { growth = { percent = 2, floor = "512KiB" } }
    """
    repository.commit("base", {"Dockerfile": dockerfile % 100_000, "budgets.toml": budgets})
    repository.branch("more")
    repository.commit("head", {"Dockerfile": dockerfile % 105_000})

    done = membudget_process.run("check", "--base", "main", "--format", "json", folder=repository.folder)

    assert done.exit_code == 1, done.stdout + done.stderr
    (image,) = done.json["images"]
    (row,) = (row for row in image["rows"] if row["metric"] == "live_heap")
    assert row["verdict"] == "fail"
    assert row["head"]["value"] - row["base"]["value"] == pytest.approx(400 * 5_000, rel=0.1)
