"""A history in git that somebody damaged, rewrote or filled up."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from membudget.budgets.rules import Creep, Tolerance
from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.git_main import main_commits
from membudget.build.history_place import DEFAULT_PLACE, HistoryPlace, file_name, parse_place
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.creep import Main, SincePlace, look_up
from membudget.history.line import LARGEST_NOTE_BYTES, SkippedLines
from membudget.history.series import points_of
from membudget.judge.then import ThenState
from tests.support.git_server import bare_repository
from tests.support.history import MACHINE, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough
BRANCH = parse_place("branch:memory")
KEY = ("api", Metric.PEAK_RSS)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three commits, and a remote."""
    made = Repository.new(tmp_path / "repository")
    for number in range(3):
        made.commit(f"commit {number}", {"file": str(number)})
    bare = bare_repository(tmp_path / "origin.git")
    made.git("remote", "add", "origin", str(bare))
    made.git("push", "--quiet", "origin", "HEAD:main")
    return made


def history(repository: Repository, place: HistoryPlace = DEFAULT_PLACE) -> GitHistory:
    return GitHistory(GitRepository(repository.folder), place, sleep=lambda _: None)


def shas(repository: Repository) -> list[str]:
    """The commits, newest first."""
    return repository.git("rev-list", "HEAD").split()


def rewrite(repository: Repository) -> str:
    """Replace the newest commit, so that git forgets the old one. Return the old one."""
    gone = shas(repository)[0]
    repository.git("commit", "--quiet", "--amend", "--message", "another")
    repository.git("push", "--quiet", "--force", "origin", "HEAD:main")
    for forget in (("update-ref", "-d", "ORIG_HEAD"), ("reflog", "expire", "--expire=now", "--all")):
        repository.git(*forget)
    repository.git("fetch", "--quiet", "--prune", "origin")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    return gone


@pytest.mark.parametrize("place", [DEFAULT_PLACE, BRANCH], ids=str)
def test_lines_of_a_rewritten_branch_stay_and_have_no_effect(repository: Repository, place: HistoryPlace) -> None:
    old = shas(repository)
    store = history(repository, place)
    store.append({sha: text(line(sha, 90)) for sha in old})
    store.push({sha: text(line(sha, 90)) for sha in old})
    gone = rewrite(repository)
    head = shas(repository)[0]
    store.append({head: text(line(head, 40))})
    store.push({head: text(line(head, 40))})
    assert {note.commit for note in store.notes(None, LARGEST_NOTE_BYTES)} == {*old, head}
    commits = main_commits(GitRepository(repository.folder), "HEAD")
    notes = store.notes([commit.sha for commit in commits], LARGEST_NOTE_BYTES)
    found = [point.line for point in points_of(commits, notes, datetime.now(UTC), SkippedLines())]
    assert [(one.commit, one.value // MIB) for one in found] == [(head, 40), (old[1], 90), (old[2], 90)]
    assert gone not in {one.commit for one in found}


@pytest.mark.parametrize("place", [DEFAULT_PLACE, BRANCH], ids=str)
def test_lines_about_commits_that_are_gone_hold_up_no_others(repository: Repository, place: HistoryPlace) -> None:
    """They were kept and not pushed before the branch was rewritten."""
    old = shas(repository)[0]
    store = history(repository, place)
    store.append({old: text(line(old, 90))})
    rewrite(repository)
    head = shas(repository)[0]
    store.append({head: text(line(head, 40))})
    store.fetch()
    lines = store.about_known_commits(store.unpushed(LARGEST_NOTE_BYTES))
    store.push(lines)
    assert lines.keys() == ({head} if place is DEFAULT_PLACE else {old, head})
    assert store.unpushed(LARGEST_NOTE_BYTES).keys() == {old, head} - lines.keys()


def test_a_note_whose_object_is_gone_is_a_fault_of_the_environment(repository: Repository) -> None:
    sha = shas(repository)[0]
    store = history(repository)
    store.append({sha: text(line(sha))})
    blob = repository.git("rev-parse", f"refs/notes/membudget:{sha}")
    (repository.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(EnvironmentFault):
        list(store.notes([sha], LARGEST_NOTE_BYTES))


def fast_import(repository: Repository, stream: Iterator[bytes]) -> None:
    command = ["git", "-c", "core.compression=0", "-c", "core.bigFileThreshold=1g", "fast-import", "--quiet", "--force"]
    with subprocess.Popen(command, cwd=repository.folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for part in stream:
            process.stdin.write(part)
        process.stdin.close()
        assert process.wait() == 0


BEGIN = b"commit refs/heads/memory\nmark :9\ncommitter a <a@b> 1 +0000\ndata 0\n"


def test_a_hundred_thousand_files_about_other_commits_are_passed_over(repository: Repository) -> None:
    sha = shas(repository)[0]

    def stream() -> Iterator[bytes]:
        yield b"blob\nmark :1\ndata 2\nx\n\n" + BEGIN
        for number in range(100_000):
            yield f"M 100644 :1 {file_name(hashlib.sha1(b'%d' % number).hexdigest())}\n".encode()
        data = text(line(sha))
        yield f"M 100644 inline {file_name(sha)}\ndata {len(data)}\n".encode() + data

    fast_import(repository, stream())
    (note,) = history(repository, BRANCH).notes([sha], LARGEST_NOTE_BYTES)
    assert note.data == text(line(sha))


GARBAGE = {
    "lines": b"damaged\n" * 40_000,
    "tiny lines": b"x\n" * (LARGEST_NOTE_BYTES // 2),
    "no line end": b"[" * LARGEST_NOTE_BYTES,
    "cut lines": (line("a" * 40).text()[:-9] + b"\n") * 28_000,
    "lines of another commit": text(line("a" * 40)) * 28_000,
}


def fill(repository: Repository) -> None:
    """Fill a branch with files about its commits: one that is too large, and others of each kind, up to the limit."""
    newest, *others = shas(repository)
    size = 64 << 20

    def stream() -> Iterator[bytes]:
        for mark, garbage in enumerate(GARBAGE.values(), start=1):
            yield f"blob\nmark :{mark}\ndata {len(garbage)}\n".encode() + garbage + b"\n"
        yield f"blob\nmark :8\ndata {size}\n".encode()
        yield bytes(size)
        yield b"\n" + BEGIN
        for number, sha in enumerate(others):
            mark = len(GARBAGE) if number < 3 else number % (len(GARBAGE) - 1) + 1  # the last kind takes longest
            yield f"M 100644 :{mark} {file_name(sha)}\n".encode()
        yield f"M 100644 :8 {file_name(newest)}\n".encode()

    fast_import(repository, stream())


READ = """\
import re, sys
from membudget.cli.main import main
code = main(["history", "list", "--history", "branch:memory", "--no-fetch", "--last", "500"])
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
sys.exit(code)
"""
"""Its own mark: `ru_maxrss` has that of the process that started it, which ran tests before."""


def test_half_a_gigabyte_of_garbage_is_named_and_skipped_in_little_memory(repository: Repository) -> None:
    for number in range(100):
        repository.git("commit", "--quiet", "--allow-empty", "--message", str(number))
    fill(repository)
    commits = main_commits(GitRepository(repository.folder), "HEAD")
    store = history(repository, BRANCH)
    listed = repository.git("ls-tree", "-r", "-l", "memory").splitlines()
    assert sum(int(one.split()[3]) for one in listed) >= 1 << 29

    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=repository.folder, capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200, "MiB"
    assert "the lines of" in done.stderr
    assert "are too large" in done.stderr
    assert "lines are damaged" in done.stderr
    assert "lines are about another commit" in done.stderr
    assert "Traceback" not in done.stderr

    creep = {KEY: Creep("v1", Tolerance(10, 2 * MIB))}
    main = Main(commits, {"v1": SincePlace(60)})
    found = look_up(creep, main, MACHINE, lambda asked: store.notes(asked, LARGEST_NOTE_BYTES), datetime.now(UTC))
    assert found.then[KEY].state is ThenState.UNKNOWN, "a check does not pass by it"
