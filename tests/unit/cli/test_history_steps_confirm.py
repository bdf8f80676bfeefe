"""`membudget history steps --confirm` on a machine that is made up: what is measured, kept and written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.build.revision import Commit
from membudget.check.check import CheckRequest
from membudget.check.step_pair import ComparedCommits, MetricGrowth
from membudget.cli import history_steps
from membudget.cli.main import main
from membudget.core.errors import EngineLost, EnvironmentFault, ExitCode
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.step_line import StepLine
from membudget.publish.steps_file import read_steps
from membudget.report.report import RevisionReport
from membudget.report.steps_report import StepsReport
from tests.support.history import MACHINE, line, text
from tests.support.proven_steps import comparison
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n[images.calm]\n'
COUNT, CULPRIT = 12, 6
pytestmark = pytest.mark.thorough


@dataclass
class Machine:
    """From CULPRIT on, api needs 8 MiB more, and calm never does. The history says both did."""

    shas: list[str]
    compared: list[tuple[str, int, int]] = field(default_factory=list)
    lasts_s: float = 0.0
    """How long each comparison seems to take."""
    fails_at: int | None = None
    """The comparison in which the engine is lost."""
    cannot_run: str | None = None
    """An image whose service cannot be pulled."""

    def run(self, request: CheckRequest, _: Metric, tolerated: int) -> ComparedCommits:
        (name,) = request.rules.images
        assert isinstance(request.base, Commit)
        base, head = (self.shas.index(one.sha) for one in (request.base, request.head))
        self.compared.append((name, base, head))
        if len(self.compared) == self.fails_at:
            raise EngineLost("the engine is gone")
        if name == self.cannot_run:
            raise EnvironmentFault("cannot pull postgres:99")
        has_grown = name == "api" and base < CULPRIT <= head
        assert tolerated < 8 * MIB
        made = comparison()
        revisions = {
            "base": RevisionReport(sha=request.base.sha, subject=""),
            "head": RevisionReport(sha=request.head.sha, subject=""),
        }
        made = made.model_copy(update={"comparison": made.comparison.model_copy(update=revisions)})
        return ComparedCommits(MetricGrowth.GREW if has_grown else MetricGrowth.STEADY, made.judged())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    repository = Repository.new(tmp_path / "repository")
    files = {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"}
    made = Machine([repository.commit(f"Commit {number}", files) for number in range(COUNT)])
    lines = {
        sha: text(*(line(sha, (48 if number >= at else 40) + number / 50, image=name) for name, at in PLACES.items()))
        for number, sha in enumerate(made.shas)
    }
    GitHistory(GitRepository(repository.folder), DEFAULT_PLACE).append(lines)

    @contextmanager
    def engine() -> Iterator[SimpleNamespace]:
        platform, cgroup, cpus = MACHINE.split()
        yield SimpleNamespace(
            info=SimpleNamespace(platform=platform, cgroup_version=int(cgroup[-1]), cpus=int(cpus.split("-")[0]))
        )

    def timed(clock: history_steps._Clock, compare: object) -> ComparedCommits:
        clock._begun -= made.lasts_s
        clock._longest_s = made.lasts_s
        assert callable(compare)
        found = compare()
        assert isinstance(found, ComparedCommits)
        return found

    monkeypatch.setattr(history_steps, "connected_engine", engine)
    monkeypatch.setattr(history_steps._Comparing, "run", lambda _, *given: made.run(*given))
    monkeypatch.setattr(history_steps._Clock, "timed", timed)
    monkeypatch.chdir(repository.folder)
    return made


PLACES = {"api": CULPRIT, "calm": 5}


def confirm(*arguments: str) -> int:
    return main(["history", "steps", "--confirm", *arguments])


def written(tmp_path: Path, *arguments: str) -> StepsReport:
    """What one run writes."""
    path = tmp_path / "steps.json"
    assert confirm("--output", str(path), *arguments) == ExitCode.WITHIN_BUDGET
    return read_steps(path)


def outcomes(found: StepsReport) -> list[tuple[str, str]]:
    return sorted((one.image, one.outcome.value) for one in found.steps)


def kept(machine: Machine) -> set[tuple[str, str]]:
    """What the history has of searches."""
    store = GitHistory(GitRepository(Path.cwd()), DEFAULT_PLACE)
    lines = [one for note in store.notes(machine.shas, 1 << 20) for one in (note.data or b"").splitlines()]
    found = [StepLine.model_validate_json(one, strict=True) for one in lines if b'"kind":"step"' in one]
    return {(one.image, one.outcome.value) for one in found}


def test_a_step_is_confirmed_at_its_commit_and_noise_is_not(machine: Machine, tmp_path: Path) -> None:
    found = written(tmp_path)
    assert outcomes(found) == [("api", "confirmed"), ("calm", "not-confirmed")]
    (api,) = [one for one in found.steps if one.image == "api"]
    assert (api.since, api.until) == (machine.shas[CULPRIT - 1], machine.shas[CULPRIT])
    assert api.report is not None
    assert (found.machine, found.left) == (MACHINE, 0)
    assert kept(machine) == {("api", "narrowed"), ("calm", "not-confirmed")}, "api is not told yet"


def test_the_next_night_measures_nothing_again(machine: Machine, tmp_path: Path) -> None:
    confirm()
    machine.compared.clear()
    assert written(tmp_path).steps == ()
    assert machine.compared == []
    assert outcomes(written(tmp_path, "--again", "calm")) == [("calm", "not-confirmed")]
    assert len(machine.compared) == 1


def test_nights_with_little_time_end_together_where_one_long_night_ends(machine: Machine, tmp_path: Path) -> None:
    machine.lasts_s = 100
    found: list[tuple[str, str]] = []
    for _ in range(10):
        found += outcomes(written(tmp_path, "--time-budget", "150s"))
        assert main(["history", "steps", "--tell", "nothing", "--from", str(tmp_path / "steps.json")]) == 0
        if len(machine.compared) >= 20 or (("api", "confirmed") in found and ("calm", "not-confirmed") in found):
            break
    assert {("api", "confirmed"), ("api", "narrowed"), ("calm", "not-confirmed")} == set(found)


def test_what_was_found_before_the_engine_is_lost_is_kept_and_written(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails_at = 5
    path = tmp_path / "steps.json"
    assert confirm("--output", str(path)) == ExitCode.UNMEASURED
    assert "the engine is gone" in capsys.readouterr().err
    found = read_steps(path)
    assert len(found.steps) == 1
    assert found.left == 1
    assert (len(kept(machine)), {image for image, _ in kept(machine)}) == (1, {found.steps[0].image})


@pytest.mark.parametrize(("broken", "other"), [("api", "calm"), ("calm", "api")])
def test_a_machine_that_cannot_run_one_image_measures_the_others(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str, other: str
) -> None:
    machine.cannot_run = broken
    path = tmp_path / "steps.json"
    assert confirm("--output", str(path)) == ExitCode.UNMEASURED
    said = capsys.readouterr().err
    assert f"the steps of {broken} are left for the next run: cannot pull postgres:99" in said
    assert f"steps of {broken} could not be measured here" in said
    assert [one.image for one in read_steps(path).steps] == [other]
    assert {image for image, _ in kept(machine)} == {other}


def test_an_image_that_is_no_longer_there_is_skipped(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("budgets.toml").write_text(BUDGETS.replace("[images.api]\n", ""))
    assert outcomes(written(tmp_path)) == [("calm", "not-confirmed")]
    assert "api is not in today's budgets file" in capsys.readouterr().err


def test_a_forged_outcome_is_not_told_as_a_fact(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who writes to the history can only keep membudget from measuring."""
    forged = StepLine(
        image="api", metric=Metric.PEAK_RSS, commit=machine.shas[7], since=machine.shas[6], outcome="confirmed",
        time="2026-11-27T00:00:00Z", machine=MACHINE, membudget="0",
    )  # fmt: skip
    GitHistory(GitRepository(Path.cwd()), DEFAULT_PLACE).append({forged.commit: forged.text() + b"\n"})
    found = written(tmp_path)
    assert [one.image for one in found.steps] == ["calm"]
    assert "grew" not in capsys.readouterr().out
    again = written(tmp_path, "--again", "api")
    assert [(one.since, one.until) for one in again.steps] == [(machine.shas[CULPRIT - 1], machine.shas[CULPRIT])]
