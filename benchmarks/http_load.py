"""How hard the HTTP driver can drive: requests a second at an nginx, and connections that it holds open.

    make bench-http-load

nginx is Debian's, answers 200 bytes from memory, and shares this machine's CPUs with the driver. ApacheBench, a program
in C, is beside it as the mark.
"""

import json
import re
import sys
import time
from dataclasses import asdict, replace

from pydantic import TypeAdapter
from tabulate import tabulate

from benchmarks.peers import build_programs
from benchmarks.truth import Bench, bench
from membudget.engine.containers import Containers
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.measure.load import DriveEvent, DriveOrder, LoadResult, RequestGroup
from membudget.measure.workload.http_driver import HTTP_DRIVER
from membudget.measure.workload.service import HostDrivers

PORT = 8080
CONFIGURATION = """
daemon off; worker_processes 1; pid /tmp/nginx.pid; error_log stderr crit; worker_rlimit_nofile 30000;
events { worker_connections 25000; }
http { access_log off; keepalive_timeout 600; client_header_timeout 600;
       server { listen 127.0.0.1:8080 backlog=4096; location / { return 200 "%s"; } } }
""" % ("x" * 200)
GROUP = RequestGroup(method="GET", path="/", headers={}, count=20_000, concurrency=32, timeout_ms=60_000, expect=200)


def main() -> int:
    """Print the table."""
    rows = []
    with bench() as on, on.containers() as containers:
        nginx = _nginx(on, containers)
        for what, group in (
            ("as fast as it can, 32 at once", GROUP),
            ("a connection for each request", replace(GROUP, keep_alive=False, count=10_000)),
            ("2,000 a second for 10 s", replace(GROUP, count=None, duration_ms=10_000, rate=2000, concurrency=64)),
            ("beside 2,000 idle connections", replace(GROUP, connections=2000)),
            ("beside 10,000 idle connections", replace(GROUP, connections=10_000)),
        ):
            rows.append(_row(what, _driven(containers, nginx, group)))
        print(f"\n{on.where}\n")
        headings = ["load", "requests", "errors", "a second", "p50", "p95", "p99", "held open"]
        print(tabulate(rows, headings, tablefmt="github"))
        print(f"\nApacheBench, 32 at once, connections kept: {_apache_bench(containers, nginx)} requests a second")
    return 0


def _nginx(on: Bench, containers: Containers) -> str:
    script = f"cat > /tmp/nginx.conf <<'E'\n{CONFIGURATION}\nE\nexec nginx -c /tmp/nginx.conf"
    options = ContainerOptions(
        image=build_programs(on), name="nginx", role="trial", entrypoint=("/bin/bash", "-c", script), command=()
    )
    container_id = containers.create(options)
    containers.start(container_id)
    return container_id


def _driven(containers: Containers, container_id: str, group: RequestGroup) -> LoadResult:
    events = TypeAdapter(DriveEvent)
    drivers = HostDrivers()
    try:
        with drivers.reaching(container_id, containers.state(container_id).pid, HTTP_DRIVER) as placed:
            order = DriveOrder(placed.network_namespace, PORT, PORT, None, 10_000, (group,))
            placed.helper.send(json.dumps(asdict(order)))
            deadline = time.monotonic() + 300
            while (event := events.validate_json(placed.helper.receive(deadline - time.monotonic()))).load is None:
                if event.event == "failed":
                    raise SystemExit(event.reason)
            return event.load
    finally:
        drivers.close()


def _apache_bench(containers: Containers, container_id: str) -> str:
    options = ExecOptions(command=("ab", "-q", "-k", "-n", "20000", "-c", "32", f"http://127.0.0.1:{PORT}/"))
    _, stream = containers.start_exec(container_id, options)
    said = b""
    while (frame := stream.next_frame(time.monotonic() + 60)) is not None:
        said += frame[1]
    stream.close()
    found = re.search(rb"Requests per second: +([\d.]+)", said)
    return found[1].decode() if found else "unknown"


def _row(what: str, result: LoadResult) -> list[str]:
    latencies = (
        f"{us / 1000:.1f} ms" if us is not None else "-" for us in (result.p50_us, result.p95_us, result.p99_us)
    )
    return [what, str(result.requests), str(result.errors), f"{result.per_second:.0f}", *latencies,
            str(result.connections_open)]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
