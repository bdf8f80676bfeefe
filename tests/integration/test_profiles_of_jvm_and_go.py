"""Heap profiles of JVM and Go services with 40 MiB more in one function, and of programs that only pretend."""

from dataclasses import replace

import pytest

from membudget.budgets.workload_parts import HttpRequests
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.judge.growth import growth_of
from membudget.measure.profiling import capturing
from membudget.measure.profiling.heap_profile import (
    LONGEST_NAME,
    MOST_FRAMES,
    Frame,
    HeapProfile,
    ProfiledBy,
    ProfiledSide,
)
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.prepared_images import PROFILED, PreparedImages, build_profiled
from tests.support.pretending import LISTENS, SERVES
from tests.support.profiled import growth, profiled
from tests.support.repository import Repository
from tests.support.trials import Trials, http

LOAD = http(HttpRequests(path="/", count=300, concurrency=4))
GROWTH = 40 * MIB
IN_JVM = Frame("Shop.buildArrays", "Shop.java", 19)
IN_GO = Frame("main.buildIndex", "/build/main.go", 25, in_live_heap=False)
SERVICE = """
import http.server, os, signal, socket, sys, threading, time
HEADING = b"heap profile: 1: 1 [1: 1] @ heap/2\\n"
STACK = b"1: 1048576 [1: 1048576] @ 0x1\\n"
CALL = b"#\\t0x1\\t%s+0x1\\t/build/main.go:7\\n"
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        if self.path == "/debug/pprof/cmdline":
            self.wfile.write(open("/proc/self/cmdline", "rb").read())
        elif self.path.startswith("/debug/pprof/heap"):
            try:
                heap(self.wfile.write)
            except OSError:
                pass
    def log_message(self, *_): pass
def heap(write): pass
def answer(connection): pass
"""
FLOODS = """
def heap(write):
    write(HEADING)
    while True: write((STACK + CALL % b"main.f") * 10_000)
def answer(connection):
    connection.sendall(b"0\\n")
    while True: connection.sendall(b"   1:   1   1  [B\\n" * 10_000)
"""
HANGS = "def heap(write): time.sleep(3600)\ndef answer(connection): time.sleep(3600)\n"
TALKS = """
def heap(write): write(HEADING + STACK + CALL % b"main.\\x1b[2J")
def answer(connection): connection.sendall(b"0\\n   1:   1   1048576  a.\\x1b[2J\\n")
"""
DEEP = "def heap(write): write(HEADING + STACK); write(CALL % (b'f' * 1000) * 20_000)\n"
LINKED = """
def answer(connection):
    connection.sendall(b"0\\n   1:   1   1048576  [B\\n")
    os.path.exists(FILE) or os.symlink("/proc/kcore", FILE)
FILE = f"/tmp/.membudget-{os.getpid()}.jfr"
"""
BROKEN = """
def answer(connection):
    connection.sendall(b"0\\n   1:   1   1048576  [B\\n")
    open(f"/tmp/.membudget-{os.getpid()}.jfr", "wb").write(b"FLR\\0" + b"\\xff" * 1000)
"""


REFUSES = """
if "JAVA_TOOL_OPTIONS" in os.environ: sys.exit("Module jdk.jfr not found")
"""


@pytest.fixture(scope="module")
def jvm(engine: Engine) -> str:
    return build_profiled("jvm")


@pytest.fixture(scope="module")
def go(engine: Engine) -> str:
    return build_profiled("go")


def of_jvm(trials: Trials, image: str, index: str, mib: int, trigger_bytes: int | None = None) -> ProfiledSide:
    variables = {"INDEX_KIND": index, "GROWTH_MIB": str(mib), "JAVA_TOOL_OPTIONS": "-Dshop=1"}
    executable = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"
    return profiled(
        trials,
        image,
        RuntimeKind.JVM,
        executable=executable,
        workload=LOAD,
        variables=variables,
        trigger_bytes=trigger_bytes,
    )


@pytest.fixture(scope="module")
def small_jvm(from_host: Trials, jvm: str) -> ProfiledSide:
    """The profile of a base that keeps nothing. It serves as the base of every kind of growth."""
    return of_jvm(from_host, jvm, "arrays", 0)


def of_go(trials: Trials, image: str, mib: int) -> ProfiledSide:
    variables = {"GROWTH_MIB": str(mib)}
    return profiled(trials, image, RuntimeKind.GO, executable="/shop", workload=LOAD, variables=variables)


@pytest.mark.parametrize(
    ("index", "place"),
    [
        ("arrays", IN_JVM),
        ("entries", Frame("Shop.buildEntries", "Shop.java", 26)),
        ("buffers", Frame("JVM Other", is_library=True, in_live_heap=False)),
    ],
)
def test_growth_of_a_jvm_is_found_where_it_was_allocated(
    from_host: Trials, jvm: str, small_jvm: ProfiledSide, index: str, place: Frame
) -> None:
    more = growth(small_jvm, of_jvm(from_host, jvm, index, 40))
    assert more.profiled_by is ProfiledBy.FLIGHT_RECORDER
    assert more.named[0].frame == place
    assert more.named[0].delta_bytes == pytest.approx(GROWTH, rel=0.25)


def test_growth_of_a_go_program_is_found_where_it_was_allocated(from_host: Trials, go: str) -> None:
    first, *_ = growth(of_go(from_host, go, 0), of_go(from_host, go, 40)).named
    assert first.frame == IN_GO
    assert first.delta_bytes == pytest.approx(GROWTH, rel=0.25)


def test_a_helper_container_finds_the_same(from_container: Trials, jvm: str, go: str) -> None:
    assert largest(of_jvm(from_container, jvm, "arrays", 40)) == IN_JVM
    assert largest(of_go(from_container, go, 40)) == IN_GO


def test_a_jvm_is_profiled_near_the_judged_peak(from_host: Trials, jvm: str) -> None:
    assert largest(of_jvm(from_host, jvm, "arrays", 40, trigger_bytes=90 * MIB)) == IN_JVM


def largest(side: ProfiledSide) -> Frame:
    """The place of the service's own code that holds most."""
    assert side.profile is not None, side.reason
    held = growth(replace(side, profile=HeapProfile(side.profile.profiled_by, (), ())), side)
    return next(site.frame for site in held.sites if not site.frame.is_library)


def test_a_go_program_without_pprof_is_told_what_to_import(from_host: Trials, images: PreparedImages) -> None:
    side = pretended(from_host, images, "Fine.do_GET = lambda self: self.send_error(404)\n", RuntimeKind.GO)
    assert side.profile is None
    assert 'import _ "net/http/pprof"' in str(side.reason)


def pretended(trials: Trials, images: PreparedImages, program: str, kind: RuntimeKind) -> ProfiledSide:
    """Profile a service in Python whose executable is called otherwise."""
    name = {RuntimeKind.JVM: "java", RuntimeKind.GO: "shop"}[kind]
    listens = LISTENS if kind is RuntimeKind.JVM else ""
    variables = {"NAME": name, "PROGRAM": SERVICE + program + listens + SERVES}
    executable = f"/usr/bin/{name}"
    return profiled(trials, images.pretender, kind, executable=executable, workload=http(), variables=variables)


@pytest.mark.parametrize(
    ("kind", "program", "reason"),
    [
        (RuntimeKind.GO, FLOODS, "longer than 64 MiB"),
        (RuntimeKind.GO, HANGS, "did not answer in time"),
        (RuntimeKind.GO, "", "no heap profile as text"),
        (RuntimeKind.JVM, FLOODS, "longer than 32 MiB"),
        (RuntimeKind.JVM, HANGS, "did not answer in time"),
        (RuntimeKind.JVM, "", "refused"),
        (RuntimeKind.JVM, "def answer(connection): connection.sendall(b'0\\nx')\n", "has no class"),
    ],
)
def test_a_program_that_pretends_to_be_a_runtime_has_a_reason(
    from_host: Trials,
    images: PreparedImages,
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: RuntimeKind,
    program: str,
    reason: str,
) -> None:
    monkeypatch.setattr(capturing, "_EACH_S", 5.0)
    side = pretended(from_host, images, program, kind)
    assert side.profile is None
    assert reason in str(side.reason)


@pytest.mark.parametrize(
    ("kind", "program"),
    [
        (RuntimeKind.GO, TALKS),
        (RuntimeKind.GO, DEEP),
        (RuntimeKind.JVM, TALKS),
        (RuntimeKind.JVM, LINKED),
        (RuntimeKind.JVM, BROKEN),
    ],
)
def test_a_hostile_profile_is_bounded(
    from_host: Trials, images: PreparedImages, kind: RuntimeKind, program: str
) -> None:
    side = pretended(from_host, images, program, kind)
    assert side.profile is not None, side.reason
    assert all(len(frame.name) <= LONGEST_NAME for frame in side.profile.frames)
    assert all(len(stack.frames) <= MOST_FRAMES for stack in side.profile.stacks)
    assert side.profile.held_bytes == MIB


def test_a_jvm_that_does_not_start_with_the_profiler_is_profiled_without(
    from_host: Trials, images: PreparedImages
) -> None:
    """As one that was built without the module jdk.jfr."""
    side = pretended(from_host, images, REFUSES + TALKS, RuntimeKind.JVM)
    assert side.profile is not None, side.reason
    assert side.profile.profiled_by is ProfiledBy.CLASS_HISTOGRAM


def test_a_service_that_fails_anyway_says_why(from_host: Trials, images: PreparedImages) -> None:
    side = pretended(from_host, images, "sys.exit(3)\n", RuntimeKind.JVM)
    assert side.profile is None
    assert "its trial failed" in str(side.reason)


BUDGETS = """
version = 1
[images.shop]
build = { context = "." }
limit = "256MiB"
timeout = "2m"
trials = 1
workload = { kind = "http", port = 8080, requests = [{ path = "/", count = 100 }] }
budgets.peak_rss = { growth = { percent = 5, floor = "1MiB" } }
"""


@pytest.mark.parametrize(
    ("runtime", "source", "place"),
    [("jvm", "src/main/java/Shop.java", IN_JVM), ("go", "main.go", IN_GO)],
)
def test_a_check_names_the_line_that_breaks_the_budget(
    engine: Engine, repository: Repository, clean: None, *, runtime: str, source: str, place: Frame
) -> None:
    dockerfile = f"FROM {build_profiled(runtime)}\nENV GROWTH_MIB=%d\n"
    code = (PROFILED / runtime / source.rpartition("/")[2]).read_text()
    repository.commit("base", {"Dockerfile": dockerfile % 0, "budgets.toml": BUDGETS, source: code})
    repository.branch("more")
    repository.commit("head", {"Dockerfile": dockerfile % 40})

    done = membudget_process.run("check", "--base", "main", "--report", "report.json", folder=repository.folder)

    assert done.exit_code == 1, done.stdout + done.stderr
    (image,) = read_report(repository.folder / "report.json").images
    assert image.profile is not None
    grown = growth_of(image.profile)
    assert grown is not None, image.profile
    assert grown.named[0].frame == place
    assert grown.explained_bytes >= 0.8 * GROWTH  # RSS of a JVM grows by more or less, as it collects
    assert f"{source}:{place.line}" in done.stdout
