import json
from xml.etree import ElementTree as ET

from membudget.core.errors import ExitCode
from membudget.judge.whole import ExitPolicy, FailOn
from membudget.publish.commit_state import annotations
from membudget.report.formats import judged_report, junit, markdown, terminal
from membudget.report.manifest_story import CHANGES_TITLE
from membudget.report.page import page
from membudget.report.report import JudgedReport, Report
from tests.support.manifests import checked, containers, reported

LOW = "- name: api\n  image: shop/api\n  resources:\n    limits: {memory: %s}\n    requests: {memory: 130Mi}\n"


def made(limit: str, before: str | None = None) -> JudgedReport:
    base = {"deploy/api.yaml": containers(LOW % before)} if before is not None else None
    return reported(checked({"deploy/api.yaml": containers(LOW % limit)}, base)).judged()


def test_a_failing_manifest_fails_the_check_and_is_in_every_format() -> None:
    result = made("150Mi", "256Mi")
    assert ExitPolicy().exit_code(result.judgement) is ExitCode.OVER_BUDGET
    for text in (markdown.render(result), page.render(result)):
        assert "deploy/api.yaml:10" in text
        assert "this change lowers the limit from 256.0" in text.replace("\xa0", " ")
        assert CHANGES_TITLE in text
    (annotation,) = annotations(result)
    assert annotation.place is not None
    assert (annotation.place.path, annotation.place.first) == ("deploy/api.yaml", 10)
    (finding,) = json.loads(judged_report.render(result))["manifests"]
    assert (finding["rule"], finding["line_after"]) == ("limit_lowered", "            limits: {memory: 230Mi}")


def test_junit_has_a_failure_for_each_finding_that_fails() -> None:
    root = ET.fromstring(junit.render(made("150Mi")))
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == ["deploy/api.yaml:10"]
    assert "the limit of 150.0 MiB is below 200.0 MiB" in ET.tostring(root, encoding="unicode")


def test_a_warning_passes_unless_warnings_fail() -> None:
    result = made("1Gi")
    assert ExitPolicy().exit_code(result.judgement) is ExitCode.WITHIN_BUDGET
    assert ExitPolicy(FailOn.WARN).exit_code(result.judgement) is ExitCode.OVER_BUDGET
    assert "limit_far_above_need" in markdown.render(result)
    root = ET.fromstring(junit.render(result))
    assert not list(root.iter("failure"))
    assert "limit far above need" in {case.get("name") for case in root.iter("testcase")}


def test_what_cannot_be_read_is_inconclusive_in_every_format() -> None:
    result = made("lots")
    assert ExitPolicy(allows_inconclusive=True).exit_code(result.judgement) is ExitCode.UNMEASURED
    assert "is no amount of memory" in markdown.render(result)
    assert len(list(ET.fromstring(junit.render(result)).iter("error"))) == 1
    (annotation,) = annotations(result)
    assert "resources.limits.memory" in annotation.message
    assert json.loads(judged_report.render(result))["unread_manifests"]


def test_manifests_without_findings_are_not_told() -> None:
    assert "manifest" not in markdown.render(made("240Mi"))


def test_the_report_comes_back_from_its_json() -> None:
    report = made("150Mi", "256Mi").report
    assert Report.model_validate_json(report.model_dump_json()).judged() == report.judged()
    assert terminal.render(report.judged())
