"""The file of recorded trials: what is written is read back, and nothing else is accepted."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.recorded_noise import (
    METRICS,
    RecordedNoise,
    RecordedTrial,
    RecordedWorkload,
    middle_half_percent,
    range_percent,
    read,
    write,
)
from membudget.budgets.file import parse
from membudget.core.errors import ConfigurationError
from membudget.core.metrics import Metric

NOISE = Path(__file__).parents[3] / "benchmarks" / "noise"
COUNTS = st.integers(min_value=0, max_value=1 << 50)
TRIALS = st.builds(
    RecordedTrial,
    peak_rss=COUNTS,
    peak_memory=COUNTS,
    peak_working_set=COUNTS,
    settled_rss=st.none() | COUNTS,
    startup_time=st.none() | COUNTS,
    cpu_seconds=COUNTS,
)


def trial(peak_rss: int = 100) -> RecordedTrial:
    return RecordedTrial(
        peak_rss=peak_rss, peak_memory=3, peak_working_set=2, settled_rss=None, startup_time=None, cpu_seconds=1
    )


def workload(name: str = "jvm", *trials: RecordedTrial) -> RecordedWorkload:
    return RecordedWorkload(
        name=name,
        description="grows {as it likes}",
        load="requests",
        recorded_on=date(2026, 11, 24),
        trials=trials or (trial(), trial()),
    )


def noise(*workloads: RecordedWorkload) -> RecordedNoise:
    return RecordedNoise(machine="2 cores", workloads=workloads)


@pytest.mark.thorough
@given(st.lists(TRIALS, min_size=2, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, trials: list[RecordedTrial]) -> None:
    path = tmp_path_factory.mktemp("noise") / "recorded.json"
    recorded = noise(workload("jvm", *trials), workload("node"))
    write(recorded, path)
    assert read(path) == recorded


def test_a_trial_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    write(noise(workload("jvm", trial(11), trial(12))), path)
    lines = [line for line in path.read_text().splitlines() if "peak_rss" in line]
    assert [line.split()[2] for line in lines] == ["11,", "12,"]


def test_a_missing_record_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make bench-record-noise"):
        read(tmp_path / "recorded.json")


@pytest.mark.parametrize(
    ("written", "instead"),
    [('"peak_rss": 100', '"peak_rss": -1'), ('"peak_rss": 100', '"peak_rss": 1.5'), ('"load"', '"loda"')],
)
def test_a_record_of_something_else_is_refused(tmp_path: Path, written: str, instead: str) -> None:
    path = tmp_path / "recorded.json"
    write(noise(workload()), path)
    assert written in path.read_text()
    path.write_text(path.read_text().replace(written, instead))
    with pytest.raises(ConfigurationError, match=r"workloads\.0"):
        read(path)


def test_a_workload_recorded_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="recorded twice"):
        noise(workload("jvm"), workload("jvm"))


def test_a_new_record_of_a_workload_replaces_the_earlier_one_where_it_was() -> None:
    anew = workload("jvm", trial(7), trial(8))
    recorded = noise(workload("jvm"), workload("node")).with_workload(anew)
    assert recorded == noise(anew, workload("node"))


def test_a_first_record_of_a_workload_comes_last() -> None:
    assert noise(workload("jvm")).with_workload(workload("node")) == noise(workload("jvm"), workload("node"))


def test_a_job_has_no_settled_rss() -> None:
    assert workload().values(Metric.SETTLED_RSS) == []
    assert workload().values(Metric.PEAK_RSS) == [100, 100]


def test_spreads_are_percents_of_the_median() -> None:
    assert range_percent([90, 100, 100, 120]) == 30
    assert middle_half_percent([80, 90, 100, 110, 120]) == 20


def test_what_was_recorded_are_the_workloads_of_the_budgets_file() -> None:
    recorded = read()
    specs = parse((NOISE / "budgets.toml").read_text(), "budgets.toml", NOISE)
    assert {workload.name: len(workload.trials) for workload in recorded.workloads} == {
        name: spec.trials.max for name, spec in specs.items()
    }
    for each in recorded.workloads:
        is_job = specs[each.name].workload.kind == "command"
        absent = {Metric.SETTLED_RSS, Metric.STARTUP_TIME} if is_job else set()
        assert {metric for metric in METRICS if not each.values(metric)} == absent
        assert min(each.values(Metric.PEAK_RSS)) > 0
