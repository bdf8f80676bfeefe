"""Suggestions on the lines of a pull request's diff: which to post, which to keep, and which are settled.

A server shows a comment of a review only at a line of the diff. Suggestions for other lines are not posted: the comment
on the pull request shows all changes. A suggestion is posted once. A later run finds it by its hidden marker and its
line, edits it if its text differs, and removes it if nothing is wrong there any more. If people replied, its text says
that it is settled, and the replies stay.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from membudget.publish.comment import as_returned
from membudget.publish.pull_request import NotPosted, ServerFault
from membudget.report.formats.suggestions import Suggestion

MOST_SUGGESTIONS = 10
"""More at once are in the comment on the pull request only."""
SETTLED = "Settled: membudget no longer suggests a change here."
ANOTHER_HEAD = NotPosted("the pull request has another head by now", is_wanted=True)
_HUNK = re.compile(r"@@ -\d{1,9}(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReviewComment:
    """A comment at a line of a file."""

    id: int
    path: str
    line: int | None
    """The line in the current head. None if the line is no longer in the diff."""
    body: str
    has_replies: bool


class SuggestionServer(Protocol):
    """The review comments of a pull request. Every method may raise ServerFault."""

    def own(self, prefix: str) -> Sequence[ReviewComment]:
        """Return membudget's own comments that start with `prefix`, oldest first."""

    def shown_lines(self, paths: Collection[str]) -> Mapping[str, Mapping[int, str]]:
        """Return the lines of the head that the diff shows, by path and number."""

    def create(self, body: str, path: str, line: int, head_sha: str) -> None:
        """Create a comment at a line. Never repeats the request if the server may have done it."""

    def edit(self, comment: ReviewComment, body: str) -> None:
        """Replace the text of one of membudget's comments."""

    def delete(self, comment: ReviewComment) -> None:
        """Delete one of membudget's comments. If it is already gone, do nothing."""

    def head_sha(self) -> str:
        """Return the pull request's current head."""

    def why_not(self, fault: ServerFault) -> str:
        """Return why a call failed, and what would help, on one line. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """How many suggestions were changed. Those that stay are not counted."""

    posted: int = 0
    edited: int = 0
    removed: int = 0


def keep_suggestions(
    server: SuggestionServer, wanted: Sequence[Suggestion], key: str, head_sha: str, *, may_create: bool
) -> Suggested | NotPosted:
    """Post, edit and remove suggestions until they are those that are wanted. Never raises errors of the server.

    `head_sha` is the commit that was measured. `key` is that of the comment on the pull request.
    """
    marker = f"<!-- membudget-suggestion:{key} -->"
    try:
        existing = list(server.own(marker))
        if not existing and not (wanted and may_create):
            return Suggested()
        if server.head_sha() != head_sha:
            return ANOTHER_HEAD
        shown = server.shown_lines({one.path for one in wanted}) if wanted else {}
        fitting = [one for one in wanted if shown.get(one.path, {}).get(one.line) == one.before]
        return _keep(server, existing, fitting[:MOST_SUGGESTIONS], marker, head_sha, may_create=may_create)
    except ServerFault as fault:
        return NotPosted(server.why_not(fault), is_known=not fault.may_have_happened)


def _keep(  # noqa: PLR0913 - all of them are needed
    server: SuggestionServer,
    existing: list[ReviewComment],
    wanted: Sequence[Suggestion],
    marker: str,
    head_sha: str,
    *,
    may_create: bool,
) -> Suggested:
    """Remove what is superfluous first: a server that refuses a new comment must not keep old ones there."""
    new, edited = [], 0
    for one in wanted:
        body = f"{marker}\n{one.body}"
        there = next((comment for comment in existing if (comment.path, comment.line) == (one.path, one.line)), None)
        if there is None:
            new += [one] if may_create else []
            continue
        existing.remove(there)
        if as_returned(there.body) != as_returned(body):
            server.edit(there, body)
            edited += 1
    removed = _remove(server, existing, f"{marker}\n{SETTLED}")
    for one in new:
        server.create(f"{marker}\n{one.body}", one.path, one.line, head_sha)
    return Suggested(len(new), edited, removed)


def _remove(server: SuggestionServer, superfluous: Sequence[ReviewComment], settled: str) -> int:
    """Delete suggestions that nothing is left of. Return how many there were."""
    count = 0
    for comment in superfluous:
        if not comment.has_replies:
            server.delete(comment)
        elif as_returned(comment.body) != settled:
            server.edit(comment, settled)
        else:
            continue
        count += 1
    return count


def shown_in(patch: str) -> Mapping[int, str]:
    """Return the lines of the new file that a unified diff shows, by number."""
    lines: dict[int, str] = {}
    number = 0
    for line in patch.split("\n"):
        if (hunk := _HUNK.match(line)) is not None:
            number = int(hunk[1])
        elif number and line[:1] in ("+", " "):
            lines[number] = line[1:]
            number += 1
    return lines
