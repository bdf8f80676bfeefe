"""The label that approves a pull request's changes of the rules, and whether it still means what it approved."""

import re

from membudget.budgets.loosening import LabelState
from membudget.publish.comment import hidden_lines
from membudget.publish.pull_request import PullRequest, ServerFault
from membudget.publish.server import Event, Server
from membudget.publish.workflow import warn

_LINE = re.compile(r"<!-- membudget-approved:(?P<digest>[0-9a-f]{64}) -->", re.ASCII)


def approval_line(digest: str) -> str:
    """Return the hidden line of a comment that records what was approved."""
    return f"<!-- membudget-approved:{digest} -->"


def approved_digest(body: str) -> str | None:
    """Return the digest that a comment records as approved, or None."""
    found = [matched["digest"] for line in hidden_lines(body) if (matched := _LINE.fullmatch(line))]
    return found[0] if len(found) == 1 else None


def label_state(event: Event, label: str) -> LabelState | None:
    """Return what the event alone says of the label. None if the event belongs to no pull request."""
    if event.pull_request is None:
        return None
    return LabelState(label in event.labels, label in event.new_labels)


class ApprovalLabel:
    """The label on an event's pull request, and what membudget's comment records of it."""

    def __init__(self, server: Server, event: Event, name: str, comment_prefix: str) -> None:
        self._server = server
        self._event = event
        self._name = name
        self._comment_prefix = comment_prefix
        self._is_known = False
        """Whether membudget's comment could be read."""

    def state(self) -> LabelState | None:
        """Return the label's state. None if the event belongs to no pull request. Never raises ServerFault."""
        found = label_state(self._event, self._name)
        pull_request = self._event.pull_request
        if found is None or pull_request is None or not found.is_set or found.is_fresh or not self._server.has_token:
            return found
        try:
            own = self._server.comments(pull_request).own(self._comment_prefix)
        except ServerFault as fault:
            warn(f"it is not known what the label {self._name} approved: {fault}")
            return found
        self._is_known = True
        return LabelState(is_set=True, approved=approved_digest(own[-1].body) if own else None)

    def withdraw(self) -> None:
        """Remove the label, so that setting it again approves the current changes. Warn about the result."""
        pull_request: PullRequest | None = self._event.pull_request
        if pull_request is None or not self._is_known:
            return
        why_not = self._server.remove_label(pull_request, self._name)
        if why_not is None:
            warn(f"the label {self._name} was removed: the changes that it approved have changed since")
        else:
            warn(f"the label {self._name} approved other changes and could not be removed: {why_not}")
