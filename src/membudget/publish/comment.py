"""The one comment of a key on a pull request: when it is created, edited, left alone.

What holds, whoever else posts at the same time: a run never replaces what it can see is a newer run's; of two
that create a comment at once, the one that looks last removes the older of both. What no server offers is "edit only
if nobody did since": between a look and the edit lies one request, in which a newer run may edit first. Workflows
close that gap with a `concurrency` group.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from membudget.core.errors import ConfigurationError
from membudget.publish.pull_request import NotPosted, Posted, PullRequest, WorkflowRun

_KEY = re.compile(r"(?=.{1,100}$)[A-Za-z0-9]+([-_./][A-Za-z0-9]+)*", re.ASCII)
"""It is part of an HTML comment, which two dashes would end."""
_RUN = re.compile(
    r"head=(?P<head>[0-9a-f]{40}(?:[0-9a-f]{24})?) run=(?P<id>\d{1,18})"
    r" number=(?P<number>\d{1,9}) attempt=(?P<attempt>\d{1,6}) -->",
    re.ASCII,
)

ANOTHER_IS_NEWER = "a newer run has posted its comment"
COMMENTS_ARE_OFF = NotPosted("comments are off", is_wanted=True)


class CommentMode(StrEnum):
    """When there is a comment. One that is there is kept current, whatever came of it, unless comments are off."""

    ALWAYS = "always"
    CHANGES = "changes"
    """Created when something measurable changed, or the check does not pass without a remark."""
    FAILURES = "failures"
    """Created when the check does not pass."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class CommentSettings:
    """Which comment is ours, and when there is one."""

    key: str = "default"
    """Workflows with different keys keep comments of their own. Raises ConfigurationError for what cannot be one."""
    mode: CommentMode = CommentMode.CHANGES

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            allowed = "letters, digits and single - _ . / between them, 100 at the most"
            raise ConfigurationError(f"{self.key!r} cannot be the key of a comment: {allowed}", where="key")

    @property
    def prefix(self) -> str:
        """What the comment starts with, hidden: it is found by that."""
        return f"<!-- membudget:{self.key} "

    def marker(self, run: WorkflowRun | None) -> str:
        """The hidden first line of the comment: whose it is, and which run wrote it."""
        if run is None:
            return f"{self.prefix}-->"
        return f"{self.prefix}head={run.head_sha} run={run.id} number={run.number} attempt={run.attempt} -->"

    def written_by(self, body: str) -> WorkflowRun | None:
        """The run that a comment of this key says it is of; None where it names none, or not exactly."""
        found = _RUN.fullmatch(_first_line(body).removeprefix(self.prefix))
        if found is None:
            return None
        return WorkflowRun(int(found["id"]), int(found["number"]), int(found["attempt"]), found["head"])


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be posted."""

    settings: CommentSettings
    run: WorkflowRun | None
    """None: nobody knows, and its comment is never too old."""
    is_worth_creating: bool
    body: Callable[[str | None], str]
    """The comment's text after what the comment says now, whose history it carries on."""
    is_same: Callable[[str], bool] = field(default=lambda _: False)
    """Whether a comment says this already, but for which run said it first."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on the server."""

    id: int
    body: str
    url: str


class CommentServer(Protocol):
    """A pull request's comments. Every method may raise what the server's adapter raises."""

    def own(self, prefix: str) -> Sequence[Comment]:
        """Our own comments that start with `prefix`, the oldest first. Anybody can copy a prefix.

        Asked again, those that may have come since, at least.
        """

    def create(self, body: str) -> Comment:
        """A new comment."""

    def edit(self, comment: Comment, body: str) -> None:
        """Another text for a comment of ours."""

    def delete(self, comment: Comment) -> None:
        """Remove a comment of ours; one that is gone is fine."""

    def head_sha(self) -> str:
        """The pull request's head as it is now."""


class Commenter(Protocol):
    """Keeps comments of ours on pull requests current."""

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        """Create the comment, or edit the one that is there. Never raises for the server."""


def keep_current(server: CommentServer, draft: Draft) -> Posted | NotPosted:
    """Create, edit, or leave alone; and of several comments of one key, leave one."""
    settings = draft.settings
    if settings.mode is CommentMode.OFF:
        return COMMENTS_ARE_OFF
    existing = server.own(settings.prefix)
    if not existing:
        if not draft.is_worth_creating:
            return NotPosted(f"there is nothing to say (comment mode {settings.mode})", is_wanted=True)
        return _create(server, draft)
    first, *doubles = existing
    if any(_is_newer(server, comment, draft) for comment in existing):
        return NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    if not draft.is_same(first.body):
        server.edit(first, draft.body(first.body))
    for double in doubles:
        server.delete(double)
    return Posted(first.url, created=False)


def _create(server: CommentServer, draft: Draft) -> Posted | NotPosted:
    created = server.create(draft.body(None))
    others = [comment for comment in server.own(draft.settings.prefix) if comment.id != created.id]
    for other in others:
        if _order(other, draft) > (draft.run.order if draft.run else (0, 0), -created.id):
            server.delete(created)
            return NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    for other in others:
        server.delete(other)
    return Posted(created.url, created=True)


def _order(comment: Comment, draft: Draft) -> tuple[tuple[int, int], int]:
    """What is newer is larger; of one run's, what was there first."""
    run = draft.settings.written_by(comment.body)
    return (run.order if run is not None else (0, 0), -comment.id)


def _is_newer(server: CommentServer, comment: Comment, draft: Draft) -> bool:
    """Whether a comment is of a run after ours.

    Numbers count the runs of one workflow, and start again where it is renamed; ids count those of all. So where either
    says so of another commit, the pull request has the last word: what is about its head stays, or takes the place.
    """
    theirs, ours = draft.settings.written_by(comment.body), draft.run
    if theirs is None or ours is None:
        return False
    if theirs.head_sha == ours.head_sha:
        return theirs.order > ours.order
    if theirs.order <= ours.order and theirs.id <= ours.id:
        return False
    return server.head_sha() != ours.head_sha


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip("\r")


_LINE = re.compile(r"<!-- membudget-approved:(?P<digest>[0-9a-f]{64}) -->", re.ASCII)
_HIDDEN = "<!-- membudget"
"""What our hidden lines begin with. They are the first of the comment: what we quote comes after them."""


def approval_line(digest: str) -> str:
    """The hidden line."""
    return f"<!-- membudget-approved:{digest} -->"


def hidden_lines(body: str) -> list[str]:
    """Those of a comment of ours, the marker first."""
    hidden = []
    for line in body.replace("\r\n", "\n").split("\n"):
        if not line.startswith(_HIDDEN):
            break
        hidden.append(line)
    return hidden


def approved_digest(body: str) -> str | None:
    """Of what was approved when a comment of ours was written; None where nothing was."""
    found = [matched["digest"] for line in hidden_lines(body) if (matched := _LINE.fullmatch(line))]
    return found[0] if len(found) == 1 else None
