"""Containers that break each rule for the use of memory, and containers that keep it."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from membudget.budgets.container import ComposeSettings
from membudget.budgets.memory_rules import MemoryRule
from membudget.budgets.workload_parts import HttpRequests
from membudget.core.quantities import MIB
from membudget.engine.compose import Compose
from membudget.judge.memory_rules import MemoryFinding, UsedMemory, judge_memory
from membudget.measure.pod.compose_file import read_pod
from membudget.measure.trial import Outcome, Trial, TrialInputs
from tests.support import builders
from tests.support.membudget_process import run
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.trials import Trials, command, http

pytestmark = pytest.mark.usefixtures("tidy")
REST = "import time\ntime.sleep(0.4)\n"
"""Long enough for a sample, and for a look at the processes."""


def found(trial: Trial, limit_mib: int) -> dict[MemoryRule, MemoryFinding]:
    """What a trial breaks."""
    assert trial.outcome is Outcome.COMPLETED, trial.reason
    image = builders.image("api", head=builders.side(trial), limit=limit_mib)
    return {finding.rule: finding for finding in judge_memory([image], tuple(MemoryRule))}


def of_program(
    trials: Trials, image: str, lines: Iterable[str], limit_mib: int = 256
) -> dict[MemoryRule, MemoryFinding]:
    """What a program of Python breaks."""
    return found(trials.run(image, command("python3", "-c", "\n".join((*lines, REST))), limit_mib=limit_mib), limit_mib)


def broken_by(trials: Trials, image: str, lines: Iterable[str], rule: MemoryRule, *others: MemoryRule) -> UsedMemory:
    """The memory in question, of a program that breaks one rule.

    On a busy machine, the look at the processes may come too late, memory may be too scattered for huge pages, and
    writes of others may flush this one's. Then the rule is silent, and the program is run again.
    """
    program = tuple(lines)
    for _ in range(6):
        broken = of_program(trials, image, program)
        assert set(broken) <= {rule, *others}
        if rule in broken:
            break
    return broken[rule].used


WRITE = (
    "import os",
    "file = os.open('/tmp/log', os.O_CREAT | os.O_RDWR)",
    "for _ in range(80):",
    "    os.write(file, bytes(1 << 20))",
)
FLUSH = ("    os.fsync(file)",)
DROP = ("    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)",)


def test_page_cache(from_host: Trials, images: PreparedImages) -> None:
    used = broken_by(from_host, images.service, (*WRITE, *FLUSH), MemoryRule.PAGE_CACHE)
    assert 70 * MIB < used.found_bytes < 90 * MIB
    assert used.saved_bytes == used.found_bytes
    tight = used.rest_bytes // MIB + 12
    assert of_program(from_host, images.service, (*WRITE, *FLUSH), tight) == {}, "it runs, and has no room for more"
    assert of_program(from_host, images.service, (*WRITE, *FLUSH, *DROP)) == {}


def test_dirty_pages(from_host: Trials, images: PreparedImages) -> None:
    used = broken_by(from_host, images.service, WRITE, MemoryRule.DIRTY_PAGES, MemoryRule.PAGE_CACHE)
    assert 25 * MIB < used.found_bytes < 90 * MIB
    assert of_program(from_host, images.service, (*WRITE, *FLUSH, *DROP)) == {}


FORK = (
    "import os, signal, sys",
    "held = bytearray(40 << 20)",
    "children = []",
    "for _ in range(3):",
    "    child = os.fork()",
    "    if child == 0:",
    "        import time",
    "        held = bytearray(5 << 20), held",
    "        time.sleep(60)",
    "    children.append(child)",
)
END = ("import time", "time.sleep(0.4)", "for child in children:", "    os.kill(child, signal.SIGKILL)")


def test_shared_pages(from_host: Trials, images: PreparedImages) -> None:
    used = broken_by(from_host, images.service, (*FORK, *END), MemoryRule.SHARED_PAGES)
    assert used.count == 4
    assert used.of_bytes > 160 * MIB
    assert 40 * MIB < used.rest_bytes < 80 * MIB
    assert of_program(from_host, images.service, (*FORK, *END), limit_mib=128) == {}, "it was not sized by the sum"
    own = ("held = 0" if "40" in line else line.replace("5 << 20", "45 << 20") for line in FORK)
    assert of_program(from_host, images.service, (*own, *END), limit_mib=512) == {}, "each has pages of its own"


def huge(advice: str) -> tuple[str, ...]:
    return (
        "import mmap",
        "held = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE)",
        f"held.madvise(mmap.{advice})",
        "held[::4096] = bytes(16384)",
    )


def test_huge_pages(from_host: Trials, images: PreparedImages) -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        skip_for_want_of("the machine gives no huge pages")
    used = broken_by(from_host, images.service, huge("MADV_HUGEPAGE"), MemoryRule.HUGE_PAGES)
    assert 35 * MIB < used.found_bytes <= 66 * MIB
    assert of_program(from_host, images.service, huge("MADV_NOHUGEPAGE")) == {}


def test_memory_that_is_kept_and_memory_that_is_returned(from_host: Trials, images: PreparedImages) -> None:
    kept = http(HttpRequests(path="/hold/60", count=1), HttpRequests(path="/", count=20))
    broken = found(from_host.run(images.service, kept, limit_mib=256, settle_ms=500), 256)
    assert set(broken) == {MemoryRule.MEMORY_KEPT}
    used = broken[MemoryRule.MEMORY_KEPT].used
    assert 55 * MIB < used.found_bytes <= used.of_bytes < 75 * MIB
    passing = http(HttpRequests(path="/pass/60", count=5, concurrency=1))
    broken = found(from_host.run(images.service, passing, limit_mib=256, settle_ms=500), 256)
    assert set(broken) == {MemoryRule.MEMORY_RETURNED}
    assert 55 * MIB < broken[MemoryRule.MEMORY_RETURNED].used.found_bytes < 75 * MIB
    plain = http(HttpRequests(path="/", count=50))
    assert found(from_host.run(images.service, plain, limit_mib=256, settle_ms=500), 256) == {}


POD = """
services:
  gateway: {image: replaced}
  logger:
    image: membudget-test/service
    environment: {START_MIB: "%d"}
    depends_on: [gateway]
"""


@pytest.mark.parametrize(("mib", "rules"), [(60, {MemoryRule.SIDECAR_SHARE}), (0, set())], ids=["large", "small"])
def test_sidecars(from_host: Trials, images: PreparedImages, tmp_path: Path, mib: int, rules: set[MemoryRule]) -> None:
    (tmp_path / "compose.yaml").write_text(POD % mib)
    settings = ComposeSettings(service="gateway", sidecars=("logger",))
    resolve = Compose(from_host.engine.address).resolve
    pod = read_pod(settings, "gateway", tmp_path, resolve, is_open=False)
    inputs = TrialInputs(pod=pod, checkout=tmp_path)
    # The gateway itself holds what it got before the load, so that a small sidecar is a small part.
    load = http(HttpRequests(path="/hold/30", count=1), HttpRequests(path="/sleep/1", count=1))
    broken = found(from_host.run(images.service, load, limit_mib=256, inputs=inputs), 256)
    assert set(broken) == rules
    for finding in broken.values():
        assert finding.used.subject == "logger"
        assert 50 * MIB < finding.used.found_bytes < 90 * MIB


BUDGETS = """\
version = 1

[cost]
replicas = 100

[images.api]
build = { context = "api" }
limit = "256MiB"
trials = 1
settle = "500ms"
workload = { kind = "http", port = 8080, requests = [{ path = "/hold/60", count = 1 }, { path = "/", count = 20 }] }
"""


def test_a_check_tells_it_with_its_price(repository: Repository, images: PreparedImages) -> None:
    dockerfile = f"FROM {images.service}\n"
    repository.commit("Base", {"budgets.toml": BUDGETS, "api/Dockerfile": dockerfile})
    repository.branch("change")
    repository.commit("A label", {"api/Dockerfile": dockerfile + "LABEL of=memoryrules\n"})
    done = run("check", folder=repository.folder)
    assert done.exit_code == 0, done.stderr
    assert "Memory that could be saved" in done.stdout
    judged = json.loads(run("report", "--format", "json", folder=repository.folder).stdout)
    (finding,) = judged["memory"]
    assert (finding["rule"], judged["verdict"]) == ("memory_kept", "pass")
    assert float(finding["saved_month"]) == pytest.approx(
        finding["saved_bytes"] / (1 << 30) * 0.004237 * 730 * 100, abs=0.02
    )
    comment = run("report", "--format", "markdown", folder=repository.folder).stdout
    assert f"saves up to ${finding['saved_month']} a month" in comment
    repository.commit("Off", {
        "budgets.toml": BUDGETS + '[memory_rules]\nmemory_kept = "off"\n',
        "api/Dockerfile": dockerfile + "LABEL of=memoryrules a=b\n",
    })  # fmt: skip
    off = run("check", "--no-base", folder=repository.folder)
    assert off.exit_code == 0, off.stderr
    assert "Memory that could be saved" not in off.stdout
    assert json.loads(run("report", "--format", "json", folder=repository.folder).stdout)["memory"] == []


BODIES = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        way, mib = self.path.strip("/").split("/")
        size = int(mib) << 20
        self.begin(size)
        for piece in [b"x" * size] if way == "whole" else (bytes(1 << 16) for _ in range(size >> 16)):
            self.wfile.write(piece)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(left if self.path == "/whole" else min(left, 1 << 16)))
        self.begin(0)

    def begin(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""
"""A service that holds bodies whole at one path, and streams them at the other."""
SENDS = """\
version = 1

[defaults]
limit = "256MiB"
trials = 1
settle = "0s"

[images.responses]
build = { context = "api" }
workload = { kind = "http", port = 8080, requests = [{ path = "/whole/4", count = 4, concurrency = 2 }] }
larger_bodies = { "/whole/4" = { path = "/whole/40" } }

[images.uploads]
build = { context = "api" }
workload = { kind = "http", port = 8080, requests = [
  { path = "/whole", method = "POST", body_size = "4MiB", count = 4, concurrency = 2 }] }
larger_bodies = { "/whole" = { body_size = "40MiB" } }

[images.streams]
build = { context = "api" }
workload = { kind = "http", port = 8080, requests = [
  { path = "/pieces", method = "POST", body_size = "4MiB", count = 4, concurrency = 2 },
  { path = "/pieces/4", count = 4, concurrency = 2 }] }
larger_bodies = { "/pieces" = { body_size = "40MiB" }, "/pieces/4" = { path = "/pieces/40" } }

[images.lost]
build = { context = "api" }
workload = { kind = "http", port = 8080, requests = [{ path = "/whole/4", count = 4 }] }
larger_bodies = { "/whole/4" = { path = "/nowhere" } }
"""


def test_bodies_that_are_held_whole(repository: Repository, images: PreparedImages) -> None:
    dockerfile = f"FROM {images.service}\nCMD {json.dumps(['python3', '-c', BODIES])}\n"
    repository.commit("First", {"budgets.toml": SENDS, "api/Dockerfile": dockerfile})
    done = run("check", folder=repository.folder)
    assert done.exit_code == 0, done.stdout + done.stderr
    judged = json.loads(run("report", "--format", "json", folder=repository.folder).stdout)
    found = {finding["image"]: finding for finding in judged["memory"] if finding["rule"] == "buffered_bodies"}
    assert set(found) == {"responses", "uploads"}
    for image, body in (("responses", "GET /whole/40: with responses"), ("uploads", "POST /whole: with bodies")):
        assert found[image]["reason"].startswith(f"{image}: {body} of 40.0 MiB instead of 4.0 MiB")
        assert 20 * MIB < found[image]["found_bytes"] < 90 * MIB
    whole = run("report", "-v", folder=repository.folder).stdout
    assert "larger bodies (POST /pieces" in whole
    assert "lost: larger bodies were not measured (" in whole
