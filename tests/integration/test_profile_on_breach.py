"""Which code holds the memory: of Python services, one worker or several, and of programs that answer nonsense."""

import re
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets.workload import CommandWorkload, Workload
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.judge.growth import growth_of
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.equipment import TrialPool
from membudget.measure.profiling import capturing
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import ProfiledBy, ProfiledSide, SourceLine
from membudget.measure.profiling.interpreter import Interpreter, Libc
from membudget.measure.profiling.order import ProfiledAt, Profiling
from membudget.measure.trial import TrialInputs, TrialSpec
from membudget.publish.report_file import read_report
from tests.support import membudget_process
from tests.support.awaited import until
from tests.support.memray import cached_memray
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.trials import Trials, http

SEARCH = """\
def build_index(mib):
    return [bytes(4000) for _ in range(262 * mib)]


def build_cache(mib):
    return {number: str(number) * 100 for number in range(mib * 1800)}
"""
SERVICE = """\
import http.server, os, search


class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ready, done = os.pipe()
for _ in range(int(os.environ.get("WORKERS", "1")) - 1):
    if os.fork() == 0:
        kept = search.build_index(int(os.environ["MIB"]))
        os.write(done, b"x")
        os.read(os.pipe()[0], 1)
    os.read(ready, 1)
kept = search.build_index(int(os.environ["MIB"]))
cache = search.build_cache(5)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Fine).serve_forever()
"""
START = "import sys; sys.path.insert(0, '/app'); import main"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The folder with the service."""
    (tmp_path / "main.py").write_text(SERVICE)
    (tmp_path / "search.py").write_text(SEARCH)
    return tmp_path


def profiled(
    trials: Trials, image: str, inputs: TrialInputs, workload: Workload | None = None, **order: int | str | bool
) -> ProfiledSide:
    pool = trials.runner
    assert isinstance(pool, TrialPool)
    image_id = inspect(trials.engine, image).image_id
    spec = TrialSpec(image, image_id, 512 * MIB, 60_000, workload or http(), 100, inputs)
    return pool.profile(spec, replace(Profiling(TRACEMALLOC), **order)).side  # type: ignore[arg-type]


def python(program: str = START, app: Path | None = None, **variables: object) -> TrialInputs:
    """What a service in Python is started with."""
    environment = {"NAME": "python3", "PROGRAM": program, **{name: str(value) for name, value in variables.items()}}
    return TrialInputs(environment, volumes={"/app": app} if app is not None else {})


def places(side: ProfiledSide) -> list[tuple[str, str | None, int | None, int]]:
    """The innermost frames of a profile, and the bytes that they hold."""
    profile = side.profile
    assert profile is not None, side.reason
    innermost = [profile.frames[stack.frames[0]] for stack in profile.stacks]
    return [
        (frame.name, frame.file, frame.line, stack.held_bytes)
        for frame, stack in zip(innermost, profile.stacks, strict=True)
    ]


@pytest.mark.parametrize(
    ("place", "at"),
    [*(("from_host", at) for at in ProfiledAt), ("from_container", ProfiledAt.PEAK)],
)
def test_the_function_that_holds_the_most_is_first(
    place: str, app: Path, images: PreparedImages, request: pytest.FixtureRequest, at: ProfiledAt
) -> None:
    trials: Trials = request.getfixturevalue(place)
    side = profiled(trials, images.pretender, python(app=app, MIB=40), at=at)
    name, file, line, held = places(side)[0]
    assert (name, file, line) == ("build_index", "/app/search.py", 2)
    assert held == pytest.approx(40 * MIB, rel=0.05)
    assert (side.peak_rss_bytes or 0) > 40 * MIB


def test_the_profiles_of_all_workers_are_added_up(from_host: Trials, app: Path, images: PreparedImages) -> None:
    side = profiled(from_host, images.pretender, python(app=app, MIB=20, WORKERS=3))
    held = sum(held for name, _, _, held in places(side) if name == "build_index")
    assert held == pytest.approx(60 * MIB, rel=0.05)


def test_memory_that_is_gone_at_the_end_is_seen_near_the_peak(from_host: Trials, images: PreparedImages) -> None:
    """A job that holds 40 MiB until the profile was taken, which it sees by its own anonymous file."""
    program = """
import os, time
def burst():
    kept = [bytes(4000) for _ in range(10_500)]
    while "membudget-profile" not in "".join(map(linked, os.listdir("/proc/self/fd"))):
        time.sleep(0.05)
def linked(file):
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return ""
burst()
time.sleep(1)
"""
    side = profiled(from_host, images.pretender, python(program), CommandWorkload(), trigger_bytes=40 * MIB)
    assert places(side)[0][0] == "burst"


HANGS = "import signal, time\nsignal.signal(63, lambda *_: time.sleep(3600))\n"
FLOODS = """
import os, signal
def answer(*_):
    os.truncate(os.memfd_create("membudget-profile-1"), 1 << 30)
signal.signal(63, answer)
"""
DEEP = """
import os, signal
def answer(*_):
    file = os.memfd_create("membudget-profile-1")
    line = b"S\\t1\\t" + b",".join([b"0"] * 100_000) + b"\\n"
    while os.fstat(file).st_size < 3 << 20:
        os.write(file, line)
    os.write(file, b"\\nE\\n")
signal.signal(63, answer)
"""
ESCAPES = """
import os, signal
def answer(*_):
    file = os.memfd_create("membudget-profile-1")
    os.write(file, b"N\\t\\x1b[2J::error::\\xff\\tf\\t1\\t0\\nE\\n")
signal.signal(63, answer)
"""
SERVES = """
import http.server
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Fine).serve_forever()
"""


@pytest.mark.parametrize(
    ("program", "reason", "place"),
    [
        (HANGS, "it did not answer in time", "from_host"),
        (FLOODS, "its answer is too large", "from_host"),
        (DEEP, "its answer cannot be read", "from_host"),
        (ESCAPES, "its answer cannot be read", "from_host"),
        ("import signal\nsignal.signal(63, signal.SIG_DFL)\n", "it cannot be asked", "from_host"),
        (HANGS, "it did not answer in time", "from_container"),
        (FLOODS, "its answer is too large", "from_container"),
    ],
)
def test_a_service_that_answers_nonsense_harms_nothing(
    place: str,
    program: str,
    reason: str,
    *,
    images: PreparedImages,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capturing, "_EACH_S", 5.0)
    trials: Trials = request.getfixturevalue(place)
    side = profiled(trials, images.pretender, python(program + SERVES))
    assert side.profile is None
    assert reason in str(side.reason)
    assert str(side.reason).isprintable()


def test_another_program_has_no_profile(from_host: Trials, images: PreparedImages) -> None:
    inputs = TrialInputs({"NAME": "shop", "PROGRAM": SERVES})
    side = profiled(from_host, images.pretender, inputs, executable="/api")
    assert (side.profile, side.reason) == (None, "none of the container's processes runs it any more")


BUDGETS = """
version = 1
[images.search]
build = { context = "." }
limit = "256MiB"
trials = 1
workload = { kind = "http", port = 8080, requests = [{ path = "/", count = 20 }] }
budgets.peak_rss = { growth = { percent = 5, floor = "1MiB" } }
"""
GROWN_SEARCH = SEARCH.replace(
    "    return [bytes(4000) for _ in range(262 * mib)]\n",
    """\
    books = [bytes(4000) for _ in range(262 * mib)]
    words = [bytes(4000) for _ in range(262 * 40)]
    return books, words
""",
)
DOCKERFILE = 'FROM membudget-test/service\nCOPY *.py /app/\nENV MIB=%d\nCMD ["python3", "/app/main.py"]\n'


COMPOSE = 'services: {search: {build: ".", environment: {PYTHONPATH: /other, MIB: "60"}}}\n'


def growing(repository: Repository, budgets: str = BUDGETS, more: dict[str, str] | None = None) -> None:
    """A repository whose head holds 40 MiB more in one function, which holds 60 MiB on both sides."""
    files = {"main.py": SERVICE, "search.py": f"\n{SEARCH}", "budgets.toml": budgets, **(more or {})}
    repository.commit("base", {**files, "Dockerfile": DOCKERFILE % 60})
    repository.branch("more")
    repository.commit("head", {"search.py": f"# Two lines\n# more.\n\n{GROWN_SEARCH}"})


def helpers_of(pid: int) -> list[int]:
    """The programs that take profiles for a membudget process on this machine."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_text().split("\0")
            parent = re.search(r"^PPid:\s+(\d+)$", (folder / "status").read_text(), re.MULTILINE)
            if "membudget.measure.profiling.profiling_process" in words and parent and int(parent[1]) == pid:
                found.append(int(folder.name))
    return found


def explains_the_index(image: ImageMeasurement, by: ProfiledBy) -> None:
    """The 40 MiB that head's index takes more are first, and most of what peak RSS grew by is explained."""
    assert image.profile is not None
    assert image.base is not None
    assert image.head is not None
    grown = growth_of(image.profile)
    assert grown is not None, image.profile
    assert (grown.profiled_by, grown.is_compared) == (by, True)
    first = grown.named[0]
    assert (first.frame.name, first.frame.file, first.frame.line) == ("build_index", "/app/search.py", 6)
    assert image.profile.source_of(first.frame) == SourceLine(
        "/app/search.py", 6, "search.py", is_in_diff=True, is_changed=True
    )
    assert first.delta_bytes == pytest.approx(40 * MIB, rel=0.05)
    rss = [side.metrics[Metric.PEAK_RSS].value or 0 for side in (image.base, image.head)]
    assert grown.explained_bytes >= 0.8 * (rss[1] - rss[0])


def test_a_check_profiles_both_sides_of_what_breaks_its_budget(
    engine: Engine, repository: Repository, clean: None, tmp_path: Path
) -> None:
    growing(repository)
    environ = {"MEMBUDGET_CACHE_DIR": str(tmp_path)}  # the usual one may have memray
    done = membudget_process.run(
        "check", "--base", "main", "--report", "report.json", folder=repository.folder, environ=environ
    )
    assert done.exit_code == 1, done.stdout + done.stderr
    report = read_report(repository.folder / "report.json")
    (image,) = report.images
    assert image.profile is not None
    assert [side and side.not_first_choice for side in (image.profile.base, image.profile.head)] == [
        "memray could not be fetched: PIP_NO_INDEX is set, so nothing is fetched"
    ] * 2
    explains_the_index(image, ProfiledBy.TRACEMALLOC)
    assert image.base is not None
    assert image.head is not None
    assert [len(side.trials) for side in (image.base, image.head)] == [1, 1], "the profiled trials do not count"
    assert all("membudget-profile" not in str(trial) for side in (image.base, image.head) for trial in side.trials)


def test_a_check_profiles_a_python_service_by_memray(
    engine: Engine, repository: Repository, clean: None, tmp_path: Path
) -> None:
    """It runs beside the services of a compose file, which sets variables of it."""
    growing(repository, BUDGETS.replace("build =", "compose = {}\nbuild ="), {"compose.yaml": COMPOSE})
    cached_memray(tmp_path, Interpreter(11, Libc.GLIBC))
    environ = {"MEMBUDGET_CACHE_DIR": str(tmp_path)}
    done = membudget_process.run(
        "check", "--base", "main", "--report", "report.json", folder=repository.folder, environ=environ
    )
    assert done.exit_code == 1, done.stdout + done.stderr
    assert "what grew, by memray: +" in done.stdout
    (image,) = read_report(repository.folder / "report.json").images
    explains_the_index(image, ProfiledBy.MEMRAY)


@pytest.mark.parametrize("is_asked", [False, True])
def test_what_keeps_its_budget_is_profiled_only_on_demand(
    engine: Engine, repository: Repository, clean: None, *, is_asked: bool
) -> None:
    growing(repository, BUDGETS.replace("percent = 5", "percent = 1000"))
    options = ["--profile"] if is_asked else []
    done = membudget_process.run(
        "check", "--base", "main", "--report", "report.json", *options, folder=repository.folder
    )
    assert done.exit_code == 0, done.stdout + done.stderr
    (image,) = read_report(repository.folder / "report.json").images
    assert (image.profile is not None) is is_asked


def test_an_image_can_say_that_it_is_never_profiled(engine: Engine, repository: Repository, clean: None) -> None:
    growing(repository, BUDGETS.replace("trials = 1", "trials = 1\nprofile = false"))
    done = membudget_process.run(
        "check", "--base", "main", "--report", "report.json", "--profile", folder=repository.folder
    )
    assert done.exit_code == 1, done.stdout + done.stderr
    (image,) = read_report(repository.folder / "report.json").images
    assert image.profile is None


def test_a_service_that_dies_of_the_question_keeps_its_verdict(
    engine: Engine, repository: Repository, clean: None
) -> None:
    growing(repository)
    dies = "import signal\nsignal.signal(63, lambda *_: os._exit(3))\n"
    repository.commit("head", {"main.py": SERVICE.replace("ready, done", f"{dies}ready, done")})
    done = membudget_process.run("check", "--base", "main", "--report", "report.json", folder=repository.folder)
    assert done.exit_code == 1, done.stdout + done.stderr
    (image,) = read_report(repository.folder / "report.json").images
    assert image.profile is not None
    assert image.profile.base is not None
    assert image.profile.base.profile is not None
    head = image.profile.head
    assert head is not None
    if head.profile is None:
        assert head.reason
    else:  # a trial without preparation followed, in which nobody asks Python
        assert head.profile.profiled_by is not ProfiledBy.TRACEMALLOC


def test_a_signal_during_a_profiled_trial_leaves_nothing(engine: Engine, repository: Repository, clean: None) -> None:
    growing(repository)
    hangs = "import signal, time\nsignal.signal(63, lambda *_: time.sleep(3600))\n"
    repository.commit("head", {"main.py": SERVICE.replace("ready, done", f"{hangs}ready, done")})
    process = membudget_process.start("check", "--base", "main", "--report", "report.json", folder=repository.folder)
    until(lambda: bool(helpers_of(process.pid)), "a profile of a service that hangs")
    process.send_signal(signal.SIGTERM)
    done = membudget_process.finish(process)
    assert done.exit_code == 130, done.stdout + done.stderr
