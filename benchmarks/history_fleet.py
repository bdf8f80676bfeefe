"""How long the history of a fleet takes to read and to judge: 500 images × 2,000 commits, ten images of them creeping.

Run with `make bench-history-fleet`. IMAGES=50 COMMITS=500 change the numbers.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from membudget.budgets.rules import Creep, Tolerance
from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.git_main import main_commits
from membudget.build.history_place import DEFAULT_PLACE, Note
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.history.creep import Main, SincePlace, look_up
from membudget.history.line import LARGEST_NOTE_BYTES, SkippedLines
from membudget.history.recent import MOST_COMMITS_BACK, recent_values
from membudget.history.series import points_of
from membudget.judge.creep import creep_row
from membudget.judge.evidence import Samples
from membudget.judge.metric import Verdict
from tests.support.history import MACHINE, line, text
from tests.support.repository import Repository

_CREEPING = 10


def main() -> int:
    """Make the history, then read and judge it."""
    images, commits = int(os.environ.get("IMAGES", "500")), int(os.environ.get("COMMITS", "2000"))
    folder = Path(tempfile.mkdtemp(prefix="membudget-history-fleet-"))
    try:
        repository = _made(folder / "repository", images, commits)
        shown = _in_process_of_its_own(lambda: _last_values(repository, images))
        judged = _in_process_of_its_own(lambda: _judge(repository, images))
        listed = _in_process_of_its_own(lambda: _read_all(repository))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{images} images × {commits} commits:")
    print(f"find the last values of every image for the comment: {shown}")
    print(f"judge creep of every image since the first commit: {judged}")
    print(f"read every line: {listed}")
    return 0


def _made(folder: Path, images: int, commits: int) -> Path:
    """Make a repository with notes. In every third commit, the first images grow."""
    repository = Repository.new(folder)
    stream = b"".join(
        b"commit refs/heads/main\nmark :%d\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (number, 1_700_000_000 + number)
        for number in range(1, commits + 1)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)
    store = GitHistory(GitRepository(folder), DEFAULT_PLACE)
    shas = repository.git("rev-list", "--reverse", "main").split()
    for begin in range(0, commits, 250):
        chunk = enumerate(shas[begin : begin + 250], start=begin)
        store.append({sha: b"".join(_lines(sha, number, images)) for number, sha in chunk})
    repository.git("gc", "--quiet")
    return folder


def _lines(sha: str, number: int, images: int) -> Iterator[bytes]:
    for image in range(images):
        grown = number / 100 if image < _CREEPING else (number * 7 + image) % 11 / 100
        yield text(line(sha, 40 + grown, image=f"image-{image}"))


def _reader(folder: Path) -> tuple[GitRepository, Callable[[Sequence[str]], Iterator[Note]]]:
    repository = GitRepository(folder)
    store = GitHistory(repository, DEFAULT_PLACE)
    return repository, lambda shas: store.notes(shas, LARGEST_NOTE_BYTES)


def _last_values(folder: Path, images: int) -> str:
    repository, read = _reader(folder)
    commits = main_commits(repository, "main", MOST_COMMITS_BACK)
    names = [f"image-{image}" for image in range(images)]
    found = recent_values(names, commits, MACHINE, read, datetime.now(UTC))
    return f"{sum(map(len, found.values()))} values of {len(found)} images"


def _judge(folder: Path, images: int) -> str:
    repository, read = _reader(folder)
    commits = main_commits(repository, "main")
    creep = Creep("v1", Tolerance(10, 2 * MIB))
    wanted = {(f"image-{image}", Metric.PEAK_RSS): creep for image in range(images)}
    found = look_up(wanted, Main(commits, {"v1": SincePlace(len(commits) - 1)}), MACHINE, read, datetime.now(UTC))
    verdicts = []
    for (image, metric), then in found.then.items():
        mib = 40 + (len(commits) / 100 if int(image.removeprefix("image-")) < _CREEPING else 0)
        head = tuple(round(mib * MIB) + 4096 * number for number in range(10))
        verdicts.append(creep_row(metric, MetricValue.of(metric, head[5]), Samples(head=head), creep, then).verdict)
    named = sum(bool(then.added) for then in found.then.values())
    return f"{verdicts.count(Verdict.FAIL)} fail, {verdicts.count(Verdict.PASS)} pass, commits named for {named}"


def _read_all(folder: Path) -> str:
    repository, read = _reader(folder)
    commits = main_commits(repository, "main")
    skipped = SkippedLines()
    points = points_of(commits, read([commit.sha for commit in commits]), datetime.now(UTC), skipped)
    return f"{sum(1 for _ in points)} lines, {len(skipped.all())} kinds of fault"


def _in_process_of_its_own(work: Callable[[], str]) -> str:
    """Return what `work` found, how long it took, and its largest memory."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        begun, cpu = time.monotonic(), time.process_time()
        found = work()
        took_s, cpu_s = time.monotonic() - begun, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(into, f"{found}; {took_s:.1f} s ({cpu_s:.1f} s of CPU beside git), {peak:.0f} MiB".encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as said:
        text_of_child = said.read()
    os.waitpid(child, 0)
    return text_of_child


if __name__ == "__main__":
    sys.exit(main())
