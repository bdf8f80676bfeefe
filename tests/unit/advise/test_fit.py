"""The use case: trials are asked for, run, kept and reused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from membudget.advise.answer import SmallestLimit
from membudget.advise.fit import Fits, FitSubject, ImageFit, replayed
from membudget.advise.kept import FitFolder, KeptTrials
from membudget.budgets.workload import CommandWorkload
from membudget.core.errors import EngineLost, EnvironmentFault, Interrupted
from membudget.core.progress import Running
from membudget.core.quantities import GIB, MIB
from membudget.measure.trial import Outcome, Trial, TrialSpec
from tests.support.builders import trial
from tests.support.silence import Silence


class Tools:
    """Runs trials of images that need as much memory as their name says."""

    jobs = 1

    def __init__(self, folder: FitFolder) -> None:
        self.folder = folder
        self.specs: list[TrialSpec] = []
        self.after: Callable[[int], None] = lambda _: None

    def run_trial(self, spec: TrialSpec) -> Trial:
        """OOM-killed below its name's MiB."""
        self.specs.append(spec)
        self.after(len(self.specs))
        need = int(spec.name)
        if spec.limit_bytes is not None and spec.limit_bytes < need * MIB:
            return trial(need, outcome=Outcome.OOM_KILLED, reason="killed")
        return trial(need)

    def kept(self, spec: TrialSpec) -> KeptTrials:
        """By name."""
        return self.folder.trials(spec.name)

    def cancel(self) -> None:
        """Nothing runs."""

    def live(self) -> Sequence[Running]:
        """Nothing runs."""
        return ()


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """Tools that keep what they ran."""
    return Tools(FitFolder(tmp_path, pytest.fail))


def fits(*names: str, confirmations: int = 3) -> Fits:
    """The fits of images by name."""
    specs = [TrialSpec(name, name, None, 1000, CommandWorkload()) for name in names]
    return Fits([FitSubject(spec) for spec in specs], confirmations, GIB, seeks_comfort=False)


def answer_of(found: ImageFit) -> SmallestLimit:
    assert found.answer is not None
    return found.answer


def test_trials_run_at_limits_and_only_for_their_outcome(tools: Tools) -> None:
    (found,) = fits("100").run(tools, Silence())
    assert 100 * MIB <= answer_of(found).survives_bytes <= 102 * MIB
    assert [spec.limit_bytes for spec in tools.specs] == [one.limit_bytes for one in found.trials]
    assert all(spec.only_outcome for spec in tools.specs)


def test_trials_of_an_earlier_run_are_not_run_again(tools: Tools) -> None:
    first = fits("100").run(tools, Silence())
    ran = len(tools.specs)
    again = fits("100").run(tools, Silence())
    assert len(tools.specs) == ran
    assert again[0].reused == ran
    assert again[0].result == first[0].result


def test_more_confirmations_run_only_what_is_missing(tools: Tools) -> None:
    fits("100", confirmations=3).run(tools, Silence())
    ran = len(tools.specs)
    (found,) = fits("100", confirmations=10).run(tools, Silence())
    assert answer_of(found).confirmed == 10
    assert len(tools.specs) - ran == 7


def test_an_interruption_keeps_what_was_found_and_the_next_run_continues(tools: Tools) -> None:
    def interrupt(ran: int) -> None:
        if ran == 4:
            raise Interrupted

    tools.after = interrupt
    running = fits("100", "200")
    with pytest.raises(Interrupted):
        running.run(tools, Silence())
    found, untouched = running.so_far()
    assert (len(found.trials), found.result) == (3, None)
    assert untouched.trials == ()
    tools.after = lambda _: None
    again = fits("100", "200").run(tools, Silence())
    assert again[0].reused == 3
    assert all(one.answer is not None for one in again)


def test_a_fault_of_one_image_leaves_the_others(tools: Tools) -> None:
    def fail(_: int) -> None:
        if tools.specs[-1].name == "100":
            raise EnvironmentFault("the disk is full")

    tools.after = fail
    broken, other = fits("100", "200").run(tools, Silence())
    assert (broken.fault, broken.result) == ("the disk is full", None)
    assert other.answer is not None


def test_a_lost_engine_ends_the_run(tools: Tools) -> None:
    def lose(_: int) -> None:
        raise EngineLost("the engine stopped")

    tools.after = lose
    with pytest.raises(EngineLost):
        fits("100").run(tools, Silence())


@pytest.mark.thorough
def test_images_are_fitted_side_by_side(tools: Tools) -> None:
    tools.jobs = 3
    found = fits("50", "100", "200").run(tools, Silence())
    assert [one.name for one in found] == ["50", "100", "200"]
    assert all(one.answer is not None for one in found)


def replayed_from(found: ImageFit, *, drop: int = 0) -> ImageFit | None:
    (subject,) = fits(found.name).subjects
    return replayed(subject, found.trials[: len(found.trials) - drop], GIB)


@pytest.mark.parametrize("confirmations", [1, 3, 10])
def test_kept_trials_lead_to_the_same_answer(tools: Tools, confirmations: int) -> None:
    (found,) = fits("100", confirmations=confirmations).run(tools, Silence())
    again = replayed_from(found)
    assert again is not None
    assert again.result == found.result
    assert again.trials == found.trials


def test_kept_trials_of_a_fit_that_sought_comfort_do_so_too(tools: Tools) -> None:
    seeking = Fits(fits("100").subjects, 3, GIB)
    (found,) = seeking.run(tools, Silence())
    again = replayed_from(found)
    assert again is not None
    assert answer_of(found).comfortable is not None
    assert answer_of(again) == answer_of(found)


def test_the_trials_of_an_interrupted_fit_lead_to_no_answer(tools: Tools) -> None:
    (found,) = fits("100").run(tools, Silence())
    assert replayed_from(found, drop=len(found.trials) - 3) is None
    assert replayed_from(found, drop=len(found.trials)) is None
