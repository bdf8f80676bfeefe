"""What a server asks for in Retry-After: seconds, or a date."""

import pytest

from membudget.web.deadline import asked_wait

NOW = 1_000_000_000.0
"""9 September 2001, 01:46:40 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Sun, 09 Sep 2001 01:47:40 GMT", 60),
        ("Sun, 09 Sep 2001 01:47:40 -0000", 60),
        ("Sun, 09 Sep 2001 01:46:00 GMT", 0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("9" * 13, None),
        ("soon", None),
        ("Sun, 09 Sep 99999 01:47:40 GMT", None),
        ("Sun, 09 Sep 2001 01:47:40 +9999999999999", None),
        ("x" * 100_000, None),
    ],
)
def test_it_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert asked_wait(text, NOW) == seconds
