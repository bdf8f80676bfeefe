"""What a metric was at a time, from little of a history that may be large or hostile."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import pytest

from membudget.budgets.rules import Creep, Tolerance
from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.creep import LookedUp, Main, SincePlace, look_up
from membudget.history.line import HistoryLine, LineFault
from membudget.judge.then import Then, ThenState
from tests.support.history import MACHINE, NOW, line, text

COMMITS = [MainCommit(f"{number:040x}", 1_700_000_000 + number, f"commit {number}") for number in range(9, -1, -1)]
"""Newest first. The oldest has the number 0."""
KEY = ("api", Metric.PEAK_RSS)
FIVE_AGO = SincePlace(5)
WANTED = {KEY: Creep("v1", Tolerance(10, 2 * MIB))}


def sha(number: int) -> str:
    return f"{number:040x}"


class Notes:
    """Notes by the number of the commit, and how many of them were read."""

    def __init__(self, lines: Mapping[int, bytes]) -> None:
        self.lines = {sha(number): data for number, data in lines.items()}
        self.read = 0

    def __call__(self, commits: Sequence[str]) -> Iterator[Note]:
        for commit in commits:
            if commit in self.lines:
                self.read += 1
                yield Note(commit, self.lines[commit])


def at(number: int, mib: float, **changes: object) -> bytes:
    return text(line(sha(number), mib).model_copy(update=changes))


def looked_up(notes: Notes, place: SincePlace = FIVE_AGO, *, machine: str = MACHINE, excused: bool = False) -> LookedUp:
    """Look it up since the commit with the number 4, which five are newer than."""
    main = Main(COMMITS, {"v1": place}, is_excused=excused)
    return look_up(WANTED, main, machine, notes, NOW)


def then(notes: Notes, place: SincePlace = FIVE_AGO) -> Then:
    return looked_up(notes, place).then[KEY]


def mib(found: Then) -> float | None:
    return found.value.value / MIB if found.value.value is not None else None


def test_the_last_figure_up_to_the_time_counts() -> None:
    found = then(Notes({1: at(1, 30), 3: at(3, 40), 6: at(6, 41)}))
    assert (found.state, found.commit, mib(found), found.is_later) == (ThenState.FOUND, sha(3), 40, False)
    assert found.samples == line(sha(3), 40).samples


def test_without_one_the_first_figure_after_it_counts() -> None:
    found = then(Notes({7: at(7, 42), 6: at(6, 41)}))
    assert (found.commit, mib(found), found.is_later) == (sha(6), 41, True)


def test_little_is_read_while_nothing_has_grown() -> None:
    notes = Notes({number: at(number, 40) for number in range(10)})
    assert then(notes).added == ()
    assert notes.read == 2, "the one of then, and the newest"


def test_the_commits_that_added_most_are_named() -> None:
    sizes = {4: 40, 5: 40, 6: 46, 7: 45, 8: 48, 9: 49}
    found = then(Notes({number: at(number, size) for number, size in sizes.items()}))
    assert [(one.commit, one.subject, one.growth // MIB) for one in found.added] == [
        (sha(6), "commit 6", 6),
        (sha(8), "commit 8", 3),
        (sha(9), "commit 9", 1),
    ]


def test_a_commit_that_did_not_change_the_image_is_not_named() -> None:
    """A nightly job measured it again, after its base image had changed."""
    lines = {4: at(4, 40), 6: at(6, 48, refresh=True), 7: at(7, 51)}
    found = then(Notes(lines))
    assert [(one.commit, one.growth // MIB) for one in found.added] == [(sha(7), 3)]


def test_a_refresh_of_a_commit_does_not_hide_what_it_added() -> None:
    """The newest commit grew, and was measured again with a new base image while it stayed the newest."""
    later = {"time": NOW + timedelta(hours=1), "refresh": True}
    lines = {4: at(4, 40), 6: at(6, 48) + at(6, 50, **later), 7: at(7, 51)}
    found = then(Notes(lines))
    assert [(one.commit, one.growth // MIB) for one in found.added] == [(sha(6), 8), (sha(7), 1)]


@pytest.mark.parametrize("number", [4, 6], ids=["at the time", "the first figure after it"])
@pytest.mark.parametrize("refresh", [False, True], ids=["measured for itself", "refreshes alone"])
def test_a_refresh_from_long_after_that_time_does_not_count(number: int, refresh: bool) -> None:
    """A release stayed the newest commit for weeks, in which its base image grew."""
    weeks_later = {"time": NOW + timedelta(hours=1), "refresh": True}
    found = then(Notes({number: at(number, 40, refresh=refresh) + at(number, 48, **weeks_later), 7: at(7, 51)}))
    assert (found.commit, mib(found)) == (sha(number), 40)


def test_a_refresh_from_before_that_time_counts() -> None:
    lines = {3: at(3, 40) + at(3, 44, time=NOW + timedelta(hours=1), refresh=True), 7: at(7, 51)}
    assert mib(then(Notes(lines))) == 44


def test_no_history_is_a_first_set_up() -> None:
    assert then(Notes({})).state is ThenState.NO_HISTORY
    others = Notes({3: text(line(sha(3), image="web"))})
    assert then(others).state is ThenState.NO_HISTORY
    assert (
        then(Notes({}), SincePlace(None, "the branch has no tag yet", is_first_setup=True)).state
        is ThenState.NO_HISTORY
    )


def test_a_place_that_is_not_known_is_no_first_set_up() -> None:
    found = then(Notes({3: at(3, 40)}), SincePlace(None, "this clone is shallow"))
    assert (found.state, found.value.reason) == (ThenState.UNKNOWN, "this clone is shallow")


@pytest.mark.parametrize(
    "damaged",
    [at(3, 40)[:60], at(3, 40)[:-20], b"{}\n", b"x\n", at(3, 40, value=1), at(3, 40, commit=sha(2)),
     at(3, 40).replace(b'"v":1', b'"v":2'), at(3, 40).replace(b"2026", b"2036"), b" " * 9_000_000],
)  # fmt: skip
def test_damaged_history_is_never_taken_for_none(damaged: bytes) -> None:
    found = looked_up(Notes({3: damaged}))
    assert found.then[KEY].state is ThenState.UNKNOWN
    assert sum(one.count for one in found.skipped) >= 1


def of_new_image(damaged: bytes) -> ThenState:
    main = Main(COMMITS, {"v1": FIVE_AGO}, new_images={"api"})
    return look_up(WANTED, main, MACHINE, Notes({3: damaged}), NOW).then[KEY].state


@pytest.mark.parametrize("damaged", [b"x\n", at(3, 40)[:-20], b'{"v":2,"name":"api"}\n', b" " * 9_000_000])
def test_damage_that_names_no_image_does_not_keep_a_new_one_out(damaged: bytes) -> None:
    """It would never get its first figure."""
    assert of_new_image(damaged) is ThenState.NO_HISTORY
    assert then(Notes({3: damaged})).state is ThenState.UNKNOWN


@pytest.mark.parametrize("damaged", [at(3, 40, value=1), at(3, 40).replace(b'"v":1', b'"v":2')])
def test_damage_that_names_an_image_counts_also_if_it_is_new(damaged: bytes) -> None:
    assert of_new_image(damaged) is ThenState.UNKNOWN


def test_damaged_lines_about_other_images_do_not_count() -> None:
    web = line(sha(3), image="web")
    contradiction = web.model_copy(update={"value": 1})
    newer = text(web).replace(b'"v":1', b'"v":2')
    assert then(Notes({3: text(contradiction), 2: newer})).state is ThenState.NO_HISTORY


@pytest.mark.parametrize("damaged", [text(line(sha(3), image="web"))[:40] + at(3, 40), at(3, 40).replace(b":", b": ")])
def test_a_line_that_may_be_about_the_image_counts(damaged: bytes) -> None:
    assert then(Notes({3: damaged})).state is ThenState.UNKNOWN


def test_an_older_figure_stands_for_a_damaged_one() -> None:
    found = looked_up(Notes({2: at(2, 39), 3: at(3, 40, value=1)}))
    assert mib(found.then[KEY]) == 39
    assert {one.fault for one in found.skipped} == {LineFault.IMPOSSIBLE}


def test_a_lower_bound_is_nothing_to_grow_from() -> None:
    assert mib(then(Notes({2: at(2, 39), 3: at(3, 20, lower_bound=True)}))) == 39


def test_a_history_of_lower_bounds_is_no_first_set_up() -> None:
    found = then(Notes({3: at(3, 20, lower_bound=True), 7: at(7, 21, lower_bound=True)}))
    assert (found.state, found.value.reason) == (ThenState.UNKNOWN, "the history has only lower bounds of it")


def test_figures_of_other_machines_are_not_compared() -> None:
    notes = Notes({2: at(2, 39), 3: at(3, 20, machine="linux/arm64 cgroup-v2 2-cpus")})
    assert mib(then(notes)) == 39
    elsewhere = looked_up(notes, machine="linux/amd64 cgroup-v1 2-cpus").then[KEY]
    assert elsewhere.state is ThenState.UNKNOWN
    own = looked_up(notes, machine="linux/amd64 cgroup-v1 2-cpus", excused=True).then[KEY]
    assert own.state is ThenState.EXCUSED


def test_sizes_of_images_are_the_same_on_all_machines() -> None:
    def size(number: int) -> HistoryLine:
        return line(sha(number), 100, metric=Metric.IMAGE_SIZE).model_copy(update={"machine": "other"})

    key = ("api", Metric.IMAGE_SIZE)
    main = Main(COMMITS, {"v1": SincePlace(5)})
    found = look_up({key: WANTED[KEY]}, main, MACHINE, Notes({3: text(size(3))}), NOW)
    assert found.then[key].state is ThenState.FOUND


def test_a_history_that_cannot_be_fetched_is_unknown() -> None:
    found = look_up(WANTED, Main(problem="the history cannot be fetched"), MACHINE, Notes({}), NOW)
    assert (found.then[KEY].state, found.then[KEY].value.reason) == (ThenState.UNKNOWN, "the history cannot be fetched")
