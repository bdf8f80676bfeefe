"""Publishing: everywhere it can, whatever becomes of the comment, and believing no verdict of the file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.lines import key_lines
from membudget.budgets.loosening import Approval, Loosening
from membudget.core.errors import ConfigurationError
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence
from membudget.judge.metric import Verdict
from membudget.judge.whole import Coverage, ExitPolicy, FailOn
from membudget.publish import publish
from membudget.publish.approval_label import approved_digest
from membudget.publish.comment import CommentMode, CommentSettings, Draft
from membudget.publish.commit_state import CommitState, StateName
from membudget.publish.publish import Destination
from membudget.publish.pull_request import LinesOfFile, NotPosted, Posted, PullRequest, WorkflowRun
from membudget.publish.server import Capabilities
from membudget.report.formats import markdown, past_runs
from membudget.report.formats.markdown import LONGEST_COMMENT
from membudget.report.report import JudgedReport, Report
from membudget.report.story import story as whole_story
from membudget.report.story_parts import Section
from tests.support.builders import budgets, image, report, side, trial
from tests.support.golden import assert_golden

PULL_REQUEST = PullRequest("octo/shop", 7)
POSTED = Posted("https://github.com/octo/shop/pull/7#issuecomment-1", created=True)


@dataclass
class Step:
    """A workflow step that keeps what it is told."""

    summaries: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    annotations: list[tuple[str, str]] = field(default_factory=list)
    places: list[LinesOfFile | None] = field(default_factory=list)

    def summary(self, markdown: str) -> None:
        self.summaries.append(markdown)

    def outputs(self, values: Mapping[str, str]) -> None:
        self.values.update(values)

    def annotate(self, title: str, message: str, place: LinesOfFile | None = None) -> None:
        self.annotations.append((title, message))
        self.places.append(place)


@dataclass
class Commenter:
    """A server that has one comment at the most, and answers the same each time."""

    answer: Posted | NotPosted = POSTED
    drafts: list[Draft] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        assert pull_request == PULL_REQUEST
        self.drafts.append(draft)
        self.bodies.append(draft.body(self.bodies[-1] if self.bodies else None))
        return self.answer


@dataclass
class Commit:
    """A commit of which something is told."""

    told: list[CommitState] = field(default_factory=list)

    def tell(self, state: CommitState) -> Posted | NotPosted:
        self.told.append(state)
        return POSTED


def published(
    of: Report,
    commenter: Commenter | None = None,
    pull_request: PullRequest | None = PULL_REQUEST,
    **more: Any,
) -> tuple[Step, Posted | NotPosted]:
    step = Step()
    settings = more.pop("settings", CommentSettings())
    destination = Destination(pull_request, commenter, settings, **more)
    return step, publish.run(of.judged(), "out/report.json", step, destination).comment


FINE = image("fine", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=50))
OVER = image("over", base=side(trial(40)), head=side(trial(60)), allowed=budgets(max_rss=50))
KILLED = image("killed", base=side(trial(40)), head=side(trial(60, oom_kills=1)), limit=64)
NOISY = image("noisy", head=side(trial(60), trial(70), trial(71)), allowed=budgets(max_rss=64))
UNBUILT = image(
    "unbuilt",
    base=side(trial(40)),
    head=side(size=None, failure=Failure(FailureStage.BUILD, "exit code 1", ("E: no",))),
)


def test_everything_is_told_everywhere() -> None:
    commenter = Commenter()
    step, outcome = published(report(FINE, OVER, KILLED, UNBUILT), commenter)
    assert outcome == POSTED
    assert step.values == {
        "verdict": "fail",
        "inconclusive": "",
        "report": "out/report.json",
        "verdict-fine": "pass",
        "verdict-over": "fail",
        "verdict-killed": "fail",
        "verdict-unbuilt": "inconclusive",
    }
    (body,) = commenter.bodies
    (summary,) = step.summaries
    assert body == f"<!-- membudget:default -->\n{summary}"
    assert summary.startswith("### ❌ membudget: 2 of 4 images over budget; `killed` is OOM-killed at 64.0 MiB; ")


def test_images_that_do_not_pass_are_annotated_with_reason_and_next_step() -> None:
    step, _ = published(report(FINE, OVER, KILLED, UNBUILT))
    assert [title for title, _ in step.annotations] == [
        "over: over budget",
        "killed: OOM-killed",
        "unbuilt: build failed",
    ]
    over, killed, unbuilt = (message for _, message in step.annotations)
    assert over.startswith("peak RSS")
    assert "10.0 MiB" in over
    assert ". Next: make it smaller" in over
    assert "1 process" in killed
    assert ". Next: " in killed
    assert "exit code 1. Next: " in unbuilt


def test_all_within_budget() -> None:
    commenter = Commenter()
    step, _ = published(report(FINE), commenter)
    assert step.values["verdict"] == "pass"
    assert step.annotations == []
    assert "### ✅ membudget: 1 image within budget" in commenter.bodies[0]


def test_the_files_own_verdict_is_not_believed() -> None:
    forged = report(OVER).model_copy(update={"verdict": Verdict.PASS})
    commenter = Commenter()
    step, _ = published(forged, commenter)
    assert (step.values["verdict"], step.values["verdict-over"]) == ("fail", "fail")
    assert "❌" in commenter.bodies[0]


def test_a_report_of_nothing_is_no_pass() -> None:
    step, _ = published(report())
    assert step.values == {"verdict": "inconclusive", "inconclusive": "not-measured", "report": "out/report.json"}


def test_another_key_is_another_marker() -> None:
    commenter = Commenter()
    published(report(FINE), commenter, settings=CommentSettings("nightly"))
    assert commenter.bodies[0].startswith("<!-- membudget:nightly -->\n")


def test_a_run_for_no_pull_request_tells_the_workflow_alone() -> None:
    commenter = Commenter()
    step, outcome = published(report(OVER), commenter, pull_request=None)
    assert outcome == NotPosted("this run is not for a pull request", is_wanted=True)
    assert commenter.bodies == []
    assert told_everything(step)


def test_without_a_token_the_rest_is_told() -> None:
    step, outcome = published(report(OVER), None)
    assert outcome == NotPosted("there is no token")
    assert told_everything(step)


def test_a_comment_that_nobody_wants_needs_no_token() -> None:
    step, outcome = published(report(OVER), None, settings=CommentSettings(mode=CommentMode.OFF))
    assert outcome == NotPosted("comments are off", is_wanted=True)
    assert told_everything(step)


def test_a_comment_that_cannot_be_posted_costs_nothing_else() -> None:
    step, outcome = published(report(OVER), Commenter(NotPosted("GitHub answered 502")))
    assert outcome == NotPosted("GitHub answered 502")
    assert told_everything(step)


@pytest.mark.thorough
def test_a_comment_is_never_longer_than_github_takes() -> None:
    commenter = Commenter()
    step, _ = published(report(*(_named(OVER, f"image{number}") for number in range(MOST_IMAGES))), commenter)
    body = commenter.bodies[0]
    assert len(body) <= LONGEST_COMMENT < 65_536
    assert "figures are left out here" in body
    assert len(step.summaries[0]) > len(body)


def told_everything(step: Step) -> bool:
    return len(step.summaries) == 1 and step.values["verdict"] == "fail" and len(step.annotations) == 1


def _named(measured: ImageMeasurement, name: str) -> ImageMeasurement:
    return image(name, base=measured.base, head=measured.head, allowed=measured.budgets)


@pytest.mark.parametrize("key", ["", "a\nb", "--> @everyone", "a--b", "-", "a b", "x" * 101])
def test_a_key_cannot_end_the_comment_that_hides_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the key of a comment"):
        CommentSettings(key)


def test_a_key_may_be_a_name_or_a_path() -> None:
    assert CommentSettings("services/api-v1.2_x").marker(None) == "<!-- membudget:services/api-v1.2_x -->"


def run_number(number: int, attempt: int = 1) -> WorkflowRun:
    head_sha = hashlib.sha256(str(number).encode()).hexdigest()[:40]
    return WorkflowRun(9_000 + number, number, attempt, head_sha)


@pytest.mark.thorough
def test_the_comment_carries_the_last_five_runs_on() -> None:
    commenter = Commenter()
    for number, measured in enumerate((OVER, FINE, KILLED, OVER, UNBUILT, FINE, OVER), start=1):
        published(report(measured), commenter, run=run_number(number), run_link=lambda run: f"https://gh/r/{run.id}")
    first, last = commenter.bodies[0], commenter.bodies[-1]
    assert "runs of this pull request" not in first
    told = last[last.index("<details><summary>The last 5 runs") :].partition("</details>")
    assert_golden("history.md", f"{told[0]}{told[1]}\n")
    assert [one.number for one in past_runs.decode(last.split("\n")[1])] == [7, 6, 5, 4, 3]


@pytest.mark.thorough
def test_a_run_that_is_told_twice_is_one_run() -> None:
    commenter = Commenter()
    for number, attempt in ((1, 1), (2, 1), (2, 1), (2, 2)):
        published(report(OVER), commenter, run=run_number(number, attempt))
    found = past_runs.decode(commenter.bodies[-1].split("\n")[1])
    assert [(one.number, one.attempt) for one in found] == [(2, 2), (2, 1), (1, 1)]


@pytest.mark.thorough
def test_the_same_again_is_not_written_again_and_something_else_is() -> None:
    commenter = Commenter()
    published(report(OVER), commenter, run=run_number(1))
    published(report(FINE), commenter, run=run_number(2))
    published(report(FINE), commenter, run=run_number(3))
    same, other = commenter.drafts[2], commenter.drafts[0]
    assert same.is_same(commenter.bodies[1])
    assert same.is_same(commenter.bodies[1].replace("\n", "\r\n").rstrip())
    assert not other.is_same(commenter.bodies[1])
    assert not same.is_same(commenter.bodies[1].replace("within budget", "within budgets"))


@pytest.mark.thorough
def test_the_longest_comment_has_room_for_its_history() -> None:
    commenter = Commenter()
    few, many = (
        report(*(_named(OVER, f"{'i' * 50}{number}") for number in range(count))) for count in (20, MOST_IMAGES)
    )
    for number in range(1, past_runs.MOST_RUNS + 1):
        published(few, commenter, run=run_number(number))
    published(many, commenter, run=run_number(past_runs.MOST_RUNS + 1))
    last = commenter.bodies[-1]
    assert LONGEST_COMMENT - 2000 < len(last) <= LONGEST_COMMENT
    assert "The last 5 runs" in last
    kept = past_runs.decode(last.split("\n")[1])
    assert [len(one.result) for one in kept] == [past_runs.LONGEST_RESULT] * past_runs.MOST_RUNS


@pytest.mark.parametrize(
    ("of", "mode", "worth"),
    [
        (report(FINE), CommentMode.CHANGES, False),
        (report(FINE), CommentMode.FAILURES, False),
        (report(FINE), CommentMode.ALWAYS, True),
        (report(UNBUILT), CommentMode.CHANGES, True),
        (report(UNBUILT), CommentMode.FAILURES, True),
        (report(image("new", head=side(trial(40)), presence=Presence.NEW)), CommentMode.CHANGES, True),
        (report(image("new", head=side(trial(40)), presence=Presence.NEW)), CommentMode.FAILURES, False),
        (report(OVER), CommentMode.FAILURES, True),
    ],
)
def test_what_a_comment_is_created_for(of: Report, mode: CommentMode, worth: bool) -> None:
    commenter = Commenter()
    published(of, commenter, settings=CommentSettings(mode=mode))
    assert commenter.drafts[0].is_worth_creating is worth


@pytest.mark.parametrize(
    ("of", "policy", "state"),
    [
        (FINE, ExitPolicy(), StateName.SUCCESS),
        (OVER, ExitPolicy(), StateName.FAILURE),
        (UNBUILT, ExitPolicy(), StateName.ERROR),
        (UNBUILT, ExitPolicy(allows_inconclusive=True), StateName.ERROR),
        (NOISY, ExitPolicy(), StateName.ERROR),
        (NOISY, ExitPolicy(allows_inconclusive=True), StateName.SUCCESS),
        (OVER, ExitPolicy(FailOn.NEVER), StateName.SUCCESS),
    ],
)
def test_the_commit_is_what_the_exit_code_is(of: ImageMeasurement, policy: ExitPolicy, state: StateName) -> None:
    commit = Commit()
    published(report(of), None, None, commit=commit, policy=policy)
    (told,) = commit.told
    assert told.state is state
    assert told.summary.startswith("### ")


@pytest.mark.thorough
def test_the_summary_of_a_check_is_counted_in_bytes() -> None:
    commit = Commit()
    published(report(*(_named(OVER, f"image{number}") for number in range(MOST_IMAGES))), commit=commit)
    assert 60_000 < len(commit.told[0].summary.encode()) <= 65_535


@pytest.mark.parametrize("most_bytes", [1, 10, 600, 65_535])
def test_the_story_is_built_once_for_texts_of_all_lengths(most_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[JudgedReport] = []

    def story(result: JudgedReport) -> tuple[Section, ...]:
        built.append(result)
        return whole_story(result)

    monkeypatch.setattr(markdown, "story", story)
    commit, commenter = Commit(), Commenter()
    limits = Capabilities(longest_check_summary_bytes=most_bytes)
    published(report(OVER, KILLED, UNBUILT), commenter, commit=commit, capabilities=limits)
    assert len(commit.told[0].summary.encode()) <= most_bytes
    assert commenter.bodies
    assert len(built) == 1


def test_annotations_stand_at_the_lines_of_the_budgets_file() -> None:
    budgets_file = """version = 1
defaults.limit = "64MiB"
[images.over]
budgets.image_size.max = "1GiB"
budgets.peak_rss = { max = "50MiB" }
[images.killed]
build.context = "."
"""
    commit = Commit()
    step, _ = published(report(FINE, OVER, KILLED), commit=commit, lines=key_lines(budgets_file, "ci/budgets.toml"))
    assert step.places == [LinesOfFile("ci/budgets.toml", 5, 5), LinesOfFile("ci/budgets.toml", 2, 2)]
    assert [one.place for one in commit.told[0].annotations] == step.places


def approved(approval: Approval, digest: str | None = "d" * 64) -> Report:
    return report(FINE).model_copy(update={"approval": approval, "approval_digest": digest})


def test_the_comment_keeps_what_was_approved_below_its_other_hidden_lines() -> None:
    commenter = Commenter()
    for number in (1, 2):
        published(approved(Approval.GIVEN), commenter, run=run_number(number))
    assert approved_digest(commenter.bodies[-1]) == "d" * 64
    assert len(past_runs.decode(commenter.bodies[-1].split("\n")[1])) == 2


@pytest.mark.parametrize(
    "of",
    [
        approved(Approval.MISSING),
        approved(Approval.STALE),
        approved(Approval.NOT_ASKED),
        approved(Approval.GIVEN, None),
    ],
)
def test_what_nobody_approved_is_not_kept(of: Report) -> None:
    commenter = Commenter()
    published(approved(Approval.GIVEN), commenter, run=run_number(1))
    published(of, commenter, run=run_number(2))
    assert approved_digest(commenter.bodies[-1]) is None


def test_a_report_of_another_run_approves_nothing() -> None:
    commenter = Commenter()
    published(approved(Approval.GIVEN), commenter, run=run_number(1), records_approval=False)
    assert approved_digest(commenter.bodies[-1]) is None


@pytest.mark.parametrize("approval", list(Approval))
def test_loosened_rules_fail_until_they_are_approved(approval: Approval) -> None:
    loosened = (Loosening("fine", is_group=False, key="limit", before="1", after="2"),)
    made = approved(approval).model_copy(update={"loosened": loosened})
    assert (made.judged().judgement.verdict is Verdict.FAIL) is not approval.counts


def test_an_image_that_was_not_covered_is_told_by_name_everywhere() -> None:
    names = ("fine", "over", "lost")
    covered = report(FINE, OVER).model_copy(
        update={"coverage": Coverage(names, names, missing_shards=(2,), checked_twice=("fine", "over"))}
    )
    step, _ = published(covered)
    assert (step.values["verdict-lost"], step.values["verdict-fine"]) == ("inconclusive", "inconclusive")
    assert step.values["verdict-over"] == "fail"
    told = [message for title, message in step.annotations if title == "not covered"]
    assert [message.partition(".")[0] for message in told] == [
        "shard 2 is missing", "image lost was not checked", "image fine was checked twice",
        "image over was checked twice",
    ]  # fmt: skip
