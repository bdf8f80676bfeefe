"""Events with and without the label: what was approved counts, and nothing that came after it."""

from functools import partial
from pathlib import Path

import pytest

from membudget.core.errors import ExitCode
from tests.attacks.case import LABEL, Case, Checked, Event, PullRequest, honest
from tests.attacks.case import attack as any_attack
from tests.attacks.changes import LARGER, Change, edit, holding, image, more, write
from tests.attacks.expected import GONE, Approved, Loosened, Refused
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

LOOSER = edit('"40MiB"', '"100MiB"')
API = image("api")
JOBS = (more(image("jobs")), write({"jobs/Dockerfile": holding(21)}))
MISSING = Loosened("api", GONE, approval=("missing",))
STALE = Loosened("api", GONE, approval=("stale",))
WITH_LABEL = (LABEL,)

attack = partial(any_attack, base=JOBS, breaking=(LARGER, edit(API, "")))
"""The image that grew is removed: nothing has to be built, and nothing run, to see that."""

NOT_APPROVED = [
    attack("opened without it", MISSING, event=Event("opened")),
    attack("pushed without it", MISSING),
    attack("from a fork", MISSING, event=Event("opened", is_fork=True)),
    attack("another label", MISSING, event=Event("labeled", ("bug",), "bug")),
    attack("a label in capitals", MISSING, event=Event("labeled", (LABEL.upper(),), LABEL.upper())),
    attack("a label with a blank", MISSING, event=Event("labeled", (f"{LABEL} ",), f"{LABEL} ")),
    attack("a label that looks alike", MISSING, event=Event("labeled", ("memory-budget-\u0430pproved",))),
    attack("taken away", MISSING, event=Event("unlabeled", (), LABEL)),
    attack("a review", MISSING, event=Event("submitted", name="pull_request_review")),
    attack("the base branch's own event", MISSING, event=Event("synchronize", name="pull_request_target")),
    attack("pushed after it", STALE, event=Event("synchronize", WITH_LABEL)),
    attack("pushed from a fork after it", STALE, event=Event("synchronize", WITH_LABEL, is_fork=True)),
    attack("base branch changed after it", STALE, event=Event("edited", WITH_LABEL)),
    attack("opened anew after it", STALE, event=Event("reopened", WITH_LABEL)),
    attack("another label after it", STALE, event=Event("labeled", (LABEL, "bug"), "bug")),
    attack("another label taken away after it", STALE, event=Event("unlabeled", WITH_LABEL, "bug")),
    attack("made ready after it", STALE, event=Event("ready_for_review", WITH_LABEL)),
    attack("reviewed after it", STALE, event=Event("submitted", WITH_LABEL, name="pull_request_review")),
    attack("an event that says not what happened", STALE, event=Event(None, WITH_LABEL)),
    attack("a pull request whose event nobody has", Refused(("GITHUB_EVENT_PATH",)), environ={"GITHUB_EVENT_PATH": ""}),
    attack(
        "a pull request whose event is not there",
        Refused(("event",)),
        environ={"GITHUB_EVENT_PATH": "/nowhere/event.json"},
    ),
]

APPROVED = [
    honest("labelled", Approved("api", "peak_rss.max"), LARGER, LOOSER, event=Event("labeled", WITH_LABEL, LABEL)),
    honest("opened with it", Approved("api", "peak_rss.max"), LARGER, LOOSER, event=Event("opened", WITH_LABEL)),
]


@pytest.mark.parametrize("case", NOT_APPROVED, ids=lambda case: case.name)
def test_without_a_fresh_label_nothing_is_approved(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


@pytest.mark.parametrize("case", APPROVED, ids=lambda case: case.name)
def test_with_a_fresh_label_what_the_head_says_counts(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)


def test_a_push_that_loosens_more_is_not_approved(images: PreparedImages, tmp_path: Path) -> None:
    opened = PullRequest.open(tmp_path, (), (write({"api/Dockerfile": holding(50)}), edit('"40MiB"', '"60MiB"')))
    labelled = opened.check(event=Event("labeled", WITH_LABEL, LABEL), report="labelled")
    Approved("api", "peak_rss.max").verify(labelled)
    opened.push(LARGER, edit('"60MiB"', '"100MiB"'))
    Loosened("api", "peak_rss.max", approval=("stale",)).verify(opened.check(event=Event("synchronize", WITH_LABEL)))


def test_approval_of_one_thing_is_none_of_growth(images: PreparedImages, tmp_path: Path) -> None:
    """What the head's own budgets forbid fails with the label, too."""
    opened = PullRequest.open(tmp_path, (), (LARGER, edit('"40MiB"', '"60MiB"')))
    checked = opened.check(event=Event("labeled", WITH_LABEL, LABEL))
    assert checked.finished.exit_code == ExitCode.OVER_BUDGET, checked.told
    assert "over budget" in checked.finished.stdout


def test_an_event_of_a_pull_request_without_one_is_refused(images: PreparedImages, tmp_path: Path) -> None:
    opened = PullRequest.open(tmp_path, (), (LARGER, LOOSER))
    emptied = tmp_path / "empty.json"
    emptied.write_text("{}")
    checked = opened.check(environ={"GITHUB_EVENT_PATH": str(emptied)})
    Refused(("event",)).verify(checked)


def on_trunk(repository: Repository) -> None:
    """No branch here has a name that is guessed as the default one."""
    repository.git("symbolic-ref", "HEAD", "refs/heads/trunk")


def test_a_base_that_is_not_in_the_clone_is_not_guessed(images: PreparedImages, tmp_path: Path) -> None:
    """The commit before is the pull request's own: it was loosened there, and nothing since."""
    opened = PullRequest.open(tmp_path, (on_trunk,), (LARGER, LOOSER))
    opened.push(write({"README.md": "x\n"}))
    checked = opened.check(event=Event(base="d" * 40))
    Refused(("base",)).verify(checked)


def test_a_loosening_in_two_steps_is_seen_as_one(images: PreparedImages, tmp_path: Path) -> None:
    half: Change = edit('"40MiB"', '"70MiB"')
    opened = PullRequest.open(tmp_path, (), (half,))
    opened.push(LARGER, edit('"70MiB"', '"100MiB"'))
    Loosened("api", "peak_rss.max").verify(opened.check())
