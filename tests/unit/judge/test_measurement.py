from dataclasses import replace

import pytest

from membudget.core.metrics import Metric
from membudget.judge.measurement import Failure, FailureStage, SettingsChange, settings_change
from membudget.measure.probe.messages import HostSettings
from membudget.report.notes import settings_note
from tests.support.builders import side, trial


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


@pytest.mark.parametrize("hid", [False, True])
def test_an_image_is_lost_where_the_failure_hid_it_whatever_the_reasons_say(hid: bool) -> None:
    stopped = Failure(FailureStage.ENVIRONMENT, "x")
    unread = replace(side(failure=stopped, size=None), failure_hid_image=hid)
    assert unread.lost(Metric.IMAGE_SIZE) == (stopped if hid else None)
    assert unread.lost(Metric.PEAK_RSS) == stopped


def test_an_image_that_was_not_built_is_lost() -> None:
    not_built = Failure(FailureStage.BUILD, "exit code 1")
    assert replace(side(failure=not_built, size=None), failure_hid_image=False).lost(Metric.IMAGE_SIZE) == not_built
