"""`membudget backfill --stale`: what is measured and kept. tests/integration/test_history.py measures on an engine."""

from collections.abc import Iterator, Mapping
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
from membudget.cli.arguments import make_parser
from membudget.cli.backfill import Reuse
from membudget.cli.history_store import HistorySource, HistoryStore, store_of
from membudget.cli.history_store import keep as keep_lines
from membudget.cli.main import main
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.history.line import HistoryLine, SkippedLines, read_lines
from membudget.judge.measurement import Failure, FailureStage
from membudget.report.report import Report, RevisionReport
from tests.support.builders import image, report, side, trial
from tests.support.history import MACHINE, clone, line, text
from tests.support.repository import Repository

IMAGES = ("api", "db", "web")
BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n' + "".join(f"[images.{name}]\n" for name in IMAGES)


@dataclass
class Machine:
    """A machine on which every image takes a minute. `broken` does not run, and `unbuildable` does not build."""

    measured: list[str]
    broken: str = ""
    unbuildable: str = ""

    def check(self, request: CheckRequest, *_: object) -> Report:
        names = list(request.rules.images)
        self.measured += names
        sides = {name: side(trial(None if name == self.broken else 40)) for name in names}
        if self.unbuildable in sides:
            sides[self.unbuildable] = side(size=None, failure=Failure(FailureStage.BUILD, "exit code 1"))
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


@pytest.mark.thorough
def test_images_whose_figures_are_old_are_measured_oldest_first(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(repository, api=9, web=30, db=2)
    assert main(["backfill", "--stale", "7d", "--time-budget", "1h"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["web", "api"]
    assert {one.image for one in kept(repository)} == {"web", "api"}
    assert "2 of 2 stale images were measured" in capsys.readouterr().out


@pytest.mark.thorough
def test_what_does_not_fit_into_the_time_is_left_for_the_next_run(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(repository, api=9, web=30, db=20)
    assert main(["backfill", "--stale", "7d", "--time-budget", "30s"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["web"], "the first one is always measured"
    assert "1 of 3 stale images were measured\nleft for the next run: db, api\n" in capsys.readouterr().out
    main(["backfill", "--stale", "7d", "--time-budget", "30s"])
    assert machine.measured == ["web", "db"]


@pytest.mark.thorough
def test_an_image_that_does_not_run_is_told_and_stops_no_other(
    repository: Repository, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.broken = "web"
    keep(repository, api=9, web=30, db=2)
    assert main(["backfill", "--stale", "7d"]) is ExitCode.WITHIN_BUDGET
    said = capsys.readouterr()
    assert "web has no new figures: it does not build or does not run" in said.err
    assert "1 of 2 stale images were measured" in said.out


@pytest.mark.thorough
def test_an_image_that_does_not_run_leaves_the_next_night_to_the_others(
    repository: Repository, machine: Machine
) -> None:
    machine.broken = "web"
    keep(repository, api=9, db=20)
    for _ in range(3):
        assert main(["backfill", "--stale", "7d", "--time-budget", "1ms"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["web", "db", "api"]
    main(["backfill", "--stale", "7d", "--time-budget", "1ms"])
    assert machine.measured[3:] == ["web"], "it is tried again"


@pytest.mark.thorough
def test_an_image_that_does_not_build_ends_no_first_night(repository: Repository, machine: Machine) -> None:
    """Nothing is known yet of how long images take."""
    machine.unbuildable = "api"
    assert main(["backfill", "--stale", "7d", "--time-budget", "1h"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == ["api", "db", "web"]


@pytest.mark.thorough
@pytest.mark.parametrize("mode", [["--stale", "7d"], ["--since", "HEAD"]])
@pytest.mark.parametrize("place", ["notes", "folder:memory"])
def test_what_cannot_be_pushed_is_said_before_anything_is_measured(
    repository: Repository, machine: Machine, mode: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backfill", *mode, "--history", place, "--push"]) is ExitCode.CONFIGURATION
    assert machine.measured == []
    assert "push" in capsys.readouterr().err


@pytest.fixture
def origin(repository: Repository, tmp_path: Path) -> Path:
    """The remote of the repository."""
    folder = tmp_path / "origin.git"
    repository.git("init", "--quiet", "--bare", str(folder))
    repository.git("remote", "add", "origin", str(folder))
    repository.git("push", "--quiet", "origin", "HEAD:main")
    return folder


@dataclass
class Refusing:
    """A remote that refuses the first pushes."""

    refused: int

    def push(self, store: HistoryStore, lines: Mapping[str, bytes], *, pushes: bool) -> None:
        self.refused -= 1
        if self.refused >= 0:
            raise EnvironmentFault("the remote does not answer")
        keep_lines(store, lines, pushes=pushes)


@pytest.mark.thorough
def test_a_push_that_fails_ends_no_night_and_loses_no_round(
    repository: Repository, machine: Machine, origin: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(stale, "keep", Refusing(2).push)
    assert main(["backfill", "--stale", "7d", "--push"]) is ExitCode.WITHIN_BUDGET
    assert machine.measured == list(IMAGES)
    assert "pushed later: the remote does not answer" in capsys.readouterr().err
    pushed = Repository(origin).git("show", "refs/notes/membudget:" + repository.git("rev-parse", "HEAD"))
    assert all(f'"image":"{name}"' in pushed for name in IMAGES)


@pytest.mark.thorough
def test_if_nothing_can_be_pushed_the_clone_has_the_figures_and_the_run_fails(
    repository: Repository, machine: Machine, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "keep", Refusing(99).push)
    assert main(["backfill", "--stale", "7d", "--push"]) is ExitCode.UNMEASURED
    assert {one.image for one in kept(repository)} == set(IMAGES)


@pytest.mark.thorough
def test_a_shallow_clone_is_refused(
    repository: Repository, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image would look as if it had never been measured."""
    repository.commit("another", {"file": "x"})
    monkeypatch.chdir(clone(f"file://{repository.folder}", tmp_path / "shallow", "--depth=1").folder)
    assert main(["backfill", "--stale", "7d"]) is ExitCode.CONFIGURATION
    assert machine.measured == []


@pytest.mark.thorough
def test_the_action_measures_stale_images_and_pushes_their_figures(
    repository: Repository, machine: Machine, origin: Path
) -> None:
    inputs = ActionInputs(command="backfill", stale="7d", time_budget="1h", images="api db")
    assert stale.refresh_in_step(inputs, make_parser().parse_args) is ExitCode.WITHIN_BUDGET
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
        stale.refresh_in_step(inputs, make_parser().parse_args)
