"""The child that reads what strangers send: no rights, little memory, and an end that is told."""

import json
import os
import resource
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from membudget.measure.load import DriveOrder, RequestGroup
from membudget.measure.workload.confinement import ChildEnding, run_confined

MIB = 1 << 20
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rights and limits are Linux's")


@pytest.mark.thorough
@LINUX
def test_work_has_no_rights_left(tmp_path: Path) -> None:
    told, tells = os.pipe()

    def work() -> None:
        limits = [resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC)]
        status = Path("/proc/thread-self/status").read_text()
        os.write(tells, json.dumps([os.getresuid(), os.getgroups(), limits, status]).encode())

    assert run_confined(work, 256 * MIB) is ChildEnding.DONE
    os.close(tells)
    users, groups, limits, status = json.loads(os.read(told, 1 << 16))
    os.close(told)
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert limits == [256 * MIB, 0]
    assert facts["NoNewPrivs"] == "1"
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0
    if os.geteuid() == 0:
        assert (users, groups) == ([65534] * 3, [])


@pytest.mark.thorough
@LINUX
def test_work_that_takes_more_memory_than_it_may_is_told_apart() -> None:
    def eat() -> None:
        kept = []
        while True:
            kept.append(bytearray(MIB))

    assert run_confined(eat, 128 * MIB) is ChildEnding.OUT_OF_MEMORY


@pytest.mark.thorough
def test_work_that_fails_leaves_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("what went wrong")

    assert run_confined(fail, 512 * MIB) is ChildEnding.FAILED
    assert "ValueError: what went wrong" in capfd.readouterr().err


@pytest.mark.thorough
@LINUX
def test_a_driver_at_its_limit_says_so_and_obeys_the_next_order() -> None:
    program = (
        "from membudget.measure.workload import http_process, http_sender\n"
        "http_sender._body = lambda group: bytearray(1 << 30)\n"
        "http_process.main()\n"
    )
    group = RequestGroup(method="GET", path="/big", headers={}, count=1, concurrency=1, timeout_ms=60_000, expect=200)
    orders = [DriveOrder(None, 1, None, None, 100, (group,)), DriveOrder(None, 1, None, None, 100, ())]
    given = "".join(json.dumps(asdict(order)) + "\n" for order in orders)
    done = subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True, timeout=120
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in said if event["event"] != "point"] == ["ready", "failed", "ready", "done"]
    reason = next(event["reason"] for event in said if event["event"] == "failed")
    assert reason.startswith(
        "the HTTP driver reached its memory limit of 512 MiB while it read the service's answers to GET /big"
    )


@pytest.mark.thorough
@LINUX
def test_the_child_ends_with_the_driver() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(60)
        order = DriveOrder(None, service.getsockname()[1], None, "/", 60_000, ())
        command = [sys.executable, "-m", "membudget.measure.workload.http_process"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as driver:
            assert driver.stdin is not None
            driver.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            driver.stdin.flush()
            connection, _ = service.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(1 << 16).startswith(b"GET / HTTP/1.1")
                driver.kill()
                assert connection.recv(1) == b"", "the child hung up, as nobody else has the connection"
