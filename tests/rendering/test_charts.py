"""Charts in the manner of widely used ones, rendered by the real helm."""

import shutil
from pathlib import Path

import pytest

from membudget.budgets.manifests import ManifestEntry, ManifestRule, ManifestRules
from membudget.check.manifests import checked_manifests
from membudget.engine.rendering import Renderers
from membudget.judge.manifest_rules import judge_manifests
from membudget.judge.manifests import ManifestFinding
from tests.rendering.conftest import CHARTS
from tests.support.manifests import api

R = ManifestRule


def found(top: Path, renderers: Renderers, chart: str, *values: str) -> tuple[ManifestFinding, ...]:
    entry = ManifestEntry(path=chart, values=tuple(f"{chart}/{name}" for name in values))
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (top, None), renderers)
    judged = judge_manifests(manifests, [api()])
    assert judged.faults == ()
    return judged.findings


def places(findings: tuple[ManifestFinding, ...]) -> set[tuple[ManifestRule, str, int]]:
    return {(one.rule, one.place.path, one.place.line) for one in findings if one.place.is_exact}


def test_the_values_file_that_counts_is_named(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "api", "values-production.yaml")
    assert places(findings) == {(R.LIMIT_BELOW_NEED, "api/values-production.yaml", 4)}
    assert [one.rule for one in findings if not one.place.is_exact] == [R.HPA_CANNOT_SCALE_DOWN]
    (limit,) = (one for one in findings if one.place.is_exact)
    assert limit.change is not None
    assert limit.change.line_after == '    memory: "230Mi" # tight on purpose'


def test_the_defaults_of_a_chart_are_its_own_values(renderers: Renderers) -> None:
    assert found(CHARTS, renderers, "api") == ()


def test_values_of_subcharts_come_from_the_chart_above_or_from_their_own(renderers: Renderers) -> None:
    assert places(found(CHARTS, renderers, "shop")) == {
        (R.LIMIT_BELOW_NEED, "shop/values.yaml", 4),
        (R.LIMIT_BELOW_NEED, "shop/charts/worker/values.yaml", 1),
    }


def test_a_default_in_a_library_chart_beside_it_is_a_line_of_that_chart(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "with-library")
    assert places(findings) == {(R.LIMIT_BELOW_NEED, "common/templates/_container.tpl", 6)}


def test_anchors_in_a_list_of_the_values_are_followed(renderers: Renderers) -> None:
    findings = found(CHARTS, renderers, "gateway")
    assert (R.LIMIT_BELOW_NEED, "gateway/values.yaml", 5) in places(findings)


def test_a_chart_at_the_top_of_the_repository_is_a_chart(renderers: Renderers) -> None:
    entry = ManifestEntry(path=".", values=("values-production.yaml",))
    manifests = checked_manifests([entry], ManifestRules(), ["api"], (CHARTS / "api", None), renderers)
    assert (R.LIMIT_BELOW_NEED, "values-production.yaml", 4) in places(judge_manifests(manifests, [api()]).findings)


@pytest.mark.parametrize(
    ("chart", "values"),
    [("api", ("values-production.yaml",)), ("shop", ()), ("with-library", ()), ("gateway", ())],
)
def test_each_change_applied_silences_its_finding_and_still_renders(
    chart: str, values: tuple[str, ...], renderers: Renderers, tmp_path: Path
) -> None:
    findings = found(CHARTS, renderers, chart, *values)
    changes = [(one.rule, one.change) for one in findings if one.change is not None]
    assert changes
    for number, (rule, change) in enumerate(changes):
        top = tmp_path / str(number)
        shutil.copytree(CHARTS, top)
        file, line = top / change.amount.place.path, change.amount.place.line - 1
        lines = file.read_text().splitlines(keepends=True)
        assert lines[line].rstrip("\n") == change.amount.line_text
        lines[line] = f"{change.line_after}\n"
        file.write_text("".join(lines))
        left = found(top, renderers, chart, *values)
        assert (rule, change.amount.place.path, line + 1) not in places(left)
        assert len(left) < len(findings)
