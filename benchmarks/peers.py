"""Beside its peers: what membudget, `docker stats`, psrecord and BenchExec's runexec say of six real programs.

    make bench-peers           # RUNS=1 for a quick look

Each program runs in a container of Debian's packages, with what loads it in the same container (peers/scenario.sh).
membudget, `docker stats` and psrecord follow the same container at the same time. runexec starts what it measures: it
has runs of its own, of the same script in a container that waits for it, entered with nsenter.

Whom they are held to is none of them: a process of real-time priority reads the cgroup's files a thousand times a
second (`Reference`). They claim different things, so there are three errors:

- against the kernel's mark, which contains page cache and kernel memory. Who says RSS stays below it by those, also
  where no look came too late; it is the mark that a limit has to hold, so the difference is real to whoever sets one;
- against RSS (anonymous and shared memory of the cgroup, each page once);
- against its own quantity: the mark for a mark, usage without inactive file pages for `docker stats`, RSS for the rest.
  psrecord adds up what its processes have resident: shared pages and program files count once for each.

What is fair, and what is not:

- membudget is two rows, and they are two figures: `peak_memory` is the kernel's own counter, as in runexec, and right
  by construction but for a batch of 256 KiB (membudget's cgroup is one above the container's own, whose mark is the
  table's); `peak_rss` is sampled, 100 times a second, up to 400 while memory moves, as by default. A trial with a
  missed spike would be repeated at a higher rate: here it is not, since the others have no second try.
- psrecord is asked for a look each 10 ms. Without being asked it looks as often as it can, which takes nine tenths
  of a core from the load.
- CPU is that of the observing process from when it has started up, in percent of one core, from the kernel's counters:
  interpreters' starts and imports are left out for all. membudget's two rows are one process, with its snapshots of
  processes. The engine's share of `docker stats` is added: its processes' CPU beside an idle container, with a stream
  of statistics and without.
- All observers and the load share the machine, so each may come late. It is the same for all, as in CI. The longest gap
  between looks of the reference is printed: what is shorter, nobody here could judge.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tabulate import tabulate

import debian
import dev_cache
from benchmarks.truth import Bench, Trials, bench, value
from membudget.budgets.workload import CommandWorkload
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.cgroups import memory_root
from membudget.engine.connection import RUN_LABEL
from membudget.engine.options import ContainerOptions
from membudget.measure.certificate import Conclusion
from membudget.measure.trial import Outcome, Trial, TrialSpec

PROGRAMS = {
    "redis": "redis-server, redis-benchmark",
    "nginx": "nginx, ab",
    "postgres": "postgres, pgbench",
    "jvm": "a JVM",
    "node": "node, ab",
    "gunicorn": "gunicorn with 4 workers, ab",
}
RUNS = int(os.environ.get("RUNS", "3"))
RATE_HZ = 100
PEERS = ("psrecord==1.4", "benchexec==3.35")
HEADINGS = [
    "program", "observer", "peak it reported", "kernel's mark", "error against it", "RSS at 1 kHz", "error against it",
    "error against its own quantity", "CPU, of one core", "between looks",
]  # fmt: skip

_FOLDER = Path(__file__).resolve().parent / "peers"
_IDLE_S, _IDLE_PAIRS = 4.0, 5
_ATTACH_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")

_AS_REFERENCE = "--as-reference"
_PERIOD_NS = 1_000_000
_FILES = {
    1: ("memory.usage_in_bytes", "memory.max_usage_in_bytes", (b"total_rss", b"total_shmem"), b"total_inactive_file"),
    2: ("memory.current", "memory.peak", (b"anon", b"shmem"), b"inactive_file"),
}

Quantity = Literal["mark", "rss", "working_set"]


def main() -> int:
    """Print the table."""
    if sys.argv[1:] == [_AS_REFERENCE]:
        return be_the_reference()
    with bench() as on:
        peers = Peers(on, build_programs(on), _install())
        daemon = engine_share(peers)
        observations: list[Observation] = []
        missed = trials = 0
        gaps: list[float] = []
        for program in PROGRAMS:
            for number in range(RUNS):
                debian.say(f"{program}, {number + 1} of {RUNS}")
                trial, seen = in_one_container(peers, program, daemon)
                seen.append(by_runexec(peers, program))
                observations += seen
                trials += 1
                missed += trial.certificate is not None and trial.certificate.conclusion is Conclusion.SPIKE_MISSED
                gaps += [one.truth.longest_gap_ms for one in seen if one.truth is not None]
        print(f"\n{on.where}; medians of {RUNS} runs; the engine's share of docker stats: {daemon:.1f} %\n")
        print(tabulate(table(observations), HEADINGS, tablefmt="github"))
        print(f"\nmembudget's certificate said in {missed} of {trials} trials that sampling missed a spike.")
        print(f"The reference's longest gap: {statistics.median(gaps):.1f} ms (median), {max(gaps):.1f} ms (of all).")
    return 0


@dataclass(frozen=True)
class Peers:
    """What every run needs."""

    on: Bench
    image_id: str
    programs: Path
    """The folder of the peers' commands."""


@dataclass(frozen=True)
class Truth:
    """What the reference saw of one run."""

    mark: int
    rss: int
    working_set: int
    looks: int
    longest_gap_ms: float
    seconds: float


@dataclass(frozen=True)
class Observation:
    """What one observer made of one run; `truth` None: it could not observe, `reason` says why."""

    program: str
    observer: str
    peak: int = 0
    claims: Quantity = "rss"
    truth: Truth | None = None
    cpu_percent: float = 0
    looks: int | None = None
    """None: it does not look, the kernel counts."""
    reason: str = ""


def table(observations: Iterable[Observation]) -> Iterator[list[str]]:
    """A row per program and observer, in the order of appearance."""
    groups: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for one in observations:
        groups[one.program, one.observer].append(one)
    for (program, observer), group in groups.items():
        seen = [(one, one.truth) for one in group if one.truth is not None]
        if not seen:
            yield [PROGRAMS[program], observer, f"none: {group[0].reason}", *["-"] * (len(HEADINGS) - 3)]
            continue
        yield [
            PROGRAMS[program],
            observer if len(seen) == len(group) else f"{observer} ({len(seen)} of {len(group)} runs: {_reason(group)})",
            _size(one.peak for one, _ in seen),
            _size(truth.mark for _, truth in seen),
            _error((one.peak, truth.mark) for one, truth in seen),
            _size(truth.rss for _, truth in seen),
            _error((one.peak, truth.rss) for one, truth in seen),
            _error((one.peak, getattr(truth, one.claims)) for one, truth in seen),
            f"{statistics.median(one.cpu_percent for one, _ in seen):.1f} %",
            _interval(seen),
        ]


def _reason(group: list[Observation]) -> str:
    return next(one.reason for one in group if one.reason)


def _size(values: Iterable[int]) -> str:
    return f"{statistics.median(values) / MIB:.1f} MiB"


def _error(pairs: Iterable[tuple[int, int]]) -> str:
    errors = [(peak - true, (peak - true) / true) for peak, true in pairs]
    absolute, relative = (statistics.median(column) for column in zip(*errors, strict=True))
    return f"{absolute / MIB:+.1f} MiB ({100 * relative:+.1f} %)"


def _interval(seen: list[tuple[Observation, Truth]]) -> str:
    if seen[0][0].looks is None:
        return "counted"
    return f"{statistics.median(1000 * truth.seconds / max(1, one.looks or 0) for one, truth in seen):.1f} ms"


# The reference.


class Reference:
    """A process that looks at one cgroup; started early, so that its own start is over when there is one."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, _AS_REFERENCE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, cgroup: Path, version: int) -> None:
        """Look from now on until it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(cgroup), version]) + "\n")
        self._process.stdin.flush()

    def truth(self) -> Truth:
        """What it saw; waits for the end of the cgroup."""
        assert self._process.stdout is not None
        return Truth(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def be_the_reference() -> int:
    """What runs in its process: nothing of membudget's, whom it judges."""
    with suppress(OSError):  # a look that comes late could miss what it is there to see
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    cgroup, version = json.loads(sys.stdin.readline())
    print(json.dumps(asdict(look(Path(cgroup), version))), flush=True)
    return 0


def look(cgroup: Path, version: int) -> Truth:
    """Look at a cgroup once a millisecond until it is gone."""
    usage_file, mark_file, rss_keys, inactive_key = _FILES[version]
    files = [os.open(cgroup / name, os.O_RDONLY) for name in (usage_file, mark_file, "memory.stat")]
    rss = working_set = mark = looks = longest_ns = 0
    begin = previous = due = time.monotonic_ns()
    with suppress(OSError):
        while True:
            usage, at_most, stat = (os.pread(file, 1 << 14, 0) for file in files)
            values = dict(line.split() for line in stat.splitlines())
            mark = int(at_most)
            rss = max(rss, sum(int(values[key]) for key in rss_keys))
            working_set = max(working_set, int(usage) - int(values[inactive_key]))
            looks += 1
            now = time.monotonic_ns()
            longest_ns, previous = max(longest_ns, now - previous), now
            due = max(due + _PERIOD_NS, now)
            time.sleep((due - now) / 1e9)
    return Truth(mark, rss, working_set, looks, longest_ns / 1e6, (previous - begin) / 1e9)


# One container, followed by all who can.


def in_one_container(peers: Peers, program: str, daemon_percent: float) -> tuple[Trial, list[Observation]]:
    """Run the program once; membudget starts it, the others attach."""
    with peers.on.trials(RATE_HZ, highest_rate_hz=RATE_HZ) as trials, closing(Reference()) as reference:
        followers = Followers(peers, reference)
        thread = threading.Thread(target=followers.follow)
        thread.start()
        trial = _trial(trials, peers.image_id, program)
        thread.join()
        truth = followers.truth() if followers.failure is None else None
    if trial.outcome is not Outcome.COMPLETED:
        raise SystemExit(f"the scenario {program} failed: {trial.reason} {trial.log_tail}")
    if truth is None:
        raise SystemExit(f"{program} could not be followed: {followers.failure!r}")
    effort = trial.certificate.effort if trial.certificate is not None else None

    def by(observer: str, peak: int, claims: Quantity, cpu_s: float, looks: int | None) -> Observation:
        return Observation(program, observer, peak, claims, truth, 100 * cpu_s / truth.seconds, looks)

    ours = followers.ours_cpu_s
    engine = followers.by_engine
    psrecord = followers.by_psrecord
    return trial, [
        by("membudget peak_memory", value(trial, Metric.PEAK_MEMORY), "mark", ours, None),
        by("membudget peak_rss", value(trial, Metric.PEAK_RSS), "rss", ours, effort.looks if effort is not None else 0),
        by("docker stats", max(engine.values, default=0), "working_set",
           engine.cpu_s + daemon_percent / 100 * truth.seconds, len(engine.values)),
        by("psrecord", max(psrecord.values, default=0), "rss", psrecord.cpu_s, len(psrecord.values)),
    ]  # fmt: skip


def _trial(trials: Trials, image_id: str, program: str) -> Trial:
    return trials.runner.run(
        TrialSpec(program, image_id, None, 60_000, CommandWorkload(command=(program,))), trials.ledger
    )


@dataclass
class Seen:
    """What a follower saw, and what it took."""

    values: list[int] = field(default_factory=list)
    cpu_s: float = 0


class Followers:
    """Who attaches to the container that membudget has started: the reference, `docker stats` and psrecord."""

    def __init__(self, peers: Peers, reference: Reference) -> None:
        self._peers = peers
        self._reference = reference
        self.by_engine = Seen()
        self.by_psrecord = Seen()
        self.ours_cpu_s = 0.0
        self.failure: Exception | None = None

    def follow(self) -> None:
        """Until the container ends."""
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            self.failure = error

    def truth(self) -> Truth:
        """What the reference saw."""
        return self._reference.truth()

    def _follow(self) -> None:
        container_id, pid = self._container()
        self._reference.begin(_memory_cgroup(pid), self._peers.on.engine.info.cgroup_version)
        ours = _our_probes()
        before = sum(map(_cpu_s, ours))
        stats = threading.Thread(target=follow_stats, args=(self._peers.on, container_id, self.by_engine))
        stats.start()
        with tempfile.NamedTemporaryFile() as log:
            follow = ["--include-children", "--log", log.name, "--interval", str(1 / RATE_HZ)]
            psrecord = subprocess.Popen(
                [str(self._peers.programs / "psrecord"), str(pid), *follow], stdout=subprocess.DEVNULL
            )
            _until(lambda: Path(log.name).stat().st_size > 0, "psrecord's log")
            started_up = _cpu_s(psrecord.pid)
            os.waitid(os.P_PID, psrecord.pid, os.WEXITED | os.WNOWAIT)
            self.by_psrecord.cpu_s = _cpu_s(psrecord.pid) - started_up
            psrecord.wait()
            self.by_psrecord.values += _psrecord_values(Path(log.name).read_text())
        self.ours_cpu_s = sum(map(_cpu_s, ours)) - before
        stats.join()

    def _container(self) -> tuple[str, int]:
        """The running container of the trial, and its first process."""
        api = self._peers.on.engine.client.api
        filters = {"ancestor": self._peers.image_id, "label": f"{RUN_LABEL}.role=trial", "status": "running"}
        running: list[dict[str, Any]] = []

        def is_running() -> bool:
            running[:] = api.containers(filters=filters)
            return bool(running)

        _until(is_running, "the container")
        container_id = str(running[0]["Id"])
        return container_id, int(api.inspect_container(container_id)["State"]["Pid"])


def follow_stats(on: Bench, container_id: str, seen: Seen, stop: threading.Event | None = None) -> None:
    """Follow a container as `docker stats` does, until it ends or `stop` is set; the CPU time is this thread's."""
    stream = on.engine.client.api.stats(container_id, decode=True, stream=True)
    before = time.thread_time()
    for sample in stream:
        if stop is not None and stop.is_set():
            break
        if memory := sample["memory_stats"].get("usage"):
            stats = sample["memory_stats"]["stats"]
            # What the client prints (docker/cli, stats_helpers.go).
            seen.values.append(int(memory) - int(stats.get("total_inactive_file", stats.get("inactive_file", 0))))
    seen.cpu_s = time.thread_time() - before
    stream.close()


def _psrecord_values(log: str) -> list[int]:
    """Its column of resident memory; its MB are MiB."""
    return [round(float(line.split()[2]) * MIB) for line in log.splitlines() if line and not line.startswith("#")]


# runexec, which starts what it measures.


def by_runexec(peers: Peers, program: str) -> Observation:
    """Run the program's script under runexec, in a container that does nothing but wait for it."""
    with (
        peers.on.containers() as containers,
        closing(Reference()) as reference,
        tempfile.TemporaryDirectory() as scratch,
    ):
        container_id = containers.create(_waiting(peers, "waits"))
        containers.start(container_id)
        pid = peers.on.engine.client.api.inspect_container(container_id)["State"]["Pid"]
        starts = [str(peers.programs / "runexec"), "--no-container", "--output", f"{scratch}/output", "--"]
        with Path(scratch, "said").open("w+b") as said:
            runexec = subprocess.Popen([*starts, *_inside(pid, program)], stdout=said, stderr=said, cwd=scratch)
            cgroup = _cgroup_of_child(runexec.pid)
            started_up = _cpu_s(runexec.pid)
            if cgroup is not None:
                reference.begin(cgroup, peers.on.engine.info.cgroup_version)
            os.waitid(os.P_PID, runexec.pid, os.WEXITED | os.WNOWAIT)
            cpu_s = _cpu_s(runexec.pid) - started_up
            runexec.wait()
            said.seek(0)
            output = said.read().decode(errors="replace")
        containers.remove(container_id)
        memory = re.search(r"^memory=(\d+)B$", output, re.MULTILINE)
        if memory is None or cgroup is None or "returnvalue=0" not in output:
            lines = [line for line in output.splitlines() if line.strip()]
            return Observation(program, "runexec", reason=lines[-1] if lines else "it said nothing")
        truth = reference.truth()
    return Observation(program, "runexec", int(memory[1]), "mark", truth, 100 * cpu_s / truth.seconds)


def _waiting(peers: Peers, name: str) -> ContainerOptions:
    """A container of the programs' image that does nothing."""
    return ContainerOptions(image=peers.image_id, name=name, role="trial", entrypoint=("sleep",), command=("infinity",))


def _inside(pid: int, program: str) -> list[str]:
    """The command that runs a scenario in the container of `pid`, but in the cgroup that it is started in."""
    enter = ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "--ipc", "--root", "--wd"]
    clean = ["/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    return [*enter, *clean, "/bin/bash", "/scenario/scenario.sh", program]


def _cgroup_of_child(pid: int) -> Path | None:
    """The cgroup that a process has made for its child; None when it ended without."""
    own = _memory_cgroup(pid)
    deadline = time.monotonic() + _ATTACH_S
    while time.monotonic() < deadline and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with suppress(OSError):  # a child that is gone already
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if (cgroup := _memory_cgroup(int(child))) != own:
                    return cgroup
        time.sleep(0.001)
    return None


# What `docker stats` costs the engine.


def engine_share(peers: Peers) -> float:
    """CPU that the engine's processes need for a stream of statistics, in percent of one core.

    Beside an idle container, in turns: the least of each, for whatever else the engine does only adds to one.
    """
    debian.say("the engine's share of docker stats, beside an idle container")
    with peers.on.containers() as containers:
        container_id = containers.create(_waiting(peers, "idle"))
        containers.start(container_id)
        time.sleep(1)  # the engine has things to do after a start
        pairs = [(_engine_cpu_s(), _engine_cpu_s_streaming(peers.on, container_id)) for _ in range(_IDLE_PAIRS)]
        containers.remove(container_id)
    without, streaming = min(one for one, _ in pairs), min(other for _, other in pairs)
    return max(0.0, 100 * (streaming - without) / _IDLE_S)


def _engine_cpu_s_streaming(on: Bench, container_id: str) -> float:
    stop = threading.Event()
    thread = threading.Thread(target=follow_stats, args=(on, container_id, Seen(), stop))
    thread.start()
    try:
        return _engine_cpu_s()
    finally:
        stop.set()
        thread.join()


def _engine_cpu_s() -> float:
    """CPU time of the engine's processes for a while, to the nanosecond: it is little."""
    pids = [pid for pid in _pids() if _name(pid).startswith(("dockerd", "containerd"))]
    before = sum(map(_threads_cpu_s, pids))
    time.sleep(_IDLE_S)
    return sum(map(_threads_cpu_s, pids)) - before


# /proc.


def _memory_cgroup(pid: int) -> Path:
    """The folder of the cgroup that accounts a process's memory."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return Path(memory_root(1)) / path.lstrip("/")
        if number == "0":
            unified = Path(memory_root(2)) / path.lstrip("/")
    return unified


def _our_probes() -> list[int]:
    """Our processes that observe: the sampler, and its own child, which takes the snapshots."""
    probes = [pid for pid in _pids() if b"membudget.measure.probe.process" in _words(pid)]
    own = [pid for pid in probes if _parent(pid) == os.getpid()]
    return [*own, *(pid for pid in probes if _parent(pid) in own)]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _words(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def _cpu_s(pid: int) -> float:
    """CPU time of a process itself, also when it has ended and nobody has waited for it; 0 when it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _threads_cpu_s(pid: int) -> float:
    """CPU time of a process's threads that live, which an engine's do."""
    used = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            used += int(thread.read_text().split()[0])
    return used / 1e9


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[str]:
    """The fields from the third one on."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _ATTACH_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited for {what} for {_ATTACH_S:.0f} s")
        time.sleep(0.005)


# What is needed.


def build_programs(on: Bench) -> str:
    """The id of the image of the programs."""
    reference = "membudget-bench/programs"
    debian.say("the image of the programs (two minutes or so, once)")
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference, str(_FOLDER)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return inspect(on.engine, reference).image_id


def _install() -> Path:
    """The peers, in a virtual environment of their own; the folder of their commands."""
    folder = dev_cache.folder("peers") / "venv"
    programs = folder / "bin"
    done = folder / "installed"
    if not done.exists() or done.read_text() != str(PEERS):
        debian.say(f"installing {', '.join(PEERS)}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([programs / "pip", "install", "--quiet", *PEERS], check=True)
        done.write_text(str(PEERS))
    return programs


if __name__ == "__main__":
    sys.exit(main())
