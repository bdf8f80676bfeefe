"""Publishing: everywhere it can, whatever becomes of the comment, and believing no verdict of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from membudget import publish
from membudget.analysis.measurement import Failure, FailureStage, ImageMeasurement
from membudget.analysis.metric_verdict import Verdict
from membudget.errors import ConfigurationError
from membudget.publish import CommentSettings, Destination
from membudget.publishing.pull_request import NotPosted, Place, Posted, PullRequest
from membudget.report.comment import LONGEST_COMMENT
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, trial

PULL_REQUEST = PullRequest("octo/shop", 7)
POSTED = Posted("https://github.com/octo/shop/pull/7#issuecomment-1", created=True)


@dataclass
class Step:
    """A workflow step that keeps what it is told."""

    summaries: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    annotations: list[tuple[str, str]] = field(default_factory=list)
    places: list[Place | None] = field(default_factory=list)

    def summary(self, markdown: str) -> None:
        self.summaries.append(markdown)

    def outputs(self, values: Mapping[str, str]) -> None:
        self.values.update(values)

    def annotate(self, title: str, message: str, place: Place | None = None) -> None:
        self.annotations.append((title, message))
        self.places.append(place)


@dataclass
class Commenter:
    """A server that answers the same each time."""

    answer: Posted | NotPosted = POSTED
    posts: list[tuple[PullRequest, str, str]] = field(default_factory=list)

    def post(self, pull_request: PullRequest, marker: str, body: str) -> Posted | NotPosted:
        self.posts.append((pull_request, marker, body))
        return self.answer


def published(
    of: Report,
    commenter: Commenter | None = None,
    pull_request: PullRequest | None = PULL_REQUEST,
    key: str = "default",
) -> tuple[Step, Posted | NotPosted]:
    step = Step()
    outcome = publish.run(of, "out/report.json", step, Destination(pull_request, commenter, CommentSettings(key)))
    return step, outcome


FINE = image("fine", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=50))
OVER = image("over", base=side(trial(40)), head=side(trial(60)), allowed=budgets(max_rss=50))
KILLED = image("killed", base=side(trial(40)), head=side(trial(60, oom_kills=1)), limit=64)
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
        "report": "out/report.json",
        "verdict-fine": "pass",
        "verdict-over": "fail",
        "verdict-killed": "fail",
        "verdict-unbuilt": "inconclusive",
    }
    ((pull_request, marker, body),) = commenter.posts
    assert (pull_request, marker) == (PULL_REQUEST, "<!-- membudget:default -->")
    (summary,) = step.summaries
    assert body == f"{marker}\n{summary}"
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
    assert "### ✅ membudget: 1 image within budget" in commenter.posts[0][2]


def test_the_files_own_verdict_is_not_believed() -> None:
    forged = report(OVER).model_copy(update={"verdict": Verdict.PASS})
    commenter = Commenter()
    step, _ = published(forged, commenter)
    assert (step.values["verdict"], step.values["verdict-over"]) == ("fail", "fail")
    assert "❌" in commenter.posts[0][2]


def test_a_report_of_nothing_is_no_pass() -> None:
    step, _ = published(report())
    assert step.values == {"verdict": "inconclusive", "report": "out/report.json"}


def test_another_key_is_another_marker() -> None:
    commenter = Commenter()
    published(report(FINE), commenter, key="nightly")
    (_, marker, body) = commenter.posts[0]
    assert marker == "<!-- membudget:nightly -->"
    assert body.startswith(marker)


def test_a_run_for_no_pull_request_tells_the_workflow_alone() -> None:
    commenter = Commenter()
    step, outcome = published(report(OVER), commenter, pull_request=None)
    assert outcome == NotPosted("this run is for no pull request")
    assert commenter.posts == []
    assert told_everything(step)


def test_without_a_token_the_rest_is_told() -> None:
    step, outcome = published(report(OVER), None)
    assert outcome == NotPosted("there is no token")
    assert told_everything(step)


def test_a_comment_that_cannot_be_posted_costs_nothing_else() -> None:
    step, outcome = published(report(OVER), Commenter(NotPosted("GitHub answered 502")))
    assert outcome == NotPosted("GitHub answered 502")
    assert told_everything(step)


def test_a_comment_is_never_longer_than_github_takes() -> None:
    commenter = Commenter()
    step, _ = published(report(*(_named(OVER, f"image{number}") for number in range(600))), commenter)
    body = commenter.posts[0][2]
    assert len(body) <= LONGEST_COMMENT + 100 < 65_536
    assert "rows are left out here" in body
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
    assert CommentSettings("services/api-v1.2_x").marker == "<!-- membudget:services/api-v1.2_x -->"
