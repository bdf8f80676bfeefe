"""What is said to have held the memory at the peak, and how near to it the look was."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import in_plain_text
from membudget.measure.probe.process_use import FileUse, Snapshot
from membudget.measure.trial import Trial
from membudget.report.at_peak import peak_look, peak_parts, peak_rows, peak_words
from membudget.report.causes import breakdown
from tests.support.builders import process, snapshot, trial


def looked(rss: float, seen: Snapshot) -> Trial:
    return replace(trial(rss), snapshot=seen)


def app(rss: float) -> Snapshot:
    return snapshot(process("app", rss=rss, pss=rss), rss=rss)


def said(*trials: Trial) -> str:
    look = peak_look(trials)
    assert look is not None
    return "".join(map(in_plain_text, peak_words(look)))


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([looked(40, app(40))], "at the peak (40.0 MiB): app 40.0 MiB"),
        ([looked(40, app(38))], "near the peak (38.0 of 40.0 MiB): app 38.0 MiB"),
        ([looked(70.1, app(43.7))], "closest look: 43.7 of 70.1 MiB, held by app 43.7 MiB"),
        ([looked(70.1, app(0.5))], "closest look: 512.0 KiB of 70.1 MiB, held by app 512.0 KiB"),
        (
            [looked(41, app(41)), looked(40, app(40)), looked(50, app(50))],
            "at the peak (41.0 MiB): app 41.0 MiB",
        ),
        (
            [looked(40, app(9)), looked(43, app(43)), looked(38, app(38))],
            "at the peak of trial 3 (38.0 MiB): app 38.0 MiB",
        ),
        ([looked(40, app(9)), looked(42, app(20))], "closest look of trial 2: 20.0 of 42.0 MiB, held by app 20.0 MiB"),
    ],
)
def test_a_look_says_how_near_to_which_peak_it_was(trials: list[Trial], expected: str) -> None:
    assert said(*trials) == expected


def test_without_a_look_or_a_peak_there_is_nothing_to_compare() -> None:
    assert peak_look([trial(40)]) is None
    unknown = replace(trial(None), snapshot=app(30))
    assert said(unknown) == "at the peak (30.0 MiB): app 30.0 MiB"


def test_programs_are_named_largest_first_and_the_rest_adds_up() -> None:
    seen = snapshot(
        *(process("gunicorn: worker", rss=20, pss=20, pid=pid) for pid in (1, 2, 3)),
        process("redis-server *:6379", rss=30, pss=30),
        *(process(f"tool{number}", rss=1, pss=1) for number in range(4)),
        rss=100,
    )
    seen = replace(seen, anon_bytes=95 * MIB)
    assert said(looked(100, seen)) == (
        "at the peak (100.0 MiB): 3 × gunicorn 60.0 MiB (20.0 MiB each); redis-server 30.0 MiB; 4.0 MiB in 4 other"
        " processes; 5.0 MiB in no process (files in a tmpfs); 1.0 MiB not seen in any process"
    )


def test_what_counts_more_than_once_is_subtracted() -> None:
    workers = (process("worker", rss=30, pss=None, pid=pid) for pid in (1, 2))
    seen = replace(snapshot(*workers, rss=40), is_near_limit=True)
    assert said(looked(40, seen)) == (
        "at the peak (40.0 MiB): 2 × worker 60.0 MiB (30.0 MiB each); less 20.0 MiB counted more than once;"
        " near the limit only the status of processes is read"
    )


def test_file_backed_memory_is_told_beside_the_peak() -> None:
    one = process("serve", rss=330, pss=300, file=30)
    seen = snapshot(one, rss=300, files=(FileUse("/usr/lib/libtorch.so", 21 * MIB),))
    assert said(looked(300, seen)) == (
        "at the peak (300.0 MiB): serve 300.0 MiB; not part of RSS: 30.0 MiB file-backed (libtorch.so 21.0 MiB)"
    )
    look = peak_look([looked(300, seen)])
    assert look is not None
    assert [tuple(map(in_plain_text, row)) for row in peak_rows(look)] == [
        ("serve", "1", "300.0 MiB", "30.0 MiB"),
        ("at the peak (300.0 MiB)", "–", "300.0 MiB", "30.0 MiB"),
    ]


def test_a_peak_of_a_few_processes_of_many_names_the_largest() -> None:
    seen = snapshot(*(process(f"tool{number}", rss=1, pss=1) for number in range(40)), rss=40)
    assert said(looked(40, seen)) == "at the peak (40.0 MiB): tool0 1.0 MiB; 39.0 MiB in 39 other processes"


@pytest.mark.thorough
@given(
    st.lists(st.tuples(st.sampled_from("abcdefg"), st.floats(0, 300)), min_size=1, max_size=30),
    st.floats(1, 3000),
    st.integers(1, 5),
)
def test_what_is_shown_adds_up_to_the_look_but_for_rounding(
    held: list[tuple[str, float]], rss: float, most: int
) -> None:
    seen = snapshot(*(process(name, rss=size, pss=size) for name, size in held), rss=rss)
    parts = peak_parts(breakdown(seen), most)
    assert abs(sum(part.bytes for part in parts) - seen.seen_bytes) <= 4 * (seen.seen_bytes // 1000)


def test_a_late_look_says_what_had_been_given_back() -> None:
    seen = replace(app(10), rss_bytes=40 * MIB, anon_bytes=40 * MIB, fell_bytes=30 * MIB, is_late=True)
    assert said(looked(40, seen)) == (
        "closest look: 10.0 of 40.0 MiB, held by app 10.0 MiB; the look came late: 30.0 MiB had already been freed"
    )


def test_the_peak_is_the_trials_own_and_not_that_of_the_snapshot() -> None:
    bare = trial(40)
    metrics = {**bare.metrics, Metric.PEAK_RSS: MetricValue.of(Metric.PEAK_RSS, 80 * MIB)}
    assert said(replace(bare, metrics=metrics, snapshot=app(40))).startswith("closest look: 40.0 of 80.0 MiB")
