from datetime import timedelta

from membudget.build.history_place import Note
from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.history.line import HistoryLine, LineFault, SkippedLines, line_filter
from membudget.history.series import last_measured, points_of, series_of
from tests.support.history import MACHINE, NOW, line, text

COMMITS = [MainCommit(sha * 40, 1_700_000_000 + number, f"commit {sha}") for number, sha in enumerate("abc")]
A, B, C = (commit.sha for commit in COMMITS)


def test_series_follow_the_branch_whatever_clocks_said() -> None:
    early = line(C, 42).model_copy(update={"time": NOW - timedelta(days=900)})
    notes = [Note(A, text(line(A, 40), line(A, 100, metric=Metric.IMAGE_SIZE))), Note(C, text(early))]
    (size, peak) = series_of(points_of(COMMITS, notes, NOW, SkippedLines()))
    assert (size.metric, [point.commit.sha for point in size.points]) == (Metric.IMAGE_SIZE, [A])
    assert [point.commit.sha for point in peak.points] == [A, C]


def test_lines_of_commits_that_were_rewritten_have_no_effect() -> None:
    skipped = SkippedLines()
    gone = "d" * 40
    assert series_of(points_of(COMMITS, [Note(gone, text(line(gone)))], NOW, skipped)) == []
    assert skipped.all() == ()


def test_of_two_lines_about_the_same_the_last_measured_counts() -> None:
    later = line(A, 50).model_copy(update={"time": NOW + timedelta(seconds=1)})
    for lines in ([line(A), later], [later, line(A)]):
        assert last_measured(lines) == [later]


def test_kinds_of_machines_do_not_hide_each_other() -> None:
    """Two runners measure the same commit at different times."""
    later = line(A, 50).model_copy(update={"machine": "another", "time": NOW + timedelta(hours=12)})
    sizes = [one.model_copy(update={"metric": Metric.IMAGE_SIZE}) for one in (line(A), later)]
    notes = [Note(A, text(later, *sizes, line(A)))]
    size, peak = series_of(points_of(COMMITS, notes, NOW, SkippedLines()))
    assert [point.line for point in peak.points] == [line(A), later]
    assert [point.line for point in peak.one_per_commit] == [later]
    assert [point.line for point in size.points] == [sizes[1]], "sizes are the same on all machines"


def test_a_refresh_keeps_the_first_figure_of_the_commit_itself_beside_it() -> None:
    def changed(mib: float, minutes: int, **changes: object) -> HistoryLine:
        return line(A, mib).model_copy(update={"time": NOW + timedelta(minutes=minutes), **changes})

    first, again, refresh = changed(50, 1), changed(51, 2), changed(55, 3, refresh=True)
    elsewhere = changed(10, 0, machine="another")
    notes = [Note(A, text(refresh, again, first, elsewhere)), Note(B, text(line(B), changed(60, 0, commit=B)))]
    points = [point for point in points_of(COMMITS, notes, NOW, SkippedLines()) if point.line.machine == MACHINE]
    assert [(point.line.value, point.own and point.own.value) for point in points] == [
        (refresh.value, first.value),
        (line(B, 60).value, line(B, 60).value),
    ]


def test_a_commit_with_refreshes_alone_has_no_figure_of_its_own() -> None:
    notes = [Note(A, text(line(A).model_copy(update={"refresh": True})))]
    [point] = points_of(COMMITS, notes, NOW, SkippedLines())
    assert point.own is None


def test_the_size_of_an_image_is_its_own_on_any_machine() -> None:
    size = line(A, 40, metric=Metric.IMAGE_SIZE)
    later = {"time": NOW + timedelta(minutes=1), "machine": "another", "refresh": True}
    points = list(points_of(COMMITS, [Note(A, text(size, size.model_copy(update=later)))], NOW, SkippedLines()))
    assert size in [point.own for point in points]


def test_a_note_that_was_too_large_is_counted() -> None:
    skipped = SkippedLines()
    assert list(points_of(COMMITS, [Note(B, None)], NOW, skipped)) == []
    assert [one.fault for one in skipped.all()] == [LineFault.TOO_LARGE]


def test_one_image_is_picked_out() -> None:
    notes = [Note(A, text(line(A), line(A, image="web")))]
    found = points_of(COMMITS, notes, NOW, SkippedLines(), line_filter(["web"], []))
    assert [point.line.image for point in found] == ["web"]
