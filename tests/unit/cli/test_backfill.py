"""Which earlier commits are measured. tests/integration/test_history.py measures some."""

from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets import guard
from membudget.budgets.entries import Budgets
from membudget.budgets.loosening import Approval
from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.build.revision import Commit, MainCommit, NoBase
from membudget.check.check import CheckRequest
from membudget.cli.backfill import _chosen, _unmeasured, _wanted, of_commit, with_figures_alone
from membudget.core.errors import ConfigurationError
from membudget.core.metrics import HEADLINES, Metric
from membudget.history.line import HistoryLine
from membudget.history.series import SeriesKey
from tests.support.history import MACHINE, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Seven commits. The second has the tag v1."""
    made = Repository.new(tmp_path / "repository")
    for number in range(7):
        made.commit(str(number))
        if number == 1:
            made.git("tag", "v1")
    return made


@pytest.mark.parametrize(
    ("since", "every", "chosen"),
    [("v1", 1, "123456"), ("v1", 2, "246"), ("v1", 5, "16"), ("HEAD", 3, "6"), ("HEAD~2", 10, "6")],
)
def test_every_nth_commit_since_then_is_measured_with_the_newest(
    repository: Repository, since: str, every: int, chosen: str
) -> None:
    found = _chosen(GitRepository(repository.folder), since, every)
    assert "".join(commit.subject for commit in found) == chosen


def test_a_revision_that_is_not_there_is_named(repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="v9 is not a commit"):
        _chosen(GitRepository(repository.folder), "v9", 1)


def unmeasured(repository: Repository, *lines: HistoryLine, wanted: set[SeriesKey]) -> dict[str, set[str]]:
    """The images that are measured, by the subject of the commit, if the history of the last three has these lines."""
    git = GitRepository(repository.folder)
    store = GitHistory(git, DEFAULT_PLACE)
    for one in lines:
        store.append({one.commit: text(one)})
    found = _unmeasured(_chosen(git, "HEAD~2", 1), store, MACHINE, wanted)
    return {commit.subject: images for commit, images in found.items()}


def test_commits_that_such_a_machine_has_measured_are_skipped(repository: Repository) -> None:
    four, five = (repository.git("rev-parse", f"HEAD~{back}") for back in (2, 1))
    other = line(four).model_copy(update={"machine": "another"})
    found = unmeasured(repository, other, line(five), wanted={("api", Metric.PEAK_RSS)})
    assert found == {"4": {"api"}, "6": {"api"}}


def test_an_image_and_a_metric_without_a_figure_is_measured(repository: Repository) -> None:
    """A creep budget for one of them would never find what it compares with."""
    four, five, six = (repository.git("rev-parse", f"HEAD~{back}") for back in (2, 1, 0))
    size = line(six, metric=Metric.IMAGE_SIZE).model_copy(update={"machine": "another"})
    wanted = {(name, metric) for name in ("api", "web") for metric in (Metric.IMAGE_SIZE, Metric.PEAK_RSS)}
    of_four = [line(four, image=name, metric=metric) for name, metric in wanted]
    of_six = [size, line(six), line(six, image="web")]
    found = unmeasured(repository, *of_four, line(five), *of_six, wanted=wanted)
    assert found == {"5": {"api", "web"}, "6": {"web"}}


FILE = """\
version = 1
[images.api]
limit = "64MiB"
budgets.peak_rss = { max = "60MiB" }
budgets.live_heap = { creep = { since = "v1", percent = 10, floor = "1MiB" } }
[images.web]
limit = "64MiB"
"""


def request() -> CheckRequest:
    rules = guard.rules(budgets_file.parse_budgets(FILE, "budgets.toml"), Budgets(), Approval.NOT_ASKED)
    return CheckRequest(Commit("a" * 40, ""), NoBase("none"), rules, {}, profiles=True)


def test_what_creep_budgets_compare_with_is_measured() -> None:
    headlines = {(name, metric) for name in ("api", "web") for metric in HEADLINES}
    assert _wanted(request()) == headlines | {("api", Metric.LIVE_HEAP)}


def test_trials_of_which_nothing_is_kept_are_not_run() -> None:
    found = with_figures_alone(request())
    assert not found.profiles
    assert not any(one.spec.profile for one in found.rules.images.values())
    assert not found.rules.runtime_rules.switched_on
    assert not found.rules.memory_rules.switched_on
    assert found.rules.images["api"].asks_live_heap, "this is kept"


def test_only_the_images_that_lack_a_figure_are_measured() -> None:
    found = of_commit(request(), MainCommit("b" * 40, 0, "a subject"), {"web"})
    assert (found.head, set(found.rules.images)) == (Commit("b" * 40, "a subject"), {"web"})
