"""What a soak happens in: an engine that may die, a small disk that may fill up, a pull request, and a server."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from membudget.core.quantities import MIB
from membudget.engine.cgroup_removal import our_cgroups
from membudget.engine.cgroups import run_of
from tests.soak.pull_request import open_pull_request
from tests.support import membudget_process
from tests.support.github_server import Github
from tests.support.leftovers import leftovers
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository
from tests.support.workflow_step import PULL_REQUEST, SHOP, StepOfWorkflow

LONGEST_S = 240
"""A check takes some seconds. One that takes this long hangs."""

MOST_BYTES = 150 * MIB
"""Of a process of ours, at its peak."""

_BETWEEN_LOOKS_S = 0.1
"""Seconds between two looks at the memory of our processes. The kernel keeps the peak of each process until then."""

_ENGINE_DISK, _USER_DISK = "512m", "32m"
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Ended:
    """A process of membudget that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    report: Path
    peak_bytes: int
    """The largest resident set among it and the Python programs that it started."""


class Running:
    """A process of membudget that runs, whose memory is watched."""

    def __init__(self, process: subprocess.Popen[str], report: Path) -> None:
        self.process, self.report = process, report
        self._peak_bytes = 0

    @property
    def pid(self) -> int:
        """Of the process, of its group and of its session."""
        return self.process.pid

    def goes_on_for(self, seconds: float) -> bool:
        """Let it work for a time; whether it still does after it."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and (left_s := deadline - time.monotonic()) > 0:
            self._watch()
            time.sleep(min(_BETWEEN_LOOKS_S, left_s))
        return self.process.poll() is None

    def ended(self) -> Ended:
        """Wait for its end. Raises AssertionError when it hangs."""
        hangs = self.goes_on_for(LONGEST_S)
        if hangs:
            os.killpg(self.pid, signal.SIGKILL)
        stdout, stderr = self.process.communicate()
        assert not hangs, f"it did not end within {LONGEST_S} s:\n{stdout[-2000:]}\n{stderr[-2000:]}"
        return Ended(self.process.returncode, stdout, stderr, self.report, self._peak_bytes)

    def _watch(self) -> None:
        self._peak_bytes = max(self._peak_bytes, *(_peak_of(pid) for pid in _family(self.pid)))


@dataclass(slots=True)
class World:
    """Its parts, and every process that was started in it."""

    folder: Path
    engine: PrivateEngine
    repository: Repository
    github: Github
    token: str
    number: int = 0
    """Of processes so far."""
    pids: list[int] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)
    """Of what was left."""

    @property
    def disk(self) -> Path:
        """The small disk: temporary files, caches, reports."""
        return self.folder / "disk"

    def check(self, *arguments: str, repository: Repository | None = None, remembers: bool = False) -> Running:
        """Start `membudget check`."""
        report = self._report()
        cache = () if remembers else ("--no-cache",)
        return self._start(
            ["check", "--base", "main", "--report", str(report), *cache, *arguments], {}, report, repository
        )

    def action(self) -> Running:
        """Start the action in a workflow's step: a check, and its comment."""
        report = self._report()
        workflow = StepOfWorkflow(self.folder, self.github.url, self.token)
        inputs = {"BASE": "main", "REPORT": str(report), "GITHUB-TOKEN": self.token, "CACHE": "false"}
        inputs |= {"COMMENT": "always", "STATUS": "status"}
        environ = workflow.environ(PULL_REQUEST, self.number) | {f"INPUT_{key}": one for key, one in inputs.items()}
        return self._start(["action"], environ, report, None)

    def another_clone(self) -> Repository:
        """The pull request in a folder of its own, as another job has it."""
        folder = self.folder / "clones" / str(self.number + len(list((self.folder / "clones").glob("*"))))
        shutil.copytree(self.repository.folder, folder)
        return Repository(folder)

    def tidied(self) -> None:
        """Remove what a user removes: clones and reports."""
        shutil.rmtree(self.folder / "clones", ignore_errors=True)
        (self.folder / "clones").mkdir()
        for report in self.reports():
            report.unlink()

    def reports(self) -> list[Path]:
        """The reports on the disk."""
        return list((self.disk / "reports").iterdir())

    def comments(self) -> list[str]:
        """The bodies of the pull request's comments."""
        return [comment.body for comment in self.github.comments(SHOP, 7)]

    def remains(self) -> dict[str, set[str]]:
        """What processes of this world left since the last time that this was asked, by kind."""
        with closing(self.engine.connect()) as connected:
            listed = leftovers(connected, self.repository.folder)
        del listed["helpers"], listed["temporary"]  # of the whole machine, on which others work
        listed["worktrees"] = {one for one in listed["worktrees"] if str(self.repository.folder) not in one}
        runs = {name: run_of(name) for name in our_cgroups(_CGROUPS)}
        listed["cgroups"] = {name for name, run in runs.items() if run is not None and run.owner.pid in self.pids}
        listed["temporary"] = {path.name for path in (self.disk / "tmp").iterdir()}
        listed["processes"] = _of_sessions(self.pids)
        listed["half-written files"] = {path.name for path in self.disk.rglob("[.]*") if path.is_file()}
        new = {kind: names - self._told for kind, names in listed.items()}
        self._told |= set().union(*new.values())
        return {kind: names for kind, names in new.items() if names}

    def cache_bytes(self) -> int:
        """What is kept for later checks."""
        return sum(path.stat().st_size for path in (self.disk / "cache").rglob("*") if path.is_file())

    def _report(self) -> Path:
        self.number += 1
        return self.disk / "reports" / f"{self.number}.json"

    def _start(
        self, arguments: list[str], environ: Mapping[str, str], report: Path, repository: Repository | None
    ) -> Running:
        places = {
            "DOCKER_HOST": self.engine.address,
            "TMPDIR": str(self.disk / "tmp"),
            "MEMBUDGET_CACHE_DIR": str(self.disk / "cache"),
        }
        folder = (repository or self.repository).folder
        process = membudget_process.start(*arguments, folder=folder, environ={**places, **environ})
        self.pids.append(process.pid)
        return Running(process, report)


@contextmanager
def opened(folder: Path, github: Github, truth_image: str) -> Iterator[World]:
    """A world, with the truth image in its engine. Needs root."""
    github.add_pull_request(SHOP, 7)
    with _disk(folder / "engine", _ENGINE_DISK), _disk(folder / "disk", _USER_DISK):
        for name in ("tmp", "cache", "reports"):
            (folder / "disk" / name).mkdir()
        (folder / "clones").mkdir()
        engine = PrivateEngine(folder / "engine")
        try:
            engine.start().close()
            engine.load(truth_image)
            repository = open_pull_request(folder / "repository")
            yield World(folder, engine, repository, github, github.add_workflow_token())
        finally:
            engine.stop()


@contextmanager
def full(disk: Path, left_bytes: int) -> Iterator[None]:
    """A disk on which nearly nothing is free."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    piece = free.f_bavail * free.f_frsize - left_bytes
    try:
        with filler.open("wb") as file:
            while piece > 0:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                except OSError:  # others write to it as well
                    piece //= 2
                else:
                    break
        yield
    finally:
        filler.unlink()


@contextmanager
def _disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _peak_of(pid: int) -> int:
    """VmHWM of a Python program, in bytes (proc(5)); 0 of another's, and of one that is gone."""
    try:
        if not (Path("/proc") / str(pid) / "comm").read_text().startswith("python"):
            return 0
        lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    try:
        tasks = [task.read_text().split() for task in (Path("/proc") / str(pid) / "task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(found for children in tasks for child in children for found in _family(int(child)))]


def _of_sessions(pids: list[int]) -> set[str]:
    """The processes that live in a session of one of `pids` (proc(5), stat field 6)."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, session = rest.split()[:4]
        if int(session) in pids and state != "Z":
            found.add(name)
    return found
