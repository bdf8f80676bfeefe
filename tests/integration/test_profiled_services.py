"""Which code holds the memory of Node, Ruby and other programs: of real services, and of those that only pretend."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Protocol

import pytest

from membudget.budgets.workload_parts import HttpRequests
from membudget.build.docker_images import inspect
from membudget.core.quantities import MIB
from membudget.measure.profiling import capturing
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledSide
from membudget.measure.profiling.order import ProfiledTrial, Profiling
from membudget.measure.profiling.profilers import profiler_of
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs, TrialSpec
from tests.support.prepared_images import PreparedImages, build_profiled
from tests.support.trials import Trials, http

LOAD = http(HttpRequests(path="/", count=100, concurrency=4))
GROWTH_MIB = 40


class Profiles(Protocol):
    """What runs profiled trials."""

    def profile(self, spec: TrialSpec, order: Profiling) -> ProfiledTrial:
        """Run one."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that grows, and the place where it does."""

    name: str
    kind: RuntimeKind | None
    executable: str | None
    place: Frame
    environment: dict[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    """The frames of memory that no code of the service holds."""


def in_node(kind: str, function: str, line: int) -> Service:
    place = Frame(function, "/app/catalog/search.js", line)
    beside = frozenset({"V8 heap, not live", "Node.js, native memory"})
    return Service("node", RuntimeKind.NODE, "/usr/bin/node", place, {"KIND": kind}, beside)


def in_ruby(kind: str, method: str, line: int, **environment: str) -> Service:
    place = Frame(method, "/app/catalog/search.rb", line)
    return Service("ruby", RuntimeKind.RUBY, "/usr/bin/ruby3.1", place, {"KIND": kind, **environment})


def native(kind: str, mapping: str) -> Service:
    return Service("native", None, "/catalog", Frame(mapping, in_live_heap=False), {"KIND": kind})


SERVICES = [
    in_node("objects", "addEntries", 4),
    in_node("strings", "addTitles", 8),
    in_node("buffers", "addPictures", 12),
    in_node("arrays", "addPrices", 16),
    in_ruby("strings", "Search#add_titles", 17),
    in_ruby("strings", "Search#add_titles", 17, WORKERS="2"),
    in_ruby("strings", "Search#add_titles", 17, COMPACT="1"),
    native("heap", "[heap]"),
    native("mapped", "[anonymous]"),
    native("shared", "/memfd:catalog-cache"),
    native("arena", "[malloc arenas]"),
]


def profiled(trials: Trials, image: str, inputs: TrialInputs, kind: RuntimeKind | None, program: str) -> ProfiledSide:
    profiler = profiler_of(kind)
    runner: Profiles = trials.runner  # type: ignore[assignment]
    spec = TrialSpec(image, inspect(trials.engine, image).image_id, 256 * MIB, 300_000, LOAD, 100, inputs)
    return runner.profile(spec, Profiling(profiler, program)).side


def of_service(trials: Trials, service: Service, growth_mib: int) -> HeapProfile:
    side = side_of(trials, service, growth_mib)
    assert side.profile is not None, side.reason
    return side.profile


def side_of(trials: Trials, service: Service, growth_mib: int) -> ProfiledSide:
    inputs = TrialInputs(environment={**service.environment, "GROWTH_MIB": str(growth_mib)})
    return profiled(trials, build_profiled(service.name), inputs, service.kind, service.executable or "")


def held(profile: HeapProfile) -> Counter[Frame]:
    """The memory of each place: the innermost frame of the service's own code, else the innermost one."""
    sums: Counter[Frame] = Counter()
    for stack in profile.stacks:
        frames = [profile.frames[at] for at in stack.frames]
        sums[next((one for one in frames if not one.is_library), frames[0])] += stack.held_bytes
    return sums


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: " ".join((one.name, *one.environment.values())))
def test_the_place_that_grew_is_first(from_host: Trials, service: Service) -> None:
    """On a busy machine, a process may not answer in time. The profile then says so, and holds no less than it says."""
    before, head = of_service(from_host, service, 0), side_of(from_host, service, GROWTH_MIB)
    assert head.profile is not None, head.reason
    place, growth = grown(before, head.profile)
    workers = int(service.environment.get("WORKERS", "1"))
    assert replace(place, line=service.place.line) == service.place
    assert service.beside <= {frame.name for frame in head.profile.frames}
    assert head.processes == (workers + 1 if workers > 1 else 1)
    assert any(
        growth == pytest.approx(answered * GROWTH_MIB * MIB, rel=0.3)
        for answered in range(max(1, workers - head.unanswered), workers + 1)
    )


def grown(base: HeapProfile, head: HeapProfile) -> tuple[Frame, int]:
    """The place that grew most, and by how many bytes."""
    before, after = held(base), held(head)
    ((place, growth),) = Counter({place: after[place] - before[place] for place in after}).most_common(1)
    return place, growth


def test_a_worker_that_cannot_be_profiled_is_told(from_host: Trials) -> None:
    silent = in_ruby("strings", "Search#add_titles", 17, WORKERS="2", SILENT="1")
    side = side_of(from_host, silent, GROWTH_MIB)
    assert side.profile is not None, side.reason
    assert (side.processes, 1 <= side.unanswered <= 2) == (3, True)
    assert "PID " in str(side.reason)
    assert max(held(side.profile).values()) < 1.5 * GROWTH_MIB * MIB


@pytest.mark.parametrize("service", [SERVICES[2], SERVICES[4], SERVICES[6]], ids=lambda one: one.name)
def test_a_helper_container_finds_the_same(from_container: Trials, service: Service) -> None:
    ((place, size),) = held(of_service(from_container, service, GROWTH_MIB)).most_common(1)
    assert replace(place, line=service.place.line) == service.place
    assert size == pytest.approx(GROWTH_MIB * MIB, rel=0.3)


PRETENDS = """
import http.server, os, signal
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
count = 0
def answer(*_):
    global count
    count += 1
    file = os.memfd_create(f"membudget-profile-{count}")
    say(lambda data: os.write(file, data), file)
"""
ANSWERS = "signal.signal(62, answer)\n"
SERVES = """
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Fine).serve_forever()
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_EACH_S", 5.0)


def pretended(trials: Trials, images: PreparedImages, said: str | None) -> ProfiledSide:
    """The profile of a program that calls itself Ruby, and answers as it likes."""
    program = PRETENDS + (f"def say(write, file):\n    {said}\n{ANSWERS}" if said is not None else "") + SERVES
    inputs = TrialInputs(environment={"NAME": "ruby3.1", "PROGRAM": program})
    return profiled(trials, images.pretender, inputs, RuntimeKind.RUBY, "/ruby3.1")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "has not loaded the profiler"),
        ("pass", "did not answer in time"),
        ("os.ftruncate(file, 1 << 30)", "its answer is too large"),
        ("write(b'membudget-profile 1\\n' + b'f a\\t\\t0\\n' * 10_000_000 + b'r 0\\n')", "its answer is too large"),
        ("write(b'membudget-profile 1\\n' + b'f a\\t\\t0\\n' * 300_000 + b'r 0\\n')", "has more than 200,000 lines"),
        ("write(b'membudget-profile 1\\ns 1 7\\nr 0\\n')", "names a frame that comes later, or never"),
        ("write(b'error \\x1b[2J\\n')", "the profiler in Ruby failed"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_hostile_answer_is_a_reason(from_host: Trials, images: PreparedImages, said: str | None, reason: str) -> None:
    side = pretended(from_host, images, said)
    assert side.profile is None
    assert reason in str(side.reason)
    assert "\x1b" not in str(side.reason)


@pytest.mark.usefixtures("impatient")
def test_names_are_taken_as_they_are_and_bounded(from_host: Trials, images: PreparedImages) -> None:
    said = "write(b'membudget-profile 1\\nf \\x1b[2J' + b'x' * 100_000 + b'\\t/app/a.rb\\t3\\ns 5 0\\nr 0\\n')"
    side = pretended(from_host, images, said)
    assert side.profile is not None, side.reason
    (frame,) = side.profile.frames
    assert frame.name.startswith("\x1b[2Jxxx")
    assert (len(frame.name), frame.file, frame.line) == (200, "/app/a.rb", 3)


def test_a_service_that_replaces_its_options_has_a_reason(from_host: Trials) -> None:
    """Its Node has not loaded the profiler, and is asked nevertheless."""
    inputs = TrialInputs(environment={"CLEAN": "1"})
    side = profiled(from_host, build_profiled("node"), inputs, RuntimeKind.NODE, "/usr/bin/node")
    assert side.profile is None
    assert "the service replaces NODE_OPTIONS" in str(side.reason)
