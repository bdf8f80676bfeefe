"""Lines about searches: how they are kept, what is skipped of them, and which search they make superfluous."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.history.kind_line import KindLines
from membudget.history.line import LineFault, SkippedFault, SkippedLines, read_lines
from membudget.history.step_line import (
    MOST_SKIPPED,
    StepLine,
    StepOutcome,
    earlier_search,
    places_of,
    search_range,
)
from membudget.history.steps import SuspectedStep
from tests.support.history import MACHINE, NOW, line, text

SHAS = [f"{number:040x}" for number in range(40)]
PLACES = places_of(SHAS)


def commit(number: int) -> MainCommit:
    return MainCommit(SHAS[number], number, f"commit {number}")


def searched(
    since: int, until: int, outcome: StepOutcome = StepOutcome.CONFIRMED, *, metric: Metric = Metric.PEAK_RSS
) -> StepLine:
    return StepLine(
        image="api", metric=metric, commit=SHAS[until], since=SHAS[since], outcome=outcome, time=NOW, machine=MACHINE,
        membudget="0.1.0",
    )  # fmt: skip


def suspected(first: int, before: int, after: int, last: int) -> SuspectedStep:
    places = (commit(before), commit(after), 40, 48, 0.001, commit(first), commit(last))
    return SuspectedStep("api", Metric.PEAK_RSS, MACHINE, *places)


def test_a_line_is_read_as_it_was_written() -> None:
    one, skipped = searched(3, 4), SkippedLines()
    assert one.text().startswith(b'{"v":2,"kind":"step","image":"api",')
    assert KindLines(StepLine, NOW, skipped).read(SHAS[4], one.text() + b"\n") == [one]
    assert skipped.all() == ()


def test_figures_and_searches_of_one_commit_do_not_disturb_each_other() -> None:
    figure, search, skipped = line(SHAS[4]), searched(3, 4), SkippedLines()
    data = text(figure) + search.text() + b"\n"
    assert read_lines(SHAS[4], data, NOW, skipped) == [figure]
    assert KindLines(StepLine, NOW, skipped).read(SHAS[4], data) == [search]
    assert skipped.all() == (), "creep budgets would be inconclusive otherwise"


def test_a_figure_that_ran_together_with_a_search_is_counted_as_lost() -> None:
    data, skipped = searched(3, 4).text() + line(SHAS[4]).text() + b"\n", SkippedLines()
    assert read_lines(SHAS[4], data, NOW, skipped) == []
    assert skipped.is_about_any


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (searched(3, 4).text()[:-9], LineFault.NO_LINE),
        (searched(3, 4).text().replace(b'"confirmed"', b'"proven"'), LineFault.NO_LINE),
        (searched(3, 4).text().replace(b'"v":2', b'"v":3'), LineFault.NEWER_VERSION),
        (searched(3, 4).text().replace(b"}", b',"told":true}'), LineFault.NO_LINE),
        (searched(3, 4).text().replace(b"0.1.0", b"0" * 2000), LineFault.NO_LINE),
        (searched(3, 5).text(), LineFault.OTHER_COMMIT),
        (searched(4, 4).text(), LineFault.IMPOSSIBLE),
        (searched(3, 4).model_copy(update={"time": NOW + timedelta(days=2)}).text(), LineFault.FUTURE),
    ],
)
def test_a_line_that_cannot_be_trusted_is_skipped_and_counted(data: bytes, fault: LineFault) -> None:
    skipped = SkippedLines()
    assert KindLines(StepLine, NOW, skipped).read(SHAS[4], data) == []
    assert skipped.all() == (SkippedFault(fault, 1, SHAS[4]),)
    assert not skipped.is_about_any
    assert not skipped.is_about("api", Metric.PEAK_RSS), "it has no figure that could be lost"


def test_a_flood_of_lines_is_skipped() -> None:
    skipped = SkippedLines()
    assert KindLines(StepLine, NOW, skipped).read(SHAS[4], (searched(3, 4).text() + b"\n") * 10_001) == []
    assert skipped.all() == (SkippedFault(LineFault.TOO_LARGE, 1, SHAS[4]),)


@given(st.binary(max_size=300))
def test_no_text_is_an_error(junk: bytes) -> None:
    assert KindLines(StepLine, NOW, SkippedLines()).read(SHAS[4], b'{"v":2,"kind":"step",' + junk + b"\n" + junk) == []


def test_lines_are_collected_as_notes_pass_by() -> None:
    notes = [Note(SHAS[3], text(line(SHAS[3]))), Note(SHAS[4], searched(3, 4).text()), Note(SHAS[5], None)]
    lines = KindLines(StepLine, NOW, SkippedLines())
    assert list(lines.passing(notes)) == notes
    assert lines.found == [searched(3, 4)]


STEP = suspected(10, 19, 20, 30)
CONFIRMED, NOT, UNMEASURED, NARROWED = (
    StepOutcome.CONFIRMED,
    StepOutcome.NOT_CONFIRMED,
    StepOutcome.NOT_MEASURED,
    StepOutcome.NARROWED,
)


@pytest.mark.parametrize(
    ("earlier", "is_known"),
    [
        (searched(14, 15), True),
        (searched(10, 30), True),
        (searched(5, 24), True),
        (searched(19, 35), True),
        (searched(5, 19), False),
        (searched(20, 35), False),
        (searched(9, 10), False),
        (searched(30, 31), False),
        (searched(14, 15, metric=Metric.SETTLED_RSS), False),
        (searched(14, 15).model_copy(update={"image": "web"}), False),
        (searched(10, 30, NOT), True),
        (searched(15, 35, NOT), True),
        (searched(20, 35, NOT), False),
        (searched(10, 25, NOT), True),
        (searched(10, 24, NOT), False),
        (searched(10, 20, NOT), False),
        (searched(5, 19, NOT), False),
        (searched(10, 30, UNMEASURED), True),
        (searched(15, 18, NARROWED), True),
        (searched(5, 18, NARROWED), False),
        (searched(14, 15).model_copy(update={"since": "f" * 40}), False),
    ],
)
def test_a_search_need_not_be_repeated(earlier: StepLine, is_known: bool) -> None:
    assert earlier_search(STEP, [earlier], PLACES, NOW) == (earlier if is_known else None)


def test_what_ended_counts_before_what_was_interrupted_and_confirmed_before_all() -> None:
    lines = [searched(15, 18, NARROWED), searched(10, 30, NOT), searched(16, 17)]
    assert earlier_search(STEP, lines, PLACES, NOW) == lines[2]
    assert earlier_search(STEP, lines[:2], PLACES, NOW) == lines[1]


def test_of_interrupted_searches_the_narrowest_goes_on() -> None:
    lines = [searched(12, 25, NARROWED), searched(15, 18, NARROWED), searched(14, 20, NARROWED)]
    assert earlier_search(STEP, lines, PLACES, NOW) == lines[1]


def test_a_narrow_search_that_found_nothing_begins_anew() -> None:
    lines = [searched(12, 18, NARROWED), searched(12, 18, NOT)]
    assert earlier_search(STEP, lines, PLACES, NOW) is None


def test_what_could_not_be_measured_is_tried_again_after_a_week() -> None:
    one = searched(10, 30, UNMEASURED)
    assert earlier_search(STEP, [one], PLACES, NOW + timedelta(days=6)) == one
    assert earlier_search(STEP, [one], PLACES, NOW + timedelta(days=8)) is None


@pytest.mark.parametrize("place", [28, 29, 30, 31, 32])
def test_growth_over_many_commits_stays_known_when_its_most_likely_place_moves(place: int) -> None:
    """The range of such growth is as wide as the search was, and the next search has another range."""
    moved = suspected(place - 11, place - 1, place, min(place + 9, 39))
    assert earlier_search(moved, [searched(20, 39)], PLACES, NOW) == searched(20, 39)


def test_a_range_that_ends_between_two_measured_commits_counts() -> None:
    assert earlier_search(suspected(20, 24, 28, 34), [searched(10, 26)], PLACES, NOW) == searched(10, 26)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (searched(5, 15), (15, 30)),
        (searched(5, 19), (19, 30)),
        (searched(25, 35), (10, 25)),
        (searched(1, 2), (10, 30)),
        (searched(5, 15, NOT), (10, 30)),
        (searched(15, 5), (10, 30)),
        (searched(5, 15, metric=Metric.SETTLED_RSS), (10, 30)),
        (searched(5, 15).model_copy(update={"since": "f" * 40}), (10, 30)),
    ],
)
def test_growth_that_was_told_is_not_searched_again(known: StepLine, expected: tuple[int, int]) -> None:
    assert search_range(STEP, [known], PLACES) == expected


def elsewhere(one: StepLine) -> StepLine:
    return one.model_copy(update={"machine": "linux/arm64 cgroup-v2 2-cpus"})


@pytest.mark.parametrize("outcome", [NOT, UNMEASURED, NARROWED])
def test_only_what_is_confirmed_counts_for_other_machines(outcome: StepOutcome) -> None:
    assert earlier_search(STEP, [elsewhere(searched(10, 30, outcome))], PLACES, NOW) is None
    assert earlier_search(STEP, [elsewhere(searched(14, 15))], PLACES, NOW) is not None
    size = replace(STEP, machine=None)
    assert earlier_search(size, [elsewhere(searched(10, 30, outcome))], PLACES, NOW) is not None


def test_a_confirmed_step_settles_only_the_nearest_one() -> None:
    one, other = suspected(0, 4, 5, 11), suspected(5, 11, 12, 20)
    line = searched(6, 7)
    assert earlier_search(one, [line], PLACES, NOW, [one, other]) == line
    assert earlier_search(other, [line], PLACES, NOW, [one, other]) is None
    arm = replace(one, machine="linux/arm64 cgroup-v2 2-cpus")
    assert earlier_search(other, [line], PLACES, NOW, [arm, other]) == line, "a step there is none here"


def test_a_search_that_led_to_the_step_beside_it_begins_anew() -> None:
    one, other = suspected(0, 4, 5, 11), suspected(5, 11, 12, 20)
    lines = [searched(5, 9, NARROWED), searched(6, 7)]
    assert earlier_search(other, lines, PLACES, NOW, [one, other]) is None
    assert search_range(other, lines, PLACES) == (7, 20)


def test_of_searches_in_one_range_the_one_that_tried_most_goes_on() -> None:
    tried = [searched(15, 18, NARROWED).model_copy(update={"skipped": SHAS[16:place]}) for place in (18, 17, 16)]
    assert earlier_search(STEP, tried, PLACES, NOW) == tried[0]


def test_growth_that_is_spread_ends_the_narrow_searches() -> None:
    spread = searched(10, 30, NARROWED).model_copy(update={"is_spread": True})
    assert earlier_search(STEP, [searched(12, 18, NARROWED), spread, searched(10, 30, NARROWED)], PLACES, NOW) == spread


def test_a_range_counts_if_its_begin_is_older_than_all_that_is_read() -> None:
    line = searched(10, 30, NOT)
    newer = {sha: place - 11 for sha, place in PLACES.items() if place > 10}
    assert earlier_search(suspected(11, 19, 20, 30), [line], newer, NOW) == line


def test_a_line_with_as_many_failed_commits_as_can_be_is_read() -> None:
    shas = tuple(f"{number:064x}" for number in range(MOST_SKIPPED))
    update = {"skipped": shas, "whole": (SHAS[1], SHAS[9]), "is_spread": True}
    one, skipped = searched(3, 4, NARROWED).model_copy(update=update), SkippedLines()
    assert KindLines(StepLine, NOW, skipped).read(SHAS[4], one.text()) == [one]
    assert skipped.all() == ()
