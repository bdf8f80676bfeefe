"""What a closed pod and a build reach of the engine's machine: servers listen on all its addresses meanwhile."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from membudget.budgets.container import ComposeSettings
from membudget.budgets.entries import Build
from membudget.build.docker_build import Builder
from membudget.core.errors import BuildFailed
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine
from membudget.measure.pod.compose_file import read_pod
from membudget.measure.trial import Outcome, TrialInputs
from tests.support.engine_network import on_engines_network
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.serving import serving
from tests.support.trials import Trials, command

_LINK = f"mbtest{os.getpid() % 10**8}"
_EXTRA = "169.254.77.77"
"""Link-local, as the metadata address of a cloud is, which a test must not take from the machine."""
_ASK = """
import socket, sys
def reached(address, port):
    try:
        with socket.create_connection((address, port), 2):
            return True
    except OSError:
        return False
"""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def _extra_address() -> Iterator[None]:
    """An interface of our own with one more address; it is removed whatever happens."""
    try:
        subprocess.run(["ip", "link", "add", _LINK, "type", "bridge"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_for_want_of(f"no interface can be made here, which takes root and ip(8): {error}")
    try:
        for words in (["address", "add", f"{_EXTRA}/32", "dev", _LINK], ["link", "set", _LINK, "up"]):
            subprocess.run(["ip", *words], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", _LINK], check=True, capture_output=True)


@pytest.fixture
def port(engine: Engine) -> Iterator[int]:
    """Of a server on every address of this machine, the extra one included."""
    if not engine.address.startswith("unix://"):
        skip_for_want_of("the engine is on another machine")
    with on_engines_network(), _extra_address():
        server = ThreadingHTTPServer(("0.0.0.0", 0), _Answer)
        with serving(server):
            yield server.server_port


def addresses() -> list[str]:
    """Every IPv4 address of this machine but loopback, which is each container's own."""
    shown = subprocess.run(["ip", "-4", "-o", "address"], check=True, capture_output=True, text=True).stdout
    found = [line.split()[3].partition("/")[0] for line in shown.splitlines()]
    return [address for address in found if not address.startswith("127.")]


def asking(port: int) -> str:
    """A program that fails with the addresses that it reaches; and the gateway's, if any, in the network of its own."""
    return f"""{_ASK}
own = socket.gethostbyname(socket.gethostname())
asked = {addresses()!r} + [own.rpartition(".")[0] + ".1"]
found = [address for address in asked if reached(address, {port})]
sys.exit("reached: " + " ".join(found) if found else 0)
"""


POD = """
services:
  api:
    image: replaced-by-what-is-measured
    depends_on: {backend: {condition: service_healthy}}
  backend:
    image: membudget-test/healthy
"""


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_only_an_open_pod_reaches_the_engines_machine(
    from_host: Trials, images: PreparedImages, tmp_path: Path, port: int, is_open: bool
) -> None:
    (tmp_path / "compose.yaml").write_text(POD)
    resolve = Compose(from_host.engine.address).resolve
    pod = read_pod(ComposeSettings(service="api"), "api", tmp_path, resolve, is_open=is_open)
    inputs = TrialInputs(environment={}, pod=pod, checkout=tmp_path)
    asked = command("python3", "-c", asking(port))
    trial = from_host.run(images.service, asked, inputs=inputs)
    assert (trial.outcome is Outcome.COMPLETED) is not is_open, trial.reason
    if is_open:
        assert all(address in "\n".join([trial.reason or "", *trial.log_tail]) for address in addresses()), trial


def test_services_of_a_closed_pod_find_each_other_by_name(
    from_host: Trials, images: PreparedImages, tmp_path: Path
) -> None:
    (tmp_path / "compose.yaml").write_text(POD)
    pod = read_pod(
        ComposeSettings(service="api"), "api", tmp_path, Compose(from_host.engine.address).resolve, is_open=False
    )
    program = "import socket; socket.gethostbyname('backend')"
    inputs = TrialInputs(environment={}, pod=pod, checkout=tmp_path)
    trial = from_host.run(images.service, command("python3", "-c", program), inputs=inputs)
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)


def built(engine: Engine, folder: Path, port: int, build: Build) -> str:
    """The output of a build that asks the extra address."""
    folder.mkdir()
    program = f"{_ASK}\nprint('it reached' if reached('{_EXTRA}', {port}) else 'it did not reach', 'the machine')\n"
    (folder / "ask.py").write_text(program)
    run = f"RUN python3 /ask.py # {port}"  # a port of its own keeps the build cache out of it
    (folder / "Dockerfile").write_text(f"FROM membudget-test/service\nUSER 0\nCOPY ask.py /\n{run}\n")
    lines: list[str] = []
    try:
        image = Builder(engine).build(build, folder, f"membudget-test/networks-{os.getpid()}", lines.append)
    except BuildFailed as error:
        pytest.fail("\n".join([error.what, *lines]))
    engine.client.images.remove(image.image_id, force=True)
    return "\n".join(lines)


def test_a_build_reaches_the_engines_machine_unless_it_has_no_network(
    engine: Engine, images: PreparedImages, tmp_path: Path, port: int
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").mkdir()
    assert "it reached the machine" in built(engine, tmp_path / "open/checkout", port, Build())
    closed = built(engine, tmp_path / "closed/checkout", port, Build(network="none"))
    assert "it did not reach the machine" in closed
