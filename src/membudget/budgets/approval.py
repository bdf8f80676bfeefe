"""Whether somebody approved what a pull request changes of the rules, and whether it is still what was approved.

The label says that somebody approved something. What that was, the label does not say: a later push may loosen more.
So the label counts for the commit at which it was set, and afterwards for as long as a digest of the changes is the
same. Our own comment keeps that digest, which nobody but us and the repository's maintainers can write.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

DEFAULT_LABEL = "memory-budget-approved"
"""Who may set a label on a pull request has triage rights at least."""


class Approval(StrEnum):
    """Whether what the head loosens may count."""

    NOT_ASKED = "not_asked"
    """There is no pull request: what is on the branch was approved when it got there, or is somebody's own."""
    MISSING = "missing"
    STALE = "stale"
    """The label is set, and what it approved was something else, or nobody knows what."""
    GIVEN = "given"

    @property
    def counts(self) -> bool:
        """Whether the head's rules count."""
        return self in (Approval.NOT_ASKED, Approval.GIVEN)


@dataclass(frozen=True, slots=True)
class LabelState:
    """What is known of a pull request's label."""

    is_set: bool
    is_fresh: bool = False
    """Whether it was set at this very head: the event that started this run says so."""
    approved: str | None = None
    """The digest of what was approved before, from where only we write; None: not known."""


@dataclass(frozen=True, slots=True)
class Change:
    """One table of the budgets file that somebody has to approve, exactly."""

    subject: str
    """An image or a group, or the exceptions."""
    before: str | None
    """The base's table, in a form that is equal where the tables are; None where it has none."""
    after: str | None
    """The head's."""
    files: tuple[str, ...] = ()
    """What names the content of the head's files that the measurement is given."""


def approval_of(label: LabelState | None, digest: str | None) -> Approval:
    """Whether the changes with this digest are approved. `label` is None where there is no pull request.

    `digest` is None where there is nothing to approve: a label of an earlier head approves nothing then, either.
    """
    if label is None:
        return Approval.NOT_ASKED
    if label.is_set and (label.is_fresh or (digest is not None and label.approved == digest)):
        return Approval.GIVEN
    return Approval.STALE if label.is_set and digest is not None else Approval.MISSING


def digest_of(changes: Iterable[Change]) -> str | None:
    """What names all that a label would approve, whatever its order: hexadecimal; None where that is nothing."""
    parts = sorted(json.dumps(asdict(change), sort_keys=True) for change in changes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None
