"""Parts of a fit: one report, which says by name what it does not cover."""

from typing import Any

import pytest

from membudget.advise.merge import merge, only
from membudget.core.errors import ConfigurationError, ExitCode
from membudget.core.quantities import MIB
from membudget.core.sharding import Shard
from membudget.judge.fitted import Stop
from membudget.judge.whole import Coverage, GapKind, LeftOut, PartDifference
from membudget.report.fit_report import FitReport
from membudget.report.formats.fit_report import render_markdown
from tests.fakes.fitted import answering, fitted, part, report, stopped
from tests.fakes.limited_services import monotone

API, DB, WEB = fitted("api", answering), fitted("db", monotone(50 * MIB)), fitted("web", monotone(30 * MIB))


def gaps(merged: FitReport) -> list[tuple[GapKind, str]]:
    return [(gap.kind, gap.subject) for gap in merged.gaps]


def test_all_parts_make_the_report_of_a_whole_fit() -> None:
    merged = merge({"two": part(2, DB), "one": part(1, WEB, API)})
    whole = report(API, DB, WEB)
    assert merged.images == whole.images
    assert render_markdown(merged) == render_markdown(whole)
    assert (merged.shard, merged.gaps, merged.exit_code) == (None, (), ExitCode.WITHIN_BUDGET)
    assert merged.coverage == Coverage(("api", "db", "web"), ("api", "db", "web"))


def test_a_missing_shard_is_named_with_its_images() -> None:
    merged = merge({"two": part(2, DB)})
    assert gaps(merged) == [(GapKind.SHARD, "1"), (GapKind.IMAGE, "api"), (GapKind.IMAGE, "web")]
    assert merged.exit_code is ExitCode.UNMEASURED
    shown = render_markdown(merged)
    assert "shard 1 is missing." in shown
    assert "image `api` was not fitted." in shown
    assert "Next: fit what is missing, then merge all parts again." in shown


def test_a_shard_twice_is_its_images_twice() -> None:
    merged = merge({"one": part(1, API, WEB), "again": part(1, API, WEB), "two": part(2, DB)})
    assert gaps(merged) == [(GapKind.TWICE, "api"), (GapKind.TWICE, "web")]
    assert [image.name for image in merged.images] == ["api", "db", "web"]
    assert merged.total("survives_bytes") is None


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_fits_of_an_image_the_one_that_promises_less_counts(is_first: bool) -> None:
    larger = fitted("db", monotone(90 * MIB))
    for odd in (larger, stopped("db", Stop.UNSTABLE)):
        both = (DB, odd) if is_first else (odd, DB)
        merged = merge({"one": part(1, both[0]), "two": part(2, both[1], API, WEB)})
        (counted,) = (image for image in merged.images if image.name == "db")
        assert counted == report(odd).images[0]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"commit": "e" * 40}, PartDifference.HEAD),
        ({"membudget_version": "9"}, PartDifference.VERSION),
        ({"budgets_digest": "e" * 64}, PartDifference.BUDGETS),
        ({"coverage": Coverage(("web",), ("web",))}, PartDifference.BUDGETS),
        ({"confirmations": 59}, PartDifference.OPTIONS),
        ({"at_most_bytes": 64 * MIB}, PartDifference.OPTIONS),
        ({"seeks_comfort": False}, PartDifference.OPTIONS),
        ({"shard": Shard(3, 4)}, PartDifference.SHARDS),
        ({"shard": None}, PartDifference.WHOLE),
    ],
)
def test_a_part_of_another_fit_is_left_out_and_named(changes: dict[str, Any], difference: PartDifference) -> None:
    odd = part(3, WEB, of=3).model_copy(update=changes)
    merged = merge({"one": part(1, API, of=3), "two": part(2, DB, of=3), "odd": odd})
    assert merged.coverage.left_out == (LeftOut("odd", difference),)
    assert gaps(merged) == [(GapKind.SHARD, "3"), (GapKind.PART, "odd"), (GapKind.IMAGE, "web")]


def test_the_report_of_a_whole_fit_alone_stays_as_it_is() -> None:
    whole = report(API, stopped("db", Stop.UNSTABLE))
    assert merge({"one": whole}) is whole
    with pytest.raises(ConfigurationError, match="one: is the report of a whole fit, not of a shard"):
        merge({"one": whole, "two": whole})
    with pytest.raises(ConfigurationError, match="there is no report to merge"):
        merge({})


def test_machines_that_differ_are_told() -> None:
    other = part(2, DB)
    environment = other.environment.model_copy(update={"cpus": 8})
    merged = merge({"one": part(1, API, WEB), "two": other.model_copy(update={"environment": environment})})
    assert merged.notes == ("its shards ran on different machines: cpus 4 and 8",)
    assert "Note: " in render_markdown(merged)


def test_single_images_can_be_picked_though_a_shard_is_missing() -> None:
    merged = merge({"one": part(1, API, WEB)})
    picked = only(merged, ["web"])
    assert ([image.name for image in picked.images], picked.gaps) == (["web"], ())
    assert gaps(only(merged, ["db", "web"])) == [(GapKind.IMAGE, "db")]
    with pytest.raises(ConfigurationError, match=r"the reports have no image wep \(there: api, web\)"):
        only(merged, ["wep"])
    twice = merge({"one": part(1, API, WEB), "two": part(2, API, DB)})
    assert gaps(only(twice, ["api", "db"])) == [(GapKind.TWICE, "api")]
