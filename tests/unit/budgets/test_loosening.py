"""Whether the label counts: for the commit at which it was set, and as long as what it approved is the same."""

import pytest

from membudget.budgets.loosening import Approval, LabelState, TableChange, approval_of, digest_of

ONE, OTHER = TableChange("api", "a", "b"), TableChange("worker", None, "c", ("smoke.sh: 1",))
DIGEST = digest_of([ONE])


@pytest.mark.parametrize(
    ("label", "digest", "approval"),
    [
        (None, DIGEST, Approval.NOT_ASKED),
        (LabelState(is_set=False), DIGEST, Approval.MISSING),
        (LabelState(is_set=False, approved=DIGEST), DIGEST, Approval.MISSING),
        (LabelState(is_set=True, is_fresh=True), DIGEST, Approval.GIVEN),
        (LabelState(is_set=True), DIGEST, Approval.STALE),
        (LabelState(is_set=True, approved=DIGEST), DIGEST, Approval.GIVEN),
        (LabelState(is_set=True, approved=digest_of([OTHER])), DIGEST, Approval.STALE),
        (LabelState(is_set=True), None, Approval.MISSING),
        (LabelState(is_set=True, approved=DIGEST), None, Approval.MISSING),
        (LabelState(is_set=True, is_fresh=True), None, Approval.GIVEN),
    ],
)
def test_the_label(label: LabelState | None, digest: str | None, approval: Approval) -> None:
    assert approval_of(label, digest) is approval


def test_the_heads_rules_count_when_approved_and_where_nobody_is_asked() -> None:
    assert [approval for approval in Approval if approval.counts] == [Approval.NOT_ASKED, Approval.GIVEN]


def test_the_digest_names_the_changes_whatever_their_order() -> None:
    assert digest_of([ONE, OTHER]) == digest_of([OTHER, ONE])
    assert digest_of([]) is None


@pytest.mark.parametrize(
    "changed",
    [
        TableChange("worker", "a", "b"),
        TableChange("api", "x", "b"),
        TableChange("api", "a", "x"),
        TableChange("api", None, "b"),
        TableChange("api", "a", "b", ("smoke.sh: 2",)),
    ],
)
def test_another_change_has_another_digest(changed: TableChange) -> None:
    assert digest_of([changed]) != DIGEST
