from dataclasses import replace

from membudget.judge.measurement import settings_change
from membudget.measure.probe.messages import HostSettings
from tests.support.builders import trial


def test_a_machine_that_stays_the_same() -> None:
    assert settings_change([trial(40), trial(41), trial(42)]) is None
    assert settings_change([]) is None


def test_what_changed_is_said() -> None:
    changed = replace(trial(40), settings=HostSettings("always", 0, 60, "0"))
    assert settings_change([trial(40), changed]) == (
        "the machine's settings changed between trials: transparent huge pages from madvise to always"
    )
