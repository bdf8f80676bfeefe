"""What check writes is read, whatever it found: no result of a run is lost on the way to the pull request."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from membudget.publishing.report_file import parse_foreign_report, read_report, write_report
from membudget.report.report import Report
from membudget.trials.probe_messages import Series
from tests.support import builders
from tests.support.written_reports import written_reports


@pytest.mark.timeout(600)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
@given(written_reports())
def test_every_report_that_the_types_allow_is_read_again(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_report(report, path)
        read = read_report(path)
        write_report(read, path)
        assert read_report(path) == read
        assert parse_foreign_report(path.read_bytes(), "a report") == read
    assert [image.name for image in read.images] == [image.name for image in report.images]
    for before, after in zip(report.images, read.images, strict=True):
        for side, again in zip(before.sides, after.sides, strict=True):
            assert {m: v.value for m, v in side.metrics.items()} == {m: v.value for m, v in again.metrics.items()}


def test_a_report_of_many_long_trials_is_read_by_the_reporter_too() -> None:
    count = 2000
    column = [10**9 + number % 7 for number in range(count)]
    series = Series(list(range(count)), *([column] * 4))
    long = replace(builders.trial(40), series=series)
    images = [
        builders.image(f"image{number}", base=builders.side(*[long] * 3), head=builders.side(*[long] * 3))
        for number in range(12)
    ]
    made = builders.report(*images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_report(made, path)
        read = parse_foreign_report(path.read_bytes(), "a report")
    assert read.judged() == made.judged()
    assert read.images[0].head is not None
    assert 20 <= len(read.images[0].head.trials[0].series.time_us) <= 500
