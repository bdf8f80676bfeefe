"""`membudget backfill --stale`: what is measured and kept. tests/integration/test_history.py measures on an engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from membudget.build.git import GitRepository
from membudget.build.history_place import DEFAULT_PLACE
from membudget.check.check import CheckRequest
from membudget.cli import stale
from membudget.cli.action import ActionInputs
from membudget.cli.backfill import Reuse
from membudget.cli.history_store import HistorySource, store_of
from membudget.cli.main import main
from membudget.core.errors import ConfigurationError, ExitCode
from membudget.history.line import HistoryLine, SkippedLines, read_lines
from membudget.report.report import Report, RevisionReport
from tests.support.builders import image, report, side, trial
from tests.support.history import MACHINE, clone, line, text
from tests.support.repository import Repository

IMAGES = ("api", "db", "web")
BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n' + "".join(f"[images.{name}]\n" for name in IMAGES)


@dataclass
class Machine:
    """A machine on which every image takes a minute. `broken` ones do not run."""

    measured: list[str]
    broken: str = ""

    def check(self, request: CheckRequest, *_: object) -> Report:
        names = list(request.rules.images)
        self.measured += names
        sides = {name: side(trial(None if name == self.broken else 40)) for name in names}
        made = report(*(replace(image(name, base=None, head=one), took_ms=60_000) for name, one in sides.items()))
        head = RevisionReport(sha=request.head.sha, subject="subject")
        return made.model_copy(update={"comparison": made.comparison.model_copy(update={"head": head})})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine([])

    @contextmanager
    def engine() -> Iterator[SimpleNamespace]:
        platform, cgroup, cpus = MACHINE.split()
        info = SimpleNamespace(platform=platform, cgroup_version=int(cgroup[-1]), cpus=int(cpus.split("-")[0]))
        yield SimpleNamespace(info=info)

    @contextmanager
    def tools(*given: object) -> Iterator[SimpleNamespace]:
        assert given[-1] is Reuse.NOTHING, "a remembered trial is no new figure"
        yield SimpleNamespace(jobs=1)

    monkeypatch.setattr(stale, "connected_engine", engine)
    monkeypatch.setattr(stale, "commit_tools", tools)
    monkeypatch.setattr(stale, "measured", made.check)
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    return made


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository.new(tmp_path / "repository")
    made.commit("images", {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(made.folder)
    return made


def keep(repository: Repository, **days_ago: float) -> None:
    """Keep figures of so many days ago, each of which took a minute."""
    head, now = repository.git("rev-parse", "HEAD"), datetime.now(UTC)
    lines = [
        line(head, image=name).model_copy(update={"time": now - timedelta(days=days), "took_ms": 60_000})
        for name, days in days_ago.items()
    ]
    store_of(GitRepository(repository.folder), DEFAULT_PLACE, HistorySource().token).append({head: text(*lines)})


def kept(repository: Repository) -> list[HistoryLine]:
    """The lines of images that were measured again."""
    head = repository.git("rev-parse", "HEAD")
    (note,) = store_of(GitRepository(repository.folder), DEFAULT_PLACE, HistorySource().token).notes([head], 10**6)
    assert note.data is not None
    return [one for one in read_lines(head, note.data, datetime.now(UTC), SkippedLines()) if one.refresh]


def test_images_whose_figures_are_old_are_measured_oldest_first(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(repository, api=9, web=30, db=2)
    assert main(["backfill", "--stale", "7d", "--time-budget", "1h"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["web", "api"]
    assert {one.image for one in kept(repository)} == {"web", "api"}
    assert "2 of 2 stale images were measured" in capsys.readouterr().out


def test_what_does_not_fit_into_the_time_is_left_for_the_next_run(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(repository, api=9, web=30, db=20)
    assert main(["backfill", "--stale", "7d", "--time-budget", "30s"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["web"], "the first one is always measured"
    assert "1 of 3 stale images were measured\nleft for the next run: db, api\n" in capsys.readouterr().out
    main(["backfill", "--stale", "7d", "--time-budget", "30s"])
    assert machine.measured == ["web", "db"]


def test_an_image_that_does_not_run_is_told_and_stops_no_other(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.broken = "web"
    keep(repository, api=9, web=30, db=2)
    assert main(["backfill", "--stale", "7d"]) is ExitCode.WITHIN_BUDGET
    said = capsys.readouterr()
    assert "web has no new figures: it does not build or does not run" in said.err
    assert "1 of 2 stale images were measured" in said.out


def test_a_shallow_clone_is_refused(
    repository: Repository, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image would look as if it had never been measured."""
    repository.commit("another", {"file": "x"})
    monkeypatch.chdir(clone(f"file://{repository.folder}", tmp_path / "shallow", "--depth=1").folder)
    assert main(["backfill", "--stale", "7d"]) is ExitCode.CONFIGURATION
    assert machine.measured == []


def test_the_action_measures_stale_images_and_pushes_their_figures(
    repository: Repository, machine: Machine, tmp_path: Path
) -> None:
    repository.git("init", "--quiet", "--bare", str(tmp_path / "origin.git"))
    repository.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    repository.git("push", "--quiet", "origin", "HEAD:main")
    inputs = ActionInputs(command="backfill", stale="7d", time_budget="1h", images="api db")
    assert stale.refresh_in_step(inputs) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["api", "db"]
    assert repository.git("ls-remote", "origin", "refs/notes/membudget")


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (ActionInputs(command="backfill"), "stale: write after how many days"),
        (ActionInputs(command="backfill", stale="soon"), "an input of the action is invalid"),
        (ActionInputs(command="backfill", stale="7d", time_budget="1"), "an input of the action is invalid"),
    ],
)
def test_wrong_inputs_are_refused(inputs: ActionInputs, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        stale.refresh_in_step(inputs)
