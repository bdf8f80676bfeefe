"""Remembered results: what was put is what comes back, and nothing else is believed."""

import errno
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.measure.cache import ResultCache
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial
from tests.support.builders import certificate, phase, process, snapshot, trial

KEY = "a" * 64
LIMIT = 128 * MIB
SERIES = Series([1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 6], [7, 8, 9])


def trials() -> tuple[Trial, ...]:
    full = replace(
        trial(40),
        series=SERIES,
        certificate=certificate(40, 40),
        phases=(phase("steady", 0, 10, 40),),
        snapshot=snapshot(process("python3", rss=40, pss=None)),
    )
    return full, trial(41), trial(42)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> ResultCache:
    return ResultCache(tmp_path, said.append)


def file_of(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "results").iterdir()
    return path


def test_what_was_put_comes_back(cache: ResultCache, said: list[str]) -> None:
    assert cache.get(KEY) == ()
    cache.put(KEY, LIMIT, trials())
    assert cache.get(KEY) == trials()
    assert cache.get("b" * 64) == ()
    assert said == []


@pytest.mark.parametrize(
    "bad",
    [
        trial(40, oom_kills=1),
        replace(trial(40), workload_passed=False),
        trial(500),  # more than the limit holds
        replace(trial(40), duration_ms=-1),
        replace(trial(40), series=replace(SERIES, rss_bytes=[1])),
        replace(trial(40), series=replace(SERIES, time_us=[3, 2, 1])),
        replace(trial(40), metrics={Metric.PEAK_RSS: MetricValue.of(Metric.PEAK_RSS, 1)}),
        replace(trial(40), metrics={**trial(40).metrics, Metric.CPU_SECONDS: MetricValue.of(Metric.CPU_SECONDS, -1)}),
    ],
)
def test_what_did_not_pass_or_cannot_be_is_not_kept(
    cache: ResultCache, said: list[str], bad: Trial, tmp_path: Path
) -> None:
    cache.put(KEY, LIMIT, [trial(40), bad])
    assert cache.get(KEY) == ()
    assert said == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"measuring_version": 0}, "is from another version"),
        ({"membudget_version": "0.0.1"}, "is from another version"),
        ({"format": 2}, "is damaged, or from another version"),
        ({"key": "c" * 64}, "is of something else"),
        ({"limit_bytes": 20 * MIB}, "has a peak_rss out of range"),
        ({"trials": []}, "is damaged"),
        ({"more": 1}, "is damaged"),
    ],
)
def test_a_forged_file_is_ignored_and_says_so(
    cache: ResultCache, said: list[str], tmp_path: Path, forged: dict[str, object], why: str
) -> None:
    cache.put(KEY, LIMIT, trials())
    path = file_of(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | forged))
    assert cache.get(KEY) == ()
    (warning,) = said
    assert why in warning
    assert path.name in warning


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '{"format": 1}', "\udcff"])
def test_a_damaged_file_is_ignored(cache: ResultCache, said: list[str], tmp_path: Path, text: str) -> None:
    cache.put(KEY, LIMIT, trials())
    file_of(tmp_path).write_bytes(text.encode(errors="surrogateescape"))
    assert cache.get(KEY) == ()
    assert len(said) == 1


@pytest.mark.thorough
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutation_raises_and_what_is_believed_is_possible(
    cache: ResultCache, tmp_path: Path, data: st.DataObject
) -> None:
    cache.put(KEY, LIMIT, trials())
    path = file_of(tmp_path)
    content = bytearray(path.read_bytes())
    cut = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[:cut]) if data.draw(st.booleans()) else bytes(content))
    for one in cache.get(KEY):
        assert 0 <= (one.metrics[Metric.PEAK_RSS].value or 0) <= 1.05 * LIMIT
    path.unlink()


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("")
    cache = ResultCache(tmp_path / "file", said.append)
    cache.put(KEY, LIMIT, trials())
    assert len(said) == 1


@pytest.mark.parametrize("folder", ["a file", "nothing that may be written"])
def test_a_folder_that_cannot_be_used_is_one_note_for_all_images(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    if folder == "a file":
        (tmp_path / "results").write_text("")
    else:
        monkeypatch.setattr(tempfile, "mkstemp", raising(OSError(errno.EROFS, "Read-only file system")))
    cache = ResultCache(tmp_path, said.append)
    for key in "abc":
        assert cache.get(key * 64) == ()
        cache.put(key * 64, LIMIT, trials())
    (note,) = said
    assert note.startswith(f"the cache {tmp_path / 'results'} cannot be used: ")


def raising(error: OSError) -> Callable[..., object]:
    def do(*_: object, **__: object) -> object:
        raise error

    return do


def test_files_of_another_version_are_one_note(cache: ResultCache, said: list[str], tmp_path: Path) -> None:
    for key in "abc":
        cache.put(key * 64, LIMIT, trials())
        path = tmp_path / "results" / f"{key * 64}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"membudget_version": "0.0.1"}))
    assert [cache.get(key * 64) for key in "abc"] == [(), (), ()]
    assert len(said) == 1


def test_what_was_not_used_for_longest_goes_first(cache: ResultCache, tmp_path: Path) -> None:
    for number, key in enumerate("abc"):
        cache.put(key * 64, LIMIT, trials())
        os.utime(tmp_path / "results" / f"{key * 64}.json", (number, number))
    size = (tmp_path / "results" / f"{KEY}.json").stat().st_size
    cache.get(KEY)
    cache.prune(2 * size)
    assert cache.get(KEY)
    assert cache.get("c" * 64)
    assert cache.get("b" * 64) == ()
