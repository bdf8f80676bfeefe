"""The label that approves a pull request's changes of the rules: whether it still means what it approved."""

from membudget.budgets.loosening import LabelState
from membudget.publish.comment import approved_digest
from membudget.publish.pull_request import PullRequest
from membudget.publish.servers.github_event import GithubEvent
from membudget.publish.servers.http_api import ApiFault
from membudget.publish.servers.server import Server
from membudget.publish.workflow import warn


def label_state(event: GithubEvent, label: str) -> LabelState | None:
    """What the event alone says; None where it is of no pull request."""
    if event.pull_request is None:
        return None
    return LabelState(label in event.labels, event.sets(label))


class ApprovalLabel:
    """The label on the pull request of an event, with what our comment keeps of it."""

    def __init__(self, server: Server, event: GithubEvent, name: str, comment_prefix: str) -> None:
        self._server = server
        self._event = event
        self._name = name
        self._comment_prefix = comment_prefix
        self._is_known = False
        """Whether our comment could be read."""

    def state(self) -> LabelState | None:
        """None where the event is of no pull request. Never raises for the server."""
        found = label_state(self._event, self._name)
        pull_request, commenter = self._event.pull_request, self._server.commenter
        if found is None or pull_request is None or not found.is_set or found.is_fresh or commenter is None:
            return found
        try:
            body = commenter.newest(pull_request, self._comment_prefix)
        except ApiFault as fault:
            warn(f"what the label {self._name} approved is not known: {fault}")
            return found
        self._is_known = True
        return LabelState(is_set=True, approved=approved_digest(body) if body is not None else None)

    def withdraw(self) -> None:
        """Take the label off, so that setting it again says something new. Says so, or why it stays."""
        pull_request = self._event.pull_request
        if pull_request is None or not self._is_known:
            return
        why_not = self._remove(pull_request)
        if why_not is None:
            warn(f"the label {self._name} was taken off: what it approved has changed")
        else:
            warn(f"the label {self._name} approved something else and stays: {why_not}")

    def _remove(self, pull_request: PullRequest) -> str | None:
        """Why it stays; None where it went."""
        if not self._server.is_github or self._server.commenter is None:
            return f"{self._server.dialect.name} takes no label off by its name"
        return self._server.commenter.take_label_off(pull_request, self._name)
