"""Whether someone approved a pull request's changes to the rules, and whether the approval still applies.

The label says that someone approved the changes, but not which. A later push may loosen more. So the label counts for
the commit at which it was set, and afterwards for as long as a digest of the changes stays the same. membudget's own
comment keeps that digest. Only membudget and the repository's maintainers can edit the comment.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

DEFAULT_LABEL = "memory-budget-approved"
"""Only people with at least triage rights can set a label on a pull request."""


class Approval(StrEnum):
    """Whether looser rules of the head may count."""

    NOT_ASKED = "not_asked"
    """There is no pull request. The branch's content was approved when it was merged, or is the user's own."""
    MISSING = "missing"
    STALE = "stale"
    """The label is set, but it approved other changes, or it is unknown which."""
    GIVEN = "given"

    @property
    def counts(self) -> bool:
        """Whether the head's rules count."""
        return self in (Approval.NOT_ASKED, Approval.GIVEN)


@dataclass(frozen=True, slots=True)
class LabelState:
    """The state of a pull request's label."""

    is_set: bool
    is_fresh: bool = False
    """Whether the label was set at this very head, according to the event that started this run."""
    approved: str | None = None
    """The digest of the changes approved before, from the comment that only membudget writes. None if unknown."""


@dataclass(frozen=True, slots=True)
class Change:
    """One table of the budgets file that changed and needs approval."""

    subject: str
    """The name of an image or a group, or the exceptions."""
    before: str | None
    """The base's table, as text that is equal if the tables are equal. None if the base has none."""
    after: str | None
    """The head's table, in the same form."""
    files: tuple[str, ...] = ()
    """Identifiers of the content of the head's files that are used in the measurement."""


def approval_of(label: LabelState | None, digest: str | None) -> Approval:
    """Return whether the changes with this digest are approved.

    `label` is None if there is no pull request. `digest` is None if there is nothing to approve: then a label of an
    earlier head approves nothing either.
    """
    if label is None:
        return Approval.NOT_ASKED
    if label.is_set and (label.is_fresh or (digest is not None and label.approved == digest)):
        return Approval.GIVEN
    return Approval.STALE if label.is_set and digest is not None else Approval.MISSING


def digest_of(changes: Iterable[Change]) -> str | None:
    """Return a hexadecimal digest of everything that a label would approve, in any order. None if there is nothing."""
    parts = sorted(json.dumps(asdict(change), sort_keys=True) for change in changes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None
