"""The file between measuring steps and telling them: written whole, and read as if a stranger had written it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from membudget.core.errors import ConfigurationError
from membudget.history.step_line import StepOutcome
from membudget.measure.trial import Trial
from membudget.publish.steps_file import fitted, read_steps, write_steps
from membudget.report.steps_report import MOST_STEPS
from tests.support.proven_steps import comparison, step, steps, unproven


@pytest.mark.thorough
def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = steps(step(), step(3, 6, skipped=(4, 5)), unproven(), unproven(StepOutcome.NOT_MEASURED, "no file"), left=3)
    write_steps(made, tmp_path / "steps.json")
    assert read_steps(tmp_path / "steps.json") == made


@pytest.mark.thorough
def test_the_most_steps_of_the_most_trials_fit(tmp_path: Path) -> None:
    large = fitted(comparison(trials=100))
    assert large is not None
    made = steps(*[step().model_copy(update={"report": large})] * MOST_STEPS)
    write_steps(made, tmp_path / "steps.json")
    assert len(read_steps(tmp_path / "steps.json").steps) == MOST_STEPS


@pytest.mark.thorough
@pytest.mark.parametrize(("trials", "points"), [(5, 1_400), (10, 600), (20, 2_000)])
def test_the_most_steps_of_the_longest_runs_can_be_read_again(tmp_path: Path, trials: int, points: int) -> None:
    """The numbers of a series need few bytes, so that the number of values is what bounds the file."""

    def longer(one: Trial) -> Trial:
        columns = {
            name: [30_000_000 + 4_096 * (number % 97) for number in range(points)]
            for name in one.series.__dataclass_fields__
            if getattr(one.series, name)
        }
        return replace(
            one, series=replace(one.series, **{**columns, "time_us": list(range(0, 50_000 * points, 50_000))})
        )

    made = comparison(trials=trials)
    images = [
        image.with_each_side(lambda side: replace(side, trials=tuple(map(longer, side.trials))))
        for image in made.images
    ]
    large = fitted(made.model_copy(update={"images": tuple(images)}))
    assert large is not None
    report = steps(*[step().model_copy(update={"report": large})] * MOST_STEPS)
    write_steps(report, tmp_path / "steps.json")
    assert len(read_steps(tmp_path / "steps.json").steps) == MOST_STEPS


def test_text_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    """Names of files may hold half a surrogate pair."""
    made = comparison()
    odd = made.model_copy(update={"notes": ("\udc80",)})
    write_steps(steps(step().model_copy(update={"report": odd})), tmp_path / "steps.json")
    (found,) = read_steps(tmp_path / "steps.json").steps
    assert found.report is not None
    assert found.report.notes == ("\N{REPLACEMENT CHARACTER}",)


def without_comparison(made: Any) -> None:
    made["steps"][0]["report"] = None


def with_more(made: Any) -> None:
    made["steps"][0]["told"] = True


def with_more_steps(made: Any) -> None:
    made["steps"] *= MOST_STEPS + 1


def with_one_commit(made: Any) -> None:
    made["steps"][0]["since"] = made["steps"][0]["until"]


def with_a_strange_image(made: Any) -> None:
    made["steps"][0]["image"] = "../x"


def with_a_negative_metric(made: Any) -> None:
    made["steps"][0]["report"]["images"][0]["head"]["metrics"]["peak_rss"]["value"] = -1


def with_a_negative_tolerance(made: Any) -> None:
    """Growth of nothing would be more than that."""
    for budget in made["steps"][0]["report"]["images"][0]["budgets"].values():
        budget["tolerance"]["floor"] = -5


def of_another_version(made: Any) -> None:
    made["steps_version"] = 2


def without_growth(made: Any) -> None:
    made["steps"][0]["growth"] = 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    "forge",
    [
        without_comparison,
        with_more,
        with_more_steps,
        with_one_commit,
        with_a_strange_image,
        with_a_negative_metric,
        with_a_negative_tolerance,
        of_another_version,
        without_growth,
    ],
)
def test_what_is_never_written_is_refused(tmp_path: Path, forge: Callable[[Any], None]) -> None:
    path = tmp_path / "steps.json"
    write_steps(steps(step()), path)
    made = json.loads(path.read_text())
    forge(made)
    path.write_text(json.dumps(made))
    with pytest.raises(ConfigurationError, match="is no report of steps of this version of membudget"):
        read_steps(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"steps": ' + "[" * 10_000, '"x"', "\0"])
def test_junk_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "steps.json").write_text(text)
    with pytest.raises(ConfigurationError):
        read_steps(tmp_path / "steps.json")


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="history steps --confirm --output FILE"):
        read_steps(tmp_path / "steps.json")
