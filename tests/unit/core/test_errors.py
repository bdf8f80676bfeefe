"""Messages of two parts: what failed, and what to do about it."""

import pytest

from membudget.core.errors import what_and_fix, with_fix


@pytest.mark.parametrize("fix", ["install it", None])
@pytest.mark.parametrize("what", ["it failed", "it failed\nin two lines", "fix: nothing"])
def test_both_parts_of_a_message_are_found_again(what: str, fix: str | None) -> None:
    assert what_and_fix(with_fix(what, fix)) == (what, fix)
