"""Which images a nightly job measures again, and how many fit into its time."""

from collections.abc import Collection
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.history.line import SkippedLines
from membudget.history.series import SeriesPoint, points_of
from membudget.history.stale import AttemptLine, LastFigure, Night, durations_ms, last_figures
from tests.support.history import MACHINE, NOW, line, text

DAY = timedelta(days=1)
SHA = "a" * 40


def measured(image: str, days_ago: float, **changes: object) -> SeriesPoint:
    when = {"time": NOW - timedelta(days=days_ago), **changes}
    return SeriesPoint(MainCommit(SHA, 0, "subject"), line(SHA, image=image).model_copy(update=when))


def test_images_that_were_never_measured_come_first_then_the_oldest() -> None:
    points = [measured("api", 3), measured("web", 9), measured("api", 20), measured("gone", 99)]
    found = last_figures(points, [], ["api", "new", "web"], MACHINE)
    assert [(one.image, one.time and (NOW - one.time).days) for one in found] == [("new", None), ("web", 9), ("api", 3)]


def test_figures_of_other_machines_keep_no_image_fresh() -> None:
    found = last_figures([measured("api", 1, machine="another")], [], ["api"], MACHINE)
    assert found == [LastFigure("api", None)]


def test_another_kind_of_machine_that_measured_later_hides_no_figure() -> None:
    mine = line(SHA).model_copy(update={"time": NOW - DAY})
    other = line(SHA).model_copy(update={"time": NOW - DAY / 2, "machine": "another"})
    commits = [MainCommit(SHA, 0, "subject")]
    points = points_of(commits, [Note(SHA, text(mine, other))], NOW, SkippedLines())
    assert last_figures(points, [], ["api"], MACHINE) == [LastFigure("api", mine.time)]


def test_how_long_an_image_takes_is_known_of_such_a_machine() -> None:
    took = [measured("api", day, took_ms=ms) for day, ms in enumerate((900, 20, 30, 5, 5, 5))]
    (api, web) = last_figures([*took, measured("web", 9, machine="another", took_ms=1)], [], ["api", "web"], MACHINE)[
        ::-1
    ]
    assert (api.took_ms, web.took_ms) == (30, None)


@pytest.mark.parametrize(("days_ago", "is_older"), [(6.9, False), (7.1, True), (-0.9, False)])
def test_a_figure_is_stale_after_its_days(days_ago: float, is_older: bool) -> None:
    """A clock that is ahead by less than a day makes a figure look young."""
    assert LastFigure("api", NOW - days_ago * DAY).is_older(7 * DAY, NOW) is is_older


def test_the_median_of_the_newest_three_times_counts() -> None:
    took = [measured("api", day, took_ms=ms) for day, ms in enumerate((900, 20, 30, 5, 5, 5))]
    assert durations_ms(took, ["api"]) == {"api": 30}
    assert durations_ms([measured("api", 1), measured("web", 1, took_ms=7)], ["api", "web"]) == {"web": 7}


def test_builds_without_a_cache_do_not_hide_how_long_an_image_usually_takes() -> None:
    refreshes = [measured("calm", day, took_ms=600, refresh=True) for day in range(3)]
    usual = [measured("calm", 5, took_ms=20), measured("busy", 6, took_ms=60)]
    assert durations_ms([*refreshes, *usual], ["calm", "busy"]) == {"calm": 20, "busy": 60}


def test_the_time_of_a_line_that_a_refresh_replaced_counts() -> None:
    refresh, first = measured("api", 0, took_ms=600, refresh=True), measured("api", 5, took_ms=20)
    assert durations_ms([SeriesPoint(refresh.commit, refresh.line, first.line)], ["api"]) == {"api": 20}


def test_times_of_refreshes_count_if_there_are_no_others() -> None:
    points = [measured("api", 0, took_ms=600, refresh=True), measured("api", 1)]
    assert durations_ms(points, ["api"]) == {"api": 600}


def test_times_come_from_the_kind_of_machine_that_measured_most_images() -> None:
    arm = [measured("api", 0, took_ms=900, machine="arm64"), measured("db", 1, took_ms=900, machine="arm64")]
    amd = [measured(image, 2, took_ms=60, machine="amd64") for image in ("api", "web", "db")]
    assert durations_ms([*arm, *amd], ["api", "db", "web"]) == {"api": 60, "db": 60, "web": 60}
    assert durations_ms([*arm, amd[1]], ["api", "db", "web"]) == {"api": 900, "db": 900}
    assert durations_ms([arm[0], amd[1]], ["api", "web"]) == {"api": 900}, "of equals, the newest"


def test_points_are_read_until_enough_is_known() -> None:
    read = []

    def points() -> object:
        for day in range(100):
            read.append(day)
            yield measured("api", day, took_ms=10)

    durations_ms(points(), ["api"])  # type: ignore[arg-type]
    assert len(read) == 3


def failed(image: str, days_ago: float, took_ms: int = 1, machine: str = MACHINE) -> AttemptLine:
    when = NOW - timedelta(days=days_ago)
    return AttemptLine(image=image, commit=SHA, time=when, machine=machine, took_ms=took_ms, membudget="0.1.0")


def test_an_image_that_was_tried_in_vain_waits_behind_those_that_were_not() -> None:
    """It stays stale, so it would be the first of every night."""
    attempts = [failed("broken", 2, 700), failed("broken", 1, 900), failed("web", 0.5, machine="another")]
    found = last_figures([measured("web", 9)], attempts, ["broken", "new", "web"], MACHINE)
    assert [one.image for one in found] == ["new", "web", "broken"]
    assert (found[2].failed_ms, found[1].failed_ms) == (900, None)
    assert all(one.is_older(7 * DAY, NOW) for one in found)


def all_nights(night: Night, most: int, took_ms: dict[str, int], broken: Collection[str] = ()) -> list[tuple[str, ...]]:
    """The rounds of one night. Each takes as long as its longest image."""
    rounds, elapsed_ms = [], 0
    while images := night.next_images(elapsed_ms, most):
        rounds.append(images)
        elapsed_ms += max(took_ms[image] for image in images)
        night.learn({image: took_ms[image] for image in images if image not in broken})
    return rounds


def test_what_fits_into_the_time_is_measured_oldest_first() -> None:
    took = {"a": 10, "b": 50, "c": 10, "d": 20}
    night = Night(list(took), dict(took), budget_ms=45)
    assert all_nights(night, 1, took) == [("a",), ("c",), ("d",)]
    assert night.due == ["b"], "it is left for the next night, as the oldest"


def test_the_first_image_is_measured_also_if_it_takes_too_long() -> None:
    took = {"b": 50, "a": 10}
    night = Night(list(took), dict(took), budget_ms=45)
    assert all_nights(night, 2, took) == [("b",)]


def test_while_no_time_is_known_one_image_is_measured_and_stands_for_the_others() -> None:
    took = dict.fromkeys("abcdef", 10)
    night = Night(list(took), {}, budget_ms=45)
    assert all_nights(night, 2, took) == [("a",), ("b", "c"), ("d", "e"), ("f",)]


def test_an_image_that_fails_ends_no_night_in_which_nothing_is_known() -> None:
    took = dict.fromkeys(["broken", "a", "b"], 10)
    assert all_nights(Night(list(took), {}, 1000), 1, took, {"broken"}) == [("broken",), ("a",), ("b",)]
    assert all_nights(Night(list(took), {}, 1000), 2, took, set(took)) == [("broken",), ("a",), ("b",)]
    assert all_nights(Night(list(took), {}, 10), 1, took, set(took)) == [("broken",)], "the time is up"


def test_a_failure_says_only_how_long_that_image_takes() -> None:
    night = Night(["first", "broken", "a"], {"first": 10}, 45, failed_ms={"broken": 40})
    assert all_nights(night, 1, {"first": 10, "a": 10}) == [("first",), ("a",)]
    assert night.due == ["broken"]


def test_without_a_limit_everything_is_measured() -> None:
    took = dict.fromkeys("abc", 10**9)
    assert all_nights(Night(list(took), {}, None), 2, took) == [("a", "b"), ("c",)]


times = st.dictionaries(st.sampled_from([f"image-{number}" for number in range(30)]), st.integers(0, 500), min_size=1)


@pytest.mark.thorough
@given(times, st.integers(0, 2000), st.integers(1, 4))
def test_a_night_ends_in_time_but_for_its_first_round(took: dict[str, int], budget_ms: int, most: int) -> None:
    night = Night(list(took), dict(took), budget_ms)
    rounds = all_nights(night, most, took)
    spent = [max(took[image] for image in images) for images in rounds]
    assert rounds, "at least one is measured"
    assert sum(spent) <= max(budget_ms, spent[0])
    assert sorted(image for images in rounds for image in images) + sorted(night.due) != []
    assert {*night.begun, *night.due} == set(took)


@pytest.mark.thorough
@given(times, st.sets(st.integers(0, 29)), st.integers(1, 500), st.integers(1, 4))
def test_every_image_has_its_night(took: dict[str, int], failing: set[int], budget_ms: int, most: int) -> None:
    """However short the nights are, and whatever fails: each night, what was tried becomes the youngest."""
    broken = {f"image-{number}" for number in failing}
    points: list[SeriesPoint] = []
    attempts: list[AttemptLine] = []
    seen: set[str] = set()
    for days_ago in range(len(took), 0, -1):
        last = last_figures(points[::-1], attempts, took, MACHINE)
        known = {one.image: one.took_ms for one in last if one.took_ms is not None}
        failed_ms = {one.image: one.failed_ms for one in last if one.failed_ms is not None}
        night = Night([one.image for one in last], known, budget_ms, failed_ms)
        all_nights(night, most, took, broken)
        seen |= {*night.begun}
        points += [measured(image, days_ago, took_ms=took[image]) for image in night.begun if image not in broken]
        attempts += [failed(image, days_ago, took[image]) for image in night.begun if image in broken]
    assert seen == set(took)
