from dataclasses import replace

from membudget.judge.measurement import SettingsChange, settings_change
from membudget.measure.probe.messages import HostSettings
from membudget.report.notes import settings_note
from tests.support.builders import trial


def test_a_machine_that_stays_the_same() -> None:
    assert settings_change([trial(40), trial(41), trial(42)]) is None
    assert settings_change([]) is None


def test_what_changed_is_said() -> None:
    changed = replace(trial(40), settings=HostSettings("always", 0, 60, "0"))
    change = settings_change([trial(40), changed])
    assert change == SettingsChange("transparent_huge_pages", "madvise", "always")
    assert settings_note(change) == (
        "the machine's settings changed between trials: transparent huge pages from madvise to always"
    )
