"""How servers of one API differ: GitHub's, which Forgejo and Gitea speak as well, but for what is here."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """What a token may be allowed to do, in the words of each server."""

    what: str
    """In the plural, as messages say it."""
    permission: str
    """Of a job, in a workflow file of GitHub's."""
    scope: str
    """What a token that somebody made needs on Forgejo and Gitea, in words."""


COMMENTS = Right("comments", "pull-requests", "the scopes `write:issue` and `read:user`")
LABELS = Right("labels", "pull-requests", "the scope `write:issue`")
STATUSES = Right("commit statuses", "statuses", "the scope `write:repository`")
CHECK_RUNS = Right("check runs", "checks", "the scope `write:repository`")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server."""

    name: str
    """As messages call it."""
    accept: str = "application/vnd.github+json"
    most_a_page: int | None = 100
    """How many comments a list has on a page; None: all of them."""
    refusal: re.Pattern[str] = re.compile(r"Resource not accessible")
    """What it says with a 403 for a right that the token lacks; it says 403 for other reasons, too."""
    advice: str = "elsewhere give the job `permissions: {right.permission}: write`"

    def lacks(self, right: Right) -> str:
        """What a missing right is told as, on one line."""
        return f"the token may not write {right.what} (from a fork it never may; {self.advice.format(right=right)})"


GITHUB = Dialect("GitHub")
