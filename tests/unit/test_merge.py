"""Parts of a check: one report, if they belong together."""

import json
from pathlib import Path
from typing import Any

import pytest

from membudget.analysis.groups import GroupMeasurement
from membudget.analysis.metric_verdict import Verdict
from membudget.errors import ConfigurationError
from membudget.merge import merge
from membudget.publishing.report_file import read_report, read_reports, write_report
from membudget.report.comment import render
from membudget.report.report import Report
from membudget.report.table import verdict_line
from membudget.sharding import Shard
from tests.support.builders import budgets, image, report, side, trial

SUMS = (GroupMeasurement("both", ("a", "b"), budgets(max_size=150)),)


def part(number: int, *names: str, of: int = 2, rss: float = 40, **changes: Any) -> Report:
    made = report(*(image(name, base=side(trial(40)), head=side(trial(rss)), allowed=budgets(max_rss=64))
                    for name in names))  # fmt: skip
    return made.model_copy(update={"shard": Shard(number, of), **changes})


def test_all_parts_make_one_report() -> None:
    merged = merge({"two": part(2, "b", notes=("n", "m")), "one": part(1, "a", "c", notes=("n",))})
    assert [one.name for one in merged.images] == ["a", "c", "b"]
    assert (merged.shard, merged.missing_shards, merged.verdict) == (None, (), Verdict.PASS)
    assert merged.notes == ("n", "m")


def test_sums_are_judged_once_all_is_there() -> None:
    parts = {name: part(number, name, groups=SUMS) for number, name in enumerate("ab", start=1)}
    assert all(one.judged().verdict is Verdict.PASS for one in parts.values())
    assert merge(parts).verdict is Verdict.FAIL


def test_a_missing_shard_is_named_and_fails() -> None:
    merged = merge({"two": part(2, "b", of=3)})
    judged = merged.judged()
    assert merged.missing_shards == (1, 3)
    assert merged.verdict is judged.verdict is Verdict.INCONCLUSIVE
    assert verdict_line(merged, judged) == "shard 1 is missing; shard 3 is missing"
    assert "shard 1 is missing" in render(merged, judged)
    over = merge({"two": part(2, "b", rss=70)})
    assert over.verdict is Verdict.FAIL
    assert verdict_line(over, over.judged()).startswith("1 of 1 image over budget; ")
    assert verdict_line(over, over.judged()).endswith("; shard 1 is missing")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"membudget_version": "9"}, "two: differs from one in its version of membudget"),
        ({"budgets_digest": "1" * 64}, "two: differs from one in its budgets"),
        ({"of": 3}, "two: differs from one in its number of shards"),
        ({"shard": None}, "two: is the report of a whole check, not of a shard"),
        ({"shard": Shard(1, 2)}, "is shard 1, and so is"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes: dict[str, Any], said: str) -> None:
    of = int(str(changes.pop("of", 2)))
    with pytest.raises(ConfigurationError, match=said):
        merge({"one": part(1, "a"), "two": part(2, "b", of=of, **changes)})


def test_parts_of_other_commits_are_refused() -> None:
    other = part(2, "b")
    head = other.comparison.head.model_copy(update={"sha": "c" * 40})
    for comparison in ({"head": head}, {"base": None, "no_base_reason": "none"}):
        moved = other.model_copy(update={"comparison": other.comparison.model_copy(update=comparison)})
        with pytest.raises(ConfigurationError, match=r"differs from one in its (head|base) commit"):
            merge({"one": part(1, "a"), "two": moved})


def test_an_image_in_two_parts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="two: has the image a, and so has one"):
        merge({"one": part(1, "a"), "two": part(2, "a")})


def test_nothing_is_no_report() -> None:
    with pytest.raises(ConfigurationError, match="there is no report to merge"):
        merge({})


def test_machines_that_differ_are_said() -> None:
    other = part(2, "b")
    environment = other.environment.model_copy(update={"cpus": 8})
    merged = merge({"one": part(1, "a"), "two": other.model_copy(update={"environment": environment})})
    assert merged.notes == ("its shards ran on machines that differ: cpus 4 and 8",)


def test_reports_are_found_below_folders(tmp_path: Path) -> None:
    for number, name in enumerate("ab", start=1):
        write_report(part(number, name), tmp_path / f"shard-{number}" / "report.json")
    merged = merge(read_reports([tmp_path]))
    assert len(merged.images) == 2
    write_report(merged, tmp_path / "merged.json")
    assert json.loads((tmp_path / "merged.json").read_text())["missing_shards"] == []
    assert read_report(tmp_path / "merged.json") == merged


@pytest.mark.thorough
def test_ten_thousand_images() -> None:
    parts = {str(number): part(number, *(f"i{number}-{one}" for one in range(100)), of=100) for number in range(1, 101)}
    assert len(merge(parts).images) == 10_000
