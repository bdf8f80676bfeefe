"""Failures name the check of `membudget doctor` that explains them, as data and in their message."""

import pytest

from membudget.core.errors import (
    ConfigurationError,
    DoctorCheck,
    EngineLost,
    EnvironmentFault,
    MembudgetError,
    brief,
)
from membudget.engine.helper import HelperFailed


@pytest.mark.parametrize(
    ("error", "check", "message"),
    [
        (EnvironmentFault("it broke"), None, "it broke"),
        (EnvironmentFault("it broke", fix="mend it"), None, "it broke\n  fix: mend it"),
        (
            EnvironmentFault("it broke", where="/x", fix="mend it", check=DoctorCheck.SWAP),
            DoctorCheck.SWAP,
            "/x: it broke\n  fix: mend it (membudget doctor --only swap)",
        ),
        (
            ConfigurationError("too shallow", check=DoctorCheck.BASE),
            DoctorCheck.BASE,
            "too shallow\n  fix: membudget doctor --only base",
        ),
        (EngineLost("gone"), DoctorCheck.ENGINE, "gone\n  fix: membudget doctor --only engine"),
        (HelperFailed("ended early"), DoctorCheck.PROBE, "ended early\n  fix: membudget doctor --only probe"),
    ],
)
def test_the_message_names_the_check(error: MembudgetError, check: DoctorCheck | None, message: str) -> None:
    assert error.check is check
    assert str(error) == message


def test_a_shortened_reason_keeps_the_name_of_the_check() -> None:
    error = EnvironmentFault("first\nsecond", fix="mend it", check=DoctorCheck.DISK)

    assert brief(str(error)) == "first\n  fix: mend it (membudget doctor --only disk)"
