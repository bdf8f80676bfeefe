"""Checks services that answer lines over TCP, in a copy of the tree that `workload_kind.patch` extends.

`python -m tests.extension.tcp_lines REPORT`: the workloads are run against services of this process, by the same
programs as run in a container's network. "cache" answers as expected, "broken" does not.
"""

import socketserver
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.budgets.workload_parts import WorkloadKind
from membudget.engine.helper import SubprocessHelper
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.measure.workload.run import ContainerWorkload
from membudget.measure.workload.service import Drivers, PlacedDriver
from tests.extension.fake_check import write_checked
from tests.fakes.containers import FakeContainers
from tests.support.builders import trial
from tests.support.serving import serving

BUDGETS = """
version = 1
[defaults]
limit = "128MiB"
[images.cache]
workload = {{ kind = "tcp", port = {cache}, send = ["PING", "PING"], expect = "+PONG", count = 50 }}
[images.broken]
workload = {{ kind = "tcp", port = {broken}, send = ["PING"], expect = "+PONG" }}
"""


class Here(Drivers):
    """Helpers that need not enter the service's network: it is ours."""

    @contextmanager
    def reaching(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        """One for each service."""
        helper = SubprocessHelper(module)
        try:
            yield PlacedDriver(helper, None)
        finally:
            helper.close()

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """The same: the services are threads of this process."""
        return self.reaching(container_id, pid, module)

    def close(self) -> None:
        """Nothing is kept."""


def answering(answer: bytes) -> socketserver.TCPServer:
    """A service that gives one answer to every line."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for _ in self.rfile:
                self.wfile.write(answer + b"\r\n")

    return socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)


def exercised(workload: WorkloadKind) -> Trial:
    """A trial that comes to what the workload comes to."""
    spec = TrialSpec("service", "id", None, 60_000, workload)
    running = ContainerWorkload(FakeContainers(), Here(), "id", spec, lambda _: None)
    result = running.run(time.monotonic() + 60)
    running.close()
    if result.passed and running.ready_at is not None:
        return trial()
    return trial(outcome=Outcome.WORKLOAD_FAILED, reason=result.reason)


def main(report: Path) -> None:
    """Run both workloads, and check both images with what came of them."""
    services = {"cache": answering(b"+PONG"), "broken": answering(b"-ERR unknown command")}
    budgets = report.with_name("budgets.toml")
    budgets.write_text(BUDGETS.format(**{name: one.server_address[1] for name, one in services.items()}))
    with ExitStack() as stack:
        for service in services.values():
            stack.enter_context(serving(service))
        images = budgets_file.parse(budgets.read_text(), str(budgets))
        trials = {name: exercised(image.workload) for name, image in images.items()}
    write_checked(budgets, report, {f"{name} head": partial(trials.__getitem__, name) for name in trials})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
