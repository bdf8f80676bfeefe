"""Findings of `membudget doctor` as people read them, for tables of tests."""

from collections.abc import Callable

from membudget.core.untrusted_text import raw
from membudget.setup.doctor import CannotLook, CheckFinding, CheckState


def said(make: Callable[[], CheckFinding]) -> tuple[CheckState, str, str]:
    """State, what was seen, and the fix. What cannot be looked at is skipped."""
    try:
        finding = make()
    except CannotLook as nothing:
        return CheckState.SKIPPED, raw(nothing.reason), ""
    assert finding.fix or finding.state is CheckState.OK, "a warning says what to do"
    return finding.state, raw(finding.seen), raw(finding.fix)
