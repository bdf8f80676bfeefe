"""Whether concurrent pushes of the history lose a line: ten clones push to a git server at the same time, 100 rounds.

Run with `make bench-history-pushes`. ROUNDS=20 PUSHERS=4 change the numbers.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from tests.support.git_server import bare_repository, git_server
from tests.support.history import clone, line, text
from tests.support.repository import Repository

_MOST = 10_000_000


def main() -> int:
    """Push in rounds, and count the lines; 1 if one is missing."""
    rounds, pushers = int(os.environ.get("ROUNDS", "100")), int(os.environ.get("PUSHERS", "10"))
    folder = Path(tempfile.mkdtemp(prefix="membudget-history-pushes-"))
    try:
        origin = bare_repository(folder / "origin.git")
        first = Repository.new(folder / "first")
        sha = first.commit("first")
        first.git("push", "--quiet", str(origin), "HEAD:main")
        clones = [clone(str(origin), folder / f"clone{number}") for number in range(pushers)]
        begun, tries, pushed = time.monotonic(), 0, set[bytes]()
        with git_server(folder) as address:
            for one in clones:
                one.git("remote", "set-url", "origin", f"{address}/origin.git")
            for number in range(rounds):
                lines = [text(line(sha, 40 + number + part / 100)) for part in range(pushers)]
                tries += _push_at_once(clones, sha, lines)
                pushed.update(lines)
        found = _lines(origin, folder / "reader")
        took_s = time.monotonic() - begun
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lost = len(pushed - found)
    print(f"{rounds} rounds of {pushers} concurrent pushes in {took_s:.0f} s: {len(pushed)} lines pushed, {lost} lost,")
    print(f"{tries} pushes, {tries / (rounds * pushers):.1f} for each line that was kept")
    return 1 if lost else 0


def _push_at_once(clones: list[Repository], sha: str, lines: list[bytes]) -> int:
    """Let each clone push its line. Return how many pushes that took."""
    barrier, tries = threading.Barrier(len(clones)), list[int]()

    def push(one: Repository, data: bytes) -> None:
        store = GitHistory(GitRepository(one.folder), DEFAULT_PLACE)
        barrier.wait()
        tries.append(store.push({sha: data}))

    threads = [threading.Thread(target=push, args=pair) for pair in zip(clones, lines, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(tries)


def _lines(origin: Path, folder: Path) -> set[bytes]:
    """Return the lines that another clone gets."""
    subprocess.run(["git", "clone", "--quiet", str(origin), str(folder)], check=True)
    store = GitHistory(GitRepository(folder), DEFAULT_PLACE)
    store.fetch()
    return {one for note in store.notes(None, _MOST) for one in (note.data or b"").splitlines(keepends=True)}


if __name__ == "__main__":
    sys.exit(main())
