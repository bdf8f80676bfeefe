"""Use case: tell a proven step of the main branch, once.

This code holds the token. It takes only figures and quoted text from the report of the steps. The clone says which
commits there are and what their subjects are.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from membudget.build.revision import MainCommit
from membudget.publish.comment import CommentServer, CommentSettings, Draft, keep_current
from membudget.publish.pull_request import NotPosted, Posted
from membudget.report.formats.markdown import LONGEST_COMMENT
from membudget.report.formats.steps import render_markdown
from membudget.report.step_words import Link, ToldStep
from membudget.report.steps_report import StepReport, proven


class TellWhere(StrEnum):
    """Where steps are told, beside standard output."""

    ISSUE = "issue"
    COMMIT = "commit"
    NOTHING = "nothing"


def told_step(
    step: StepReport, commits: Sequence[MainCommit], places: Mapping[str, int], link: Callable[[str], str | None]
) -> ToldStep | None:
    """Return a confirmed step as it is told. None if its figures do not prove it, or if its commits are not there.

    `commits` are those of the branch, oldest first, and `places` where each is.
    """
    since, until = places.get(step.since), places.get(step.until)
    proof = proven(step)
    if proof is None or since is None or until is None or since >= until:
        return None
    between = commits[since + 1 : until]
    there = {commit.sha for commit in between}
    skipped = tuple(one for one in step.skipped if one.sha in there)
    first, last = (Link(commits[place], link(commits[place].sha)) for place in (since, until))
    return ToldStep(proof, first, last, between, skipped)


def tell(told: ToldStep, server: CommentServer, pause: Callable[[], None]) -> Posted | NotPosted:
    """Open the step's issue or create its comment, or update what an earlier run wrote.

    Never raises errors of the server.
    """
    settings = CommentSettings(_key(told))
    body = f"{settings.marker(None)}\n{render_markdown(told)}"[:LONGEST_COMMENT]
    draft = Draft(
        settings,
        None,
        is_worth_creating=True,
        body=lambda _: body,
        is_same=lambda existing: _normal(existing) == _normal(body),
    )
    return keep_current(lambda: server, draft, pause)


def _key(told: ToldStep) -> str:
    """Return the key of a step: there is one for each image, metric and commit."""
    row = told.proof.row
    about = f"{told.proof.image.name} {row.metric} {told.until.commit.sha}"
    return f"step.{hashlib.sha256(about.encode()).hexdigest()[:32]}"


def _normal(text: str) -> str:
    """Return a text in the form in which servers may return it."""
    return text.replace("\r\n", "\n").rstrip()
