"""The one comment of a key on a pull request: when to create, edit or keep it.

These rules hold even if other runs post at the same time. A run never replaces a comment that it can see is from a
newer run. If two runs create a comment at once, the run that looks last removes the older of the two. No server offers
"edit only if unchanged since": between the look and the edit, there is one request during which a newer run may edit
first. Workflows close that gap with a `concurrency` group.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from membudget.core.errors import ConfigurationError
from membudget.publish.pull_request import NotPosted, Posted, PullRequest, ServerFault, WorkflowRun

_KEY = re.compile(r"(?=.{1,100}$)[A-Za-z0-9]+([-_./][A-Za-z0-9]+)*", re.ASCII)
"""The key is part of an HTML comment, which two dashes would end."""
KEY_HINT = "letters, digits and single - _ . / between them, 100 at the most"
_RUN = re.compile(
    r"head=(?P<head>[0-9a-f]{40}(?:[0-9a-f]{24})?) run=(?P<id>\d{1,18})"
    r" number=(?P<number>\d{1,9}) attempt=(?P<attempt>\d{1,6}) -->",
    re.ASCII,
)

HIDDEN = "<!-- membudget"
"""The beginning of the hidden lines. They come first in the comment, before anything that membudget quotes."""
ANOTHER_IS_NEWER = "a newer run has posted its comment"
COMMENTS_ARE_OFF = NotPosted("comments are off", is_wanted=True)


class CommentMode(StrEnum):
    """When to create a comment. An existing comment is always kept current, unless comments are off."""

    ALWAYS = "always"
    CHANGES = "changes"
    """Create a comment if something measurable changed, or if the check does not simply pass."""
    FAILURES = "failures"
    """Create a comment if the check does not pass."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class CommentSettings:
    """Which comment is membudget's, and when to create it."""

    key: str = "default"
    """Workflows with different keys have separate comments. Raises ConfigurationError if the key is invalid."""
    mode: CommentMode = CommentMode.CHANGES

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ConfigurationError(f"{self.key!r} cannot be the key of a comment: {KEY_HINT}", where="key")

    @property
    def prefix(self) -> str:
        """The hidden beginning of the comment, by which it is found."""
        return f"<!-- membudget:{self.key} "

    def marker(self, run: WorkflowRun | None) -> str:
        """Return the hidden first line of the comment: its key, and the run that wrote it."""
        if run is None:
            return f"{self.prefix}-->"
        return f"{self.prefix}head={run.head_sha} run={run.id} number={run.number} attempt={run.attempt} -->"

    def written_by(self, body: str) -> WorkflowRun | None:
        """Return the run that a comment of this key names. None if it names none, or not in the exact form."""
        found = _RUN.fullmatch(_first_line(body).removeprefix(self.prefix))
        if found is None:
            return None
        return WorkflowRun(int(found["id"]), int(found["number"]), int(found["attempt"]), found["head"])


@dataclass(frozen=True, slots=True)
class Draft:
    """What to post."""

    settings: CommentSettings
    run: WorkflowRun | None
    """The run. None if unknown: then an existing comment never counts as newer."""
    is_worth_creating: bool
    body: Callable[[str | None], str]
    """Returns the comment's new text, given its current text, whose history it continues."""
    is_same: Callable[[str], bool] = field(default=lambda _: False)
    """Returns whether a comment already says the same, apart from the run that wrote it."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on the server."""

    id: int
    body: str
    url: str


class CommentServer(Protocol):
    """The comments of a pull request. Every method may raise ServerFault."""

    def own(self, prefix: str) -> Sequence[Comment]:
        """Return membudget's own comments that start with `prefix`, oldest first. Anyone can copy a prefix.

        A second call may return only comments that are new since the first.
        """

    def create(self, body: str) -> Comment:
        """Create a comment. Never repeats the request if the server may have done it."""

    def edit(self, comment: Comment, body: str) -> None:
        """Replace the text of one of membudget's comments."""

    def delete(self, comment: Comment) -> None:
        """Delete one of membudget's comments. If it is already gone, do nothing."""

    def head_sha(self) -> str:
        """Return the pull request's current head."""

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help, on one line. Raises nothing."""


class IssueServer(Protocol):
    """The issues of a repository, which a run lists once."""

    def titled(self, title: str) -> CommentServer:
        """Return the issues as comments. `title` is that of a new issue."""


class Commenter(Protocol):
    """Keeps membudget's comments on pull requests current."""

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        """Create the comment, or edit the existing one. Never raises errors of the server."""


_ROUNDS = 2
"""The most attempts. A server may create a comment and fail afterwards, so the second attempt looks for it first."""


class ServerCommenter:
    """Posts over a server, and creates no comment twice."""

    def __init__(self, comments: Callable[[PullRequest], CommentServer], pause: Callable[[], None]) -> None:
        """`pause` is called after a write that the server did not confirm, before the comment is looked for.

        Such a write may take effect only after its answer was lost.
        """
        self._comments = comments
        self._pause = pause

    def post(self, pull_request: PullRequest, draft: Draft) -> Posted | NotPosted:
        """Create the comment, or edit the existing one. Never raises errors of the server."""
        return keep_current(lambda: self._comments(pull_request), draft, self._pause)


def keep_current(connect: Callable[[], CommentServer], draft: Draft, pause: Callable[[], None]) -> Posted | NotPosted:
    """Create the one comment of a key, or edit the existing one. Never raises errors of the server.

    `pause` is called after a write that the server did not confirm, before the comment is looked for.
    """
    lost: _WriteFault | None = None
    for _ in range(_ROUNDS):
        server = connect()
        try:
            return _with_lost(_keep_current(server, draft), lost)
        except _WriteFault as failed:
            fault = failed.fault
            if fault.may_have_happened:
                lost = failed
                pause()
        except ServerFault as failed:
            fault = failed
        reason = server.why_not(fault)
        if not fault.may_have_happened and not fault.is_gone:
            break
    return _found(connect(), draft, reason, lost) if lost is not None else NotPosted(reason)


def _found(server: CommentServer, draft: Draft, reason: str, lost: "_WriteFault") -> Posted | NotPosted:
    """Look for a comment that the server did not confirm."""
    try:
        found = server.own(draft.settings.prefix)
    except ServerFault:
        return NotPosted(reason, is_known=False)
    for comment in found:
        if draft.is_same(comment.body) and draft.settings.written_by(comment.body) == draft.run:
            return Posted(comment.url, created=lost.creates)
    return NotPosted(reason)


class _WriteFault(Exception):
    """A call that writes the comment failed. The comment may be there all the same."""

    def __init__(self, fault: ServerFault, *, creates: bool) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.creates = creates
        """Whether the call creates the comment. Otherwise, it edits one."""


@contextmanager
def _writing(*, creates: bool) -> Iterator[None]:
    """Raise faults of calls that write the comment as _WriteFault."""
    try:
        yield
    except ServerFault as fault:
        raise _WriteFault(fault, creates=creates) from None


def _with_lost(outcome: Posted | NotPosted, lost: _WriteFault | None) -> Posted | NotPosted:
    """Return the outcome of a round. If it found the comment current, an earlier unconfirmed write has made it so."""
    if lost is None or not isinstance(outcome, Posted) or outcome.written:
        return outcome
    return replace(outcome, created=lost.creates, written=True)


def _keep_current(server: CommentServer, draft: Draft) -> Posted | NotPosted:
    """Create, edit or keep the comment. If there are several comments of one key, keep one."""
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
    is_current = draft.is_same(first.body)
    if not is_current:
        with _writing(creates=False):
            server.edit(first, draft.body(first.body))
    _remove(server, doubles)
    return Posted(first.url, created=False, written=not is_current)


def _create(server: CommentServer, draft: Draft) -> Posted | NotPosted:
    with _writing(creates=True):
        created = server.create(draft.body(None))
    posted = Posted(created.url, created=True)
    try:
        others = [comment for comment in server.own(draft.settings.prefix) if comment.id != created.id]
    except ServerFault:
        return posted
    for other in others:
        if _order(other, draft) > (draft.run.order if draft.run else (0, 0), -created.id):
            _remove(server, [created])
            return NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    _remove(server, others)
    return posted


def _remove(server: CommentServer, superfluous: Iterable[Comment]) -> None:
    """Delete comments. If that fails, the next run deletes them."""
    for comment in superfluous:
        with suppress(ServerFault):
            server.delete(comment)


def _order(comment: Comment, draft: Draft) -> tuple[tuple[int, int], int]:
    """Return a key that is larger for newer comments. Of one run's comments, the first is the largest."""
    run = draft.settings.written_by(comment.body)
    return (run.order if run is not None else (0, 0), -comment.id)


def _is_newer(server: CommentServer, comment: Comment, draft: Draft) -> bool:
    """Return whether a comment is from a newer run.

    Run numbers count the runs of one workflow and restart when it is renamed. Run IDs count all runs. If either is
    higher and the commit differs, the pull request decides: the comment about its current head stays or takes the
    place.
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


def hidden_lines(body: str) -> list[str]:
    """Return the hidden lines of a comment, the marker first."""
    hidden = []
    for line in body.replace("\r\n", "\n").split("\n"):
        if not line.startswith(HIDDEN):
            break
        hidden.append(line)
    return hidden


def as_returned(text: str) -> str:
    """Return a text in the form in which servers may return it, for comparisons."""
    return text.replace("\r\n", "\n").rstrip()
