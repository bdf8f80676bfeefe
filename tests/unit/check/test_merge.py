"""Parts of a check: one report, which says by name what it does not cover."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from membudget.budgets.loosening import Approval, Loosening
from membudget.check import merge as merge_use_case
from membudget.core.errors import ConfigurationError
from membudget.core.sharding import Shard
from membudget.judge.image import judge_image
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.whole import Coverage, ExitPolicy, Gap, GapKind, GroupMeasurement, LeftOut, PartDifference, judge
from membudget.publish.report_file import read_report, read_reports, write_report
from membudget.report.allowances import GAPS_NEXT_STEP, gap_finding
from membudget.report.formats import terminal
from membudget.report.formats.judged_report import render as judged_json
from membudget.report.formats.junit import render as junit
from membudget.report.formats.markdown import render
from membudget.report.headline import verdict_line
from membudget.report.page.page import overview
from membudget.report.report import Report
from membudget.report.story import story
from membudget.report.table import table_rows
from tests.support.builders import budgets, image, report, side, trial
from tests.support.said import reason_of

SUMS = (GroupMeasurement("both", ("a", "b"), budgets(max_size=150)),)
ALL = ("a", "b", "c")


def measured(name: str, rss: float = 40) -> ImageMeasurement:
    return image(name, base=side(trial(40)), head=side(trial(rss)), allowed=budgets(max_rss=64))


def part(
    number: int, *names: str, of: int = 2, rss: float = 40, known: tuple[str, ...] = ALL, **changes: Any
) -> Report:
    made = report(*(measured(name, rss) for name in names))
    update = {"shard": Shard(number, of), "coverage": Coverage(names, known), **changes}
    return made.model_copy(update=update)


def merge(parts: Mapping[str, Report]) -> Report:
    """The report of the whole."""
    return merge_use_case.merge(parts).report


def gaps(merged: Report) -> list[tuple[GapKind, str]]:
    return [(gap.kind, gap.subject) for gap in merged.judged().judgement.gaps]


def assert_not_measured(merged: Report) -> None:
    judged = merged.judged().judgement
    assert (judged.verdict, judged.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert (merged.verdict, merged.inconclusive) == (judged.verdict, judged.inconclusive)
    assert ExitPolicy(allows_inconclusive=True).exit_code(judged) == 3


def test_all_parts_make_one_report() -> None:
    merged = merge({"two": part(2, "b", notes=("n", "m")), "one": part(1, "a", "c", notes=("n",))})
    assert [one.name for one in merged.images] == ["a", "c", "b"]
    assert (merged.shard, merged.coverage, merged.verdict) == (None, Coverage(ALL, ALL), Verdict.PASS)
    assert merged.notes == ("n", "m")
    assert gaps(merged) == []


def test_sums_are_judged_once_all_is_there() -> None:
    known = ("a", "b")
    parts = {name: part(number, name, groups=SUMS, known=known) for number, name in enumerate("ab", start=1)}
    for one in parts.values():
        judged = one.judged().judgement
        assert (judged.verdict, judged.groups[0].verdict) == (Verdict.PASS, None)
        assert "is not among the images of this check" in str(reason_of(judged.groups[0].rows[0]))
    assert merge(parts).verdict is Verdict.FAIL


def test_a_sum_with_a_member_that_nobody_checked_is_not_measured_by_name() -> None:
    merged = merge({"one": part(1, "a", of=2, groups=SUMS), "two": part(2, "c", groups=SUMS)})
    (group,) = merged.judged().judgement.groups
    assert (group.verdict, group.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert reason_of(group.rows[0]) == "b: it was not checked"
    assert_not_measured(merged)


def test_a_missing_shard_is_named_with_its_images_and_never_passes() -> None:
    merged = merge({"two": part(2, "b", of=3)})
    assert merged.coverage.missing_shards == (1, 3)
    assert gaps(merged) == [
        (GapKind.SHARD, "1"), (GapKind.SHARD, "3"), (GapKind.IMAGE, "a"), (GapKind.IMAGE, "c"),
    ]  # fmt: skip
    assert_not_measured(merged)
    line = verdict_line(merged.judged())
    assert line == "shard 1 is missing; shard 3 is missing; image a was not checked; 1 more not covered"
    shown = render(merged.judged())
    assert "**❓ not covered** → run the check again, with all its parts" in shown
    assert "- image `c` was not checked" in shown
    assert "`c`<br>all | – | not\N{NO-BREAK SPACE}checked" in shown
    over = merge({"two": part(2, "b", rss=70)})
    assert over.verdict is Verdict.FAIL
    assert verdict_line(over.judged()).startswith("1 of 1 image over budget; ")


def test_an_image_that_no_shard_checked_is_named_though_all_shards_are_there() -> None:
    merged = merge({"one": part(1, "a"), "two": part(2, "c")})
    assert gaps(merged) == [(GapKind.IMAGE, "b")]
    assert_not_measured(merged)
    assert "image b was not checked" in junit(merged.judged()) or 'name="b"' in junit(merged.judged())


def test_a_removed_image_has_to_be_reported_by_some_part() -> None:
    gone = image("gone", presence=Presence.REMOVED)
    known = (*ALL, "gone")
    first = part(1, "a", "c", known=known)
    taken = first.model_copy(update={"images": (*first.images, gone), "coverage": Coverage(("a", "c", "gone"), known)})
    second = part(2, "b", known=known)
    assert merge({"one": taken, "two": second}).verdict is Verdict.PASS
    without = merge({"one": first, "two": second})
    assert gaps(without) == [(GapKind.IMAGE, "gone")]
    assert_not_measured(without)


@pytest.mark.thorough
@pytest.mark.parametrize(("first", "second"), [(40, 70), (70, 40)])
def test_an_image_twice_is_named_and_no_failure_is_lost(first: float, second: float) -> None:
    fine = merge({"one": part(1, "a", "c"), "two": part(2, "a", "b")})
    assert gaps(fine) == [(GapKind.TWICE, "a")]
    assert [one.name for one in fine.images] == ["a", "c", "b"]
    assert_not_measured(fine)
    failing = merge({"one": part(1, "a", "c", rss=first), "two": part(2, "a", "b", rss=second)})
    assert failing.verdict is Verdict.FAIL
    assert "a" in [one.name for one in failing.judged().judgement.images if one.verdict is Verdict.FAIL]


def test_a_shard_twice_is_its_images_twice() -> None:
    merged = merge({"one": part(1, "a", "c"), "again": part(1, "a", "c"), "two": part(2, "b")})
    assert gaps(merged) == [(GapKind.TWICE, "a"), (GapKind.TWICE, "c")]
    assert_not_measured(merged)


def other_commit(of: Report, **comparison: Any) -> Report:
    return of.model_copy(update={"comparison": of.comparison.model_copy(update=comparison)})


HEAD = part(1).comparison.head.model_copy(update={"sha": "c" * 40})


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("odd", "difference"),
    [
        (part(3, "c", of=3, membudget_version="9"), PartDifference.VERSION),
        (part(3, "c", of=3, budgets_digest="1" * 64), PartDifference.BUDGETS),
        (part(3, "c", of=3, known=("c",)), PartDifference.BUDGETS),
        (part(3, "c", of=3, groups=SUMS), PartDifference.BUDGETS),
        (part(3, "c", of=3, base_problem="it is no TOML"), PartDifference.BUDGETS),
        (part(3, "c", of=4), PartDifference.SHARDS),
        (part(3, "c", of=3, approval=Approval.GIVEN), PartDifference.APPROVAL),
        (part(3, "c", of=3, shard=None), PartDifference.WHOLE),
        (other_commit(part(3, "c", of=3), head=HEAD), PartDifference.HEAD),
        (other_commit(part(3, "c", of=3), base=None, no_base_reason="none"), PartDifference.BASE),
    ],
    ids=lambda value: value.name if isinstance(value, PartDifference) else "",
)
def test_a_part_of_another_check_is_left_out_and_named(odd: Report, difference: PartDifference) -> None:
    merged = merge({"zebra": part(1, "a", of=3), "two": part(2, "b", of=3), "an-odd-one": odd})
    assert [one.name for one in merged.images] == ["a", "b"]
    assert merged.coverage.left_out == (LeftOut("an-odd-one", difference),)
    assert gaps(merged) == [(GapKind.SHARD, "3"), (GapKind.PART, "an-odd-one"), (GapKind.IMAGE, "c")]
    assert_not_measured(merged)
    assert "`an-odd-one` was left out" in render(merged.judged())


def test_two_parts_that_differ_are_no_pass_whichever_is_taken() -> None:
    merged = merge({"one": part(1, *ALL, of=1), "two": part(1, *ALL, of=1, budgets_digest="1" * 64)})
    assert gaps(merged) == [(GapKind.PART, "two")]
    assert_not_measured(merged)


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (GapKind.SHARD, {}),
        (GapKind.IMAGE, {"two": part(2, "c")}),
        (GapKind.IMAGE, {"two": part(2, "c", coverage=Coverage(("b", "c"), ALL))}),
        (GapKind.TWICE, {"two": part(2, "a", "b", "c")}),
        (GapKind.PART, {"two": part(2, "b", "c", budgets_digest="1" * 64)}),
    ],
)
def test_a_gap_hides_no_broken_budget_and_is_no_noise(kind: GapKind, others: dict[str, Report]) -> None:
    for rss, verdict, code in ((40, Verdict.INCONCLUSIVE, 3), (70, Verdict.FAIL, 1)):
        merged = merge({"one": part(1, "a", rss=rss), **others})
        judged = merged.judged().judgement
        assert kind in [gap.kind for gap in judged.gaps]
        assert (judged.verdict, merged.verdict) == (verdict, verdict)
        for lenient in (False, True):
            assert ExitPolicy(allows_inconclusive=lenient).exit_code(judged) == code


def test_noise_beside_a_gap_is_not_measured() -> None:
    noisy = image("b", head=side(trial(60), trial(70), trial(71)), allowed=budgets(max_rss=64))
    whole = merge({"one": part(1, "a", "c"), "two": part(2, "b", images=(noisy,))})
    assert (whole.verdict, whole.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOISE)
    assert_not_measured(merge({"one": part(1, "a"), "two": part(2, "b", images=(noisy,))}))


@pytest.mark.parametrize("alone", [Approval.MISSING, Approval.GIVEN])
def test_parts_that_do_not_know_the_rules_of_the_base_do_not_pass_without_approval(alone: Approval) -> None:
    lacking: dict[str, Any] = {"base_problem": "it is no TOML", "approval": alone}
    merged = merge({"one": part(1, "a", "c", **lacking), "two": part(2, "b", **lacking)})
    assert gaps(merged) == []
    if alone is Approval.MISSING:
        assert_not_measured(merged)
    else:
        assert merged.verdict is Verdict.PASS
    failing = merge({"one": part(1, "a", rss=70, **lacking)})
    assert failing.verdict is Verdict.FAIL


def test_what_is_loosened_is_said_once_and_fails_until_it_is_approved() -> None:
    lost = Loosening("gone", is_group=False, key="image", before="peak RSS 64.0 MiB", after="removed")
    for approval, verdict in ((Approval.MISSING, Verdict.FAIL), (Approval.GIVEN, Verdict.PASS)):
        same: dict[str, Any] = {"loosened": (lost,), "approval": approval}
        merged = merge({"one": part(1, "a", "c", **same), "two": part(2, "b", **same)})
        assert (merged.loosened, merged.verdict) == ((lost,), verdict)
        assert [row.image.text for row in table_rows(merged.judged())].count("gone") == 1
    with_gap = merge({"one": part(1, "a", loosened=(lost,), approval=Approval.MISSING)})
    assert with_gap.verdict is Verdict.FAIL


@pytest.mark.thorough
def test_a_file_of_any_name_can_be_named(tmp_path: Path) -> None:
    odd = "\udcff\x1b[31m\n" + "x" * 2000 + "/report.json"
    merged = merge({"one": part(1, *ALL), "two": part(2, of=2), odd: part(3, of=3)})
    (left,) = merged.coverage.left_out
    assert len(left.file) <= 1000
    assert left.file.endswith("x/report.json")
    write_report(merged, tmp_path / "merged.json")
    assert read_report(tmp_path / "merged.json") == merged
    strange = merge({"one": part(1, *ALL), "two": part(2, of=2), "\udcff\x1b[31m": part(3, of=3)})
    write_report(strange, tmp_path / "merged.json")
    assert read_report(tmp_path / "merged.json") == strange


@pytest.mark.thorough
def test_more_parts_than_are_named_are_no_pass_either(tmp_path: Path) -> None:
    alike = {f"fine-{number}": part(number, of=1001) for number in (1, 2)}
    odd = {f"odd-{number}": part(1, of=1, budgets_digest=f"{number:064x}") for number in range(1001)}
    merged = merge({**alike, **odd})
    assert len(merged.coverage.left_out) == 1000
    assert not merged.verdict.passes


@pytest.mark.thorough
def test_gaps_are_told_on_the_page_and_in_the_terminal_as_in_the_comment() -> None:
    odd = part(3, "c", of=4, budgets_digest="1" * 64)
    merged = merge({"one": part(1, "a", "c", of=4), "two": part(2, "a", of=4), "an-odd-one": odd})
    judged = merged.judged().judgement
    said = [gap_finding(gap).as_text() for gap in judged.gaps]
    assert said == [
        "shard 3 is missing", "shard 4 is missing", "an-odd-one was left out: it differs in its budgets",
        "image b was not checked", "image a was checked twice",
    ]  # fmt: skip
    on_page: Any = overview(merged.judged(), story(merged.judged()), most_rows=100)
    not_covered = on_page["problems"][0]
    assert ["".join(map("".join, parts)) for parts, _ in not_covered["items"]] == said
    assert not_covered["next"] == [GAPS_NEXT_STEP]
    with io.StringIO() as stream:
        Console(file=stream, width=200).print(terminal.render(merged.judged()))
        on_terminal = stream.getvalue()
    of_tests = junit(merged.judged())
    for gap in said:
        assert gap in on_terminal
        assert gap in of_tests or gap.startswith("image ")
    for name in ("a", "b"):
        assert f'name="{name}"' in of_tests
    assert GAPS_NEXT_STEP in on_terminal
    assert [gap["kind"] for gap in json.loads(judged_json(merged.judged()))["gaps"]] == [
        gap.kind for gap in judged.gaps
    ]


def test_where_no_part_is_usable_nothing_is_merged() -> None:
    with pytest.raises(ConfigurationError, match="there is no report to merge"):
        merge({})
    with pytest.raises(ConfigurationError, match="one: is the report of a whole check, not of a shard"):
        merge({"one": part(1, "a", shard=None)})


def test_machines_that_differ_are_said() -> None:
    other = part(2, "b", "c")
    environment = other.environment.model_copy(update={"cpus": 8})
    merged = merge({"one": part(1, "a"), "two": other.model_copy(update={"environment": environment})})
    assert merged.notes == ("its shards ran on different machines: cpus 4 and 8",)
    assert merged.verdict is Verdict.PASS


@pytest.mark.thorough
def test_reports_are_found_below_folders_and_gaps_survive_the_file(tmp_path: Path) -> None:
    for number, name in enumerate("ab", start=1):
        write_report(part(number, name, of=3), tmp_path / f"shard-{number}" / "report.json")
    write_report(part(3, "c", of=3, budgets_digest="1" * 64), tmp_path / "odd" / "report.json")
    merged = merge(read_reports([tmp_path]))
    assert len(merged.images) == 2
    write_report(merged, tmp_path / "merged.json")
    assert json.loads((tmp_path / "merged.json").read_text())["coverage"]["missing_shards"] == [3]
    assert read_report(tmp_path / "merged.json") == merged
    assert_not_measured(read_report(tmp_path / "merged.json"))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"coverage": Coverage(("a",), ("b",))}, "it was to check images that there are not"),
        ({"coverage": Coverage((), ("a",))}, "it has images that it was not to check"),
        ({"coverage": Coverage(("a", "a"), ("a",))}, "an image or a shard is named twice"),
        ({"coverage": Coverage(("a",), ("a", "a"))}, "an image or a shard is named twice"),
        ({"coverage": Coverage(("a",), ("a",), (2, 2))}, "an image or a shard is named twice"),
        ({"coverage": Coverage(("a",), ("a",), (0,))}, "a missing shard is none"),
        ({"coverage": Coverage(("a",), ("a",), (257,))}, "a missing shard is none"),
        ({"coverage": Coverage(("a",), ("a",), tuple(range(1, 258)))}, "coverage.missing_shards: too_long"),
        ({"coverage": Coverage(("a",), ("a", "b"), (), ("b",))}, "images were checked twice that it was not to check"),
        ({"coverage": Coverage(("a",), ("a", "no such name"))}, "coverage.known.1: not_allowed"),
        (
            {"coverage": Coverage(("a",), ("a",), left_out=(LeftOut("f" * 1001, PartDifference.HEAD),))},
            "string_too_long",
        ),
        ({"coverage": Coverage(("a",), ("a",), left_out=(LeftOut("f", PartDifference.HEAD),) * 1001)}, "too_long"),
        ({"shard": Shard(3, 2)}, "its shard is none"),
        ({"shard": Shard(1, 10_000_000)}, "its shard is none"),
    ],
)
def test_a_file_whose_coverage_is_none_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    write_report(part(1, "a").model_copy(update=changes), tmp_path / "report.json")
    with pytest.raises(ConfigurationError, match=said):
        read_report(tmp_path / "report.json")


def test_a_check_that_did_not_measure_what_it_was_to_is_no_pass() -> None:
    lost = report(measured("a")).model_copy(update={"coverage": Coverage(("a", "b"), ("a", "b"))}).judged().report
    assert gaps(lost) == [(GapKind.IMAGE, "b")]
    assert_not_measured(lost)


MEASURED = st.sampled_from([
    measured("x"), measured("x", 70), image("x", presence=Presence.REMOVED),
    image("x", base=side(trial(40)), head=side(trial(None)), allowed=budgets(max_rss=64)),
])  # fmt: skip


@pytest.mark.thorough
@given(st.data())
def test_a_merge_never_passes_what_a_whole_check_would_not(data: st.DataObject) -> None:
    names = [f"i{number}" for number in range(data.draw(st.integers(1, 5)))]
    images = {name: replace(data.draw(MEASURED), name=name) for name in names}
    sums = (GroupMeasurement("all", tuple(names), budgets(max_size=data.draw(st.sampled_from([150, 1000])))),)
    whole = judge(list(images.values()), sums)
    of = data.draw(st.integers(1, 3))
    where = {name: data.draw(st.sets(st.integers(1, of), min_size=0, max_size=2)) for name in names}
    present = data.draw(st.sets(st.integers(1, of), min_size=1))
    parts = {}
    for number in sorted(present):
        own = [name for name in names if number in where[name]]
        made = report(*(images[name] for name in own))
        update = {"shard": Shard(number, of), "coverage": Coverage(tuple(own), tuple(names)), "groups": sums}
        parts[str(number)] = made.model_copy(update=update)
    merged = merge(parts).judged().judgement
    covered = all(len(where[name]) == 1 and where[name] <= present for name in names) and len(present) == of
    assert bool(merged.gaps) is not covered
    if covered:
        assert (merged.verdict, merged.inconclusive) == (whole.verdict, whole.inconclusive)
    else:
        broken = any(judge_image(one).verdict is Verdict.FAIL for made in parts.values() for one in made.images)
        has_all = all(where[name] & present for name in names)  # a sum may be broken though an empty part is missing
        broken = broken or (has_all and whole.groups[0].verdict is Verdict.FAIL)
        assert ExitPolicy(allows_inconclusive=True).exit_code(merged) == (1 if broken else 3)


@pytest.mark.thorough
def test_a_hundred_parts_of_ten_images_each() -> None:
    names = {number: tuple(f"i{number}-{one}" for one in range(10)) for number in range(1, 101)}
    known = tuple(name for part_names in names.values() for name in part_names)
    whole, one = part(1, "one", of=100), measured("one")
    parts = {}
    for number, part_names in names.items():
        images = tuple(replace(one, name=name) for name in part_names)
        update = {"images": images, "shard": Shard(number, 100), "coverage": Coverage(part_names, known)}
        parts[str(number)] = whole.model_copy(update=update)
    merged = merge(parts)
    assert len(merged.images) == 1000
    assert merged.judged().judgement.gaps == ()


def test_gaps_are_about_an_image_or_a_part() -> None:
    assert Gap(GapKind.IMAGE, "a").image == Gap(GapKind.TWICE, "a").image == "a"
    assert Gap(GapKind.SHARD, "1").image is None
