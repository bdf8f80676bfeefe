"""What check writes is read, whatever it found: no result of a run is lost on the way to the pull request."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from membudget.budgets.entries import MOST_IMAGES
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.sharding import MOST_SHARDS
from membudget.measure.probe.messages import Series
from membudget.measure.profiling.heap_profile import (
    MOST_FRAMES,
    Frame,
    HeapProfile,
    PairProfile,
    ProfiledBy,
    ProfiledSide,
)
from membudget.publish import report_file, report_size
from membudget.publish.report_file import fitting, parse_report, read_report, read_reports, write_report
from membudget.publish.report_size import Sizes
from membudget.report.report import LARGEST_REPORT_BYTES, Report
from tests.support import builders
from tests.support.written_reports import written_reports


@pytest.mark.thorough
@pytest.mark.timeout(600)
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    max_examples=40,
)
@given(written_reports())
def test_every_report_that_the_types_allow_is_read_again(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_report(report, path)
        read = read_report(path)
        write_report(read, path)
        assert read_report(path) == read
    assert [image.name for image in read.images] == [image.name for image in report.images]
    for before, after in zip(report.images, read.images, strict=True):
        for side, again in zip(before.sides, after.sides, strict=True):
            assert {m: v.value for m, v in side.metrics.items()} == {m: v.value for m, v in again.metrics.items()}


@pytest.mark.thorough
@pytest.mark.timeout(600)
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    max_examples=20,
)
@given(written_reports())
def test_whatever_is_left_out_the_verdicts_stay(report: Report) -> None:
    judged = report.judged().judgement
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_report(report, path)
        lengths = [path.stat().st_size]
        while (less := fitting(report, lengths[-1] - 1)) is not None:
            smaller, text = less
            assert [one.verdict for one in smaller.judged().judgement.images] == [one.verdict for one in judged.images]
            assert parse_report(text, "a report").images == _read(smaller).images
            lengths.append(len(text))
    assert lengths[1:]


def _read(report: Report) -> Report:
    """As it is read: with whole characters."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        write_report(report, path)
        return read_report(path)


def _long(points: int, images: int, trials: int = 5) -> Report:
    column = [10**9 + number % 7 for number in range(points)]
    long = replace(builders.trial(40), series=Series(list(range(points)), *([column] * 4)))
    side = builders.side(*[long] * trials)
    return builders.report(*(builders.image(f"image{number}", base=side, head=side) for number in range(images)))


@pytest.mark.thorough
def test_a_report_of_many_long_trials_is_read_again(tmp_path: Path) -> None:
    made = _long(points=2000, images=12)
    write_report(made, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert read.judged().judgement == made.judged().judgement
    assert read.images[0].head is not None
    assert 20 <= len(read.images[0].head.trials[0].series.time_us) <= 500


@pytest.mark.thorough
def test_as_many_images_as_there_may_be_are_written_and_read(tmp_path: Path) -> None:
    made = _long(points=100, images=MOST_IMAGES, trials=2)
    write_report(made, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert [image.name for image in read.images] == [image.name for image in made.images]
    assert read.judged().judgement.verdict == made.judged().judgement.verdict
    assert len((tmp_path / "report.json").read_text().splitlines()) == 1


def _profiled(images: int, stacks: int) -> Report:
    """As many images with profiles of so many stacks, each as large as it may be."""
    calls = [tuple(Frame("n" * 200, f"/{stack}/{depth}", 1) for depth in range(MOST_FRAMES)) for stack in range(stacks)]
    profile = HeapProfile.of(ProfiledBy.PPROF, [(stack, 1000 - number) for number, stack in enumerate(calls)])
    measured = builders.image(base=builders.side(builders.trial(40)), head=builders.side(builders.trial(40)))
    pairs = (PairProfile(ProfiledSide(replace(profile)), ProfiledSide(replace(profile))) for _ in range(images))
    return builders.report(
        *(replace(measured, name=f"image{number}", profile=pair) for number, pair in enumerate(pairs))
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("images", "of", "stacks"), [(2, 400, 400), (3, 400, 100), (9, 400, 20), (41, 101, 0)])
def test_profiles_are_cut_before_a_report_gets_too_large(images: int, of: int, stacks: int, tmp_path: Path) -> None:
    made = _profiled(images, of)
    write_report(made, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert read.judged().judgement == made.judged().judgement
    pair = read.images[-1].profile
    assert pair is not None
    assert pair.head is not None
    assert pair.head.profile is None if not stacks else pair.head.profile and len(pair.head.profile.stacks) == stacks
    assert (pair.head.reason is None) == bool(stacks)


@pytest.mark.thorough
def test_a_report_is_written_once_however_much_has_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def json_text(report: Report, *, is_brief: bool) -> bytes:
        text = whole(report, is_brief=is_brief)
        lengths.append(len(text))
        return text

    whole = report_file.json_text
    monkeypatch.setattr(report_file, "json_text", json_text)
    made = _profiled(images=2, stacks=30)
    size = len(whole(made, is_brief=True))
    for most_bytes in (size * 3 // 4, size // 50):
        found = fitting(made, most_bytes)
        assert found is not None
        assert lengths == [len(found[1])]
        lengths.clear()
    assert fitting(made, 1000) is None
    assert lengths == []


@pytest.mark.thorough
@pytest.mark.timeout(600)
@settings(suppress_health_check=list(HealthCheck), max_examples=40)
@given(written_reports())
def test_what_fits_is_never_measured_as_too_long(report: Report) -> None:
    sizes = Sizes()
    for smaller, is_brief in report_file._ever_smaller(report):
        assert not sizes.exceed(smaller, len(report_file.json_text(smaller, is_brief=is_brief)))


@pytest.mark.thorough
def test_a_part_is_measured_once_and_no_more_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[object] = []

    def bytes_of(part: object) -> int:
        measured.append(part)
        return whole(part)

    whole = report_size._bytes_of
    monkeypatch.setattr(report_size, "_bytes_of", bytes_of)
    made = _profiled(images=9, stacks=20)
    fitting(made, len(report_file.json_text(made, is_brief=True)) // 2)
    profiles = [id(one) for one in measured if isinstance(one, HeapProfile)]
    assert 1 <= len(profiles) == len(set(profiles)) < 2 * 9


@pytest.mark.thorough
def test_a_report_that_cannot_be_made_small_enough_says_so(tmp_path: Path) -> None:
    made = builders.report(builders.image()).model_copy(update={"notes": ("x" * LARGEST_REPORT_BYTES,)})
    with pytest.raises(EnvironmentFault, match="the report of 1 image is too large to be written"):
        write_report(made, tmp_path / "report.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_reports_to_merge_are_no_more_together_than_one_may_be(tmp_path: Path) -> None:
    made = _long(points=500, images=20)
    for number in range(3):
        write_report(made, tmp_path / f"{number}.json")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > LARGEST_REPORT_BYTES
    read = read_reports([tmp_path])
    assert len(read) == 3
    assert sum(len(one.model_dump_json(exclude_defaults=True)) for one in read.values()) <= LARGEST_REPORT_BYTES
    assert all(one.judged().judgement == made.judged().judgement for one in read.values())


@pytest.mark.thorough
def test_reports_that_cannot_be_held_together_are_refused(tmp_path: Path) -> None:
    made = builders.report(builders.image()).model_copy(update={"notes": ("x" * (LARGEST_REPORT_BYTES - 50_000),)})
    for number in range(3):
        write_report(made, tmp_path / f"{number}.json")
    with pytest.raises(ConfigurationError, match="together with the other reports, it is too large"):
        read_reports([tmp_path])


@pytest.mark.thorough
def test_more_reports_than_a_check_has_shards_are_not_read(tmp_path: Path) -> None:
    for number in range(MOST_SHARDS + 1):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(ConfigurationError, match="these are 257 reports, more than the 256 that a check has"):
        read_reports([tmp_path])
