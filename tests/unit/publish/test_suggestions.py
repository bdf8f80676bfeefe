"""Suggestions as a part of publishing. How they are kept current: see servers/test_review_comments.py."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from membudget.publish import publish
from membudget.publish.comment import CommentMode, CommentSettings, Draft
from membudget.publish.publish import Destination
from membudget.publish.pull_request import LinesOfFile, NotPosted, Posted, PullRequest, ServerFault, WorkflowRun
from membudget.publish.suggestions import ReviewComment, Suggested, shown_in
from membudget.report.report import Report
from tests.support.builders import report
from tests.support.manifests import api, checked, containers, reported

PULL_REQUEST = PullRequest("octo/shop", 7)
RUN = WorkflowRun(1, 1, 1, "b" * 40)
POSTED = Posted("https://github.com/octo/shop/pull/7#issuecomment-1", created=True)
LOW = containers("- {name: api, image: shop/api, resources: {limits: {memory: 150Mi}, requests: {memory: 130Mi}}}\n")


class Step:
    """A workflow step that forgets what it is told."""

    def summary(self, markdown: str) -> None: ...
    def outputs(self, values: Mapping[str, str]) -> None: ...
    def annotate(self, title: str, message: str, place: LinesOfFile | None = None) -> None: ...


@dataclass(frozen=True)
class Commenter:
    """A server that answers the same each time."""

    answer: Posted | NotPosted

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        del pull_request, draft
        return self.answer


@dataclass
class Reviews:
    """A pull request whose diff shows one line."""

    created: list[str] = field(default_factory=list)

    def own(self, prefix: str) -> list[ReviewComment]:
        del prefix
        return []

    def shown_lines(self, paths: Collection[str]) -> Mapping[str, Mapping[int, str]]:
        assert set(paths) == {"a.yaml"}
        return {"a.yaml": {7: LOW.splitlines()[6]}}

    def create(self, body: str, path: str, line: int, head_sha: str) -> None:
        assert (path, line, head_sha) == ("a.yaml", 7, RUN.head_sha)
        self.created.append(body)

    def edit(self, comment: ReviewComment, body: str) -> None:
        raise AssertionError((comment, body))

    def delete(self, comment: ReviewComment) -> None:
        raise AssertionError(comment)

    def head_sha(self) -> str:
        return RUN.head_sha

    def why_not(self, fault: ServerFault) -> str:
        return str(fault)


def suggested(
    of: Report, server: Reviews, settings: CommentSettings, answer: Posted | NotPosted = POSTED
) -> Suggested | NotPosted | None:
    destination = Destination(PULL_REQUEST, Commenter(answer), settings, run=RUN, suggestions=server)
    return publish.run(of.judged(), "report.json", Step(), destination).suggestions


@pytest.mark.parametrize(
    ("mode", "answer", "posted"),
    [
        (CommentMode.CHANGES, POSTED, Suggested(posted=1)),
        (CommentMode.FAILURES, POSTED, Suggested(posted=1)),
        (CommentMode.OFF, POSTED, None),
        (CommentMode.CHANGES, NotPosted("the token may not write comments"), None),
    ],
)
def test_changes_to_manifests_are_suggested_where_there_is_a_comment(
    mode: CommentMode, answer: Posted | NotPosted, posted: Suggested | None
) -> None:
    server = Reviews()
    assert suggested(reported(checked({"a.yaml": LOW})), server, CommentSettings(mode=mode), answer) == posted
    marks = [body.splitlines()[0] for body in server.created]
    assert marks == (["<!-- membudget-suggestion:default -->"] if posted is not None else [])


def test_without_manifests_no_suggestion_is_looked_for() -> None:
    assert suggested(report(api()), Reviews(), CommentSettings(mode=CommentMode.ALWAYS)) is None


def test_the_lines_that_a_diff_shows_have_the_numbers_of_the_new_file() -> None:
    patch = (
        "@@ -1,3 +1,3 @@ kind: Pod\n a\n-b\n+c\n d\n\\ No newline at end of file\n"
        "@@ -9,0 +10 @@\n+@@ -1 +1 @@ is a line\n@@ -20 +20,0 @@\n-gone"
    )
    assert shown_in(patch) == {1: "a", 2: "c", 3: "d", 10: "@@ -1 +1 @@ is a line"}


@pytest.mark.parametrize("patch", ["", "+a", "@@ broken @@\n+a", "@@ -1 +9999999999 @@\n+a"])
def test_what_is_no_diff_shows_no_lines(patch: str) -> None:
    assert shown_in(patch) == {}
