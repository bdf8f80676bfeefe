"""The file of a fit: written whole, and read as if a stranger had written it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from membudget.core.errors import ConfigurationError
from membudget.core.quantities import GIB, MIB
from membudget.core.sharding import MOST_SHARDS
from membudget.judge.fitted import Cost, Discomfort
from membudget.judge.whole import Coverage
from membudget.publish import fit_file
from membudget.publish.fit_file import parse_fit, read_fit, read_fits, write_fit
from membudget.report.fit_report import FitReport
from tests.fakes.fitted import answering, everything, fitted, part, report
from tests.fakes.limited_services import monotone
from tests.support.builders import report as check_report


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for made in (report(*everything()), part(2, fitted("api", answering))):
        write_fit(made, tmp_path / "fit.json")
        assert read_fit(tmp_path / "fit.json") == made


def test_a_large_median_of_bytes_is_read_again(tmp_path: Path) -> None:
    made = part(1, fitted("api", answering))
    (image,) = made.model_dump()["images"]
    image["costs_below"] = (Cost(Discomfort.REFAULTS, 300.5 * GIB),)
    large = FitReport.model_validate({**made.model_dump(), "images": [image]})
    write_fit(large, tmp_path / "fit.json")
    assert read_fit(tmp_path / "fit.json") == large


def test_reports_are_found_below_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("api", "web"), start=1):
        write_fit(part(number, fitted(name, answering)), tmp_path / f"fit-{number}" / "fit.json")
    assert [one.shard.number for one in read_fits([tmp_path]).values() if one.shard] == [1, 2]


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(part(1, fitted("api", monotone(50 * MIB))).model_dump_json())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "1 problem, the first at its top: json_invalid"),
        (b"[" * 100_000, "nests too deeply"),
        (b"[" + b"{}," * 200_000 + b"{}]", "has too many values"),
        (changed(lambda of: of.update(more=1)), "the first at more: extra_forbidden"),
        (changed(lambda of: of.pop("images")), "the first at images: missing"),
        (changed(lambda of: of.update(confirmations=10**30)), "a whole number is out of range"),
        (changed(lambda of: of["images"][0].update(survives_bytes=-1)), "greater_than_equal"),
        (changed(lambda of: of["images"][0].update(survives_bytes="1")), "survives_bytes: int_type"),
        (changed(lambda of: of["images"][0].update(limit_bytes=MIB)), "a limit is below the one that survives"),
        (changed(lambda of: of["images"][0].update(survives_bytes=None)), "a limit is below the one that survives"),
        (changed(lambda of: of["images"][0]["rungs"][0].update(passed=99)), "the outcomes of a rung do not add up"),
        (changed(lambda of: of["images"].append(of["images"][0])), "two images have the same name"),
        (changed(lambda of: of["shard"].update(number=3)), "its shard is none"),
        (changed(lambda of: of["coverage"].update(known=[])), "it was to check images that there are not"),
        (changed(lambda of: of.update(coverage={"planned": [], "known": []})), "images that it was not to check"),
        (check_report().model_dump_json().encode(), "the first at confirmations: missing"),
    ],
)
def test_what_is_no_report_of_a_fit_is_refused_without_a_quote(data: bytes, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_fit(data, "fit.json")
    assert str(refused.value).startswith("fit.json: is no report of a fit of this version of membudget: ")
    assert why in str(refused.value)
    assert "fix: fit and merge with the same version of membudget" in str(refused.value)


def test_files_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_file, "_LARGEST_BYTES", 5_000)
    for number in (1, 2, 3):
        write_fit(part(number, fitted("api", monotone(50 * MIB)), of=3), tmp_path / f"{number}.json")
    with pytest.raises(ConfigurationError, match="together with the other reports, it has more than 5,000 bytes"):
        read_fits([tmp_path])
    with pytest.raises(ConfigurationError, match="has more than 20,000,000 bytes"):
        parse_fit(b" " * 20_000_001, "fit.json")


@pytest.mark.thorough
def test_more_files_than_a_fit_has_shards_are_refused(tmp_path: Path) -> None:
    for number in range(MOST_SHARDS + 1):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(ConfigurationError, match="these are 257 reports, more than the 256 that a fit has"):
        read_fits([tmp_path])


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("fit.json")
    if kind == "a folder":
        path.mkdir()
    with pytest.raises(ConfigurationError, match=r"there is no report|cannot be read"):
        read_fit(path)


def test_images_that_are_in_no_budgets_file_have_any_name() -> None:
    named = report(fitted("debian:bookworm-slim", answering))
    assert parse_fit(named.model_dump_json().encode(), "x") == named
    assert named.coverage == Coverage((), ())
