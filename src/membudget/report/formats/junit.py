"""The report as JUnit XML, which CI servers show as test results: a suite an image, a case a row of the table.

There is no standard; the elements and attributes are those that the schemas of Apache Ant (windyroad/JUnit-Schema) and
of Jenkins (xunit-plugin, junit-10.xsd) both allow. A broken budget is a failure; what could not be judged is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from membudget.core.untrusted_text import in_plain_text, printable, printable_line, raw
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.report.allowances import allowances, gap_finding
from membudget.report.findings import cause_findings, findings, hint_findings
from membudget.report.reasons import image_reason, row_sentence
from membudget.report.report import JudgedReport
from membudget.report.table import HEADINGS, RowKind, TableRow, table_rows, verdict_line
from membudget.report.verdicts import next_step, status_mark

_WHOLE = "membudget"
"""The suite of what belongs to no image."""
_LONGEST_MESSAGE = 1000
_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case."""

    name: str
    verdict: Verdict | None
    """None: nothing to judge by, which is a skipped test."""
    message: str
    text: str = ""


def render(result: JudgedReport) -> str:
    """The whole report as one document. It has a failure or an error if, and only if, the verdict is no pass."""
    suites = list(_suites(result))
    root = ET.Element("testsuites")
    timestamp = _in_utc(result.report.started_at).isoformat(timespec="seconds")
    measured = result.measured
    for number, (name, cases) in enumerate(suites):
        image = measured.get(name)
        suite = ET.SubElement(
            root,
            "testsuite",
            {
                "name": name,
                "package": _WHOLE,
                "id": str(number),
                "timestamp": timestamp,
                "hostname": "localhost",
                "tests": str(len(cases)),
                "failures": str(sum(case.verdict is Verdict.FAIL for case in cases)),
                "errors": str(sum(case.verdict is Verdict.INCONCLUSIVE for case in cases)),
                "skipped": str(sum(case.verdict is None for case in cases)),
                "time": f"{(image.duration_ms if image else 0) / 1000:.3f}",
            },
        )
        ET.SubElement(suite, "properties")
        for case in cases:
            _add(suite, name, case)
        ET.SubElement(suite, "system-out").text = "\n".join(_seen(result, image))
        ET.SubElement(suite, "system-err").text = "\n".join(_log(image))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    # A runner of GitHub's obeys ##[commands] anywhere in a line; nothing but text and attributes can hold one.
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text.replace("##[", "&#35;#[") + "\n"


def _in_utc(moment: datetime) -> datetime:
    """Without a zone. In the years 1 and 9999, which only a forged report has, UTC may be beyond what there is."""
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def _suites(result: JudgedReport) -> Iterator[tuple[str, Sequence[_Case]]]:
    rows: dict[str, list[TableRow]] = {image.name: [] for image in result.report.images}
    for row in table_rows(result):
        rows.setdefault(row.image.text, []).append(row)
    judged = {image.name: image for image in result.judgement.images}
    for name, of_name in rows.items():
        cases = list(map(_case_of, of_name))
        yield name, [*cases, *_unexplained(judged.get(name), cases)]
    whole = [
        _Case(f"{gap.kind}: {printable(gap.subject, 200)}", Verdict.INCONCLUSIVE, gap_finding(gap).as_text())
        for gap in result.judgement.gaps
        if gap.image is None
    ]
    if not result.report.images:
        whole.append(_Case("images", result.judgement.verdict, verdict_line(result)))
    if whole or result.report.notes:
        yield _WHOLE, whole


def _case_of(row: TableRow) -> _Case:
    figures = (f"{name}: {in_plain_text(cell)}" for name, cell in zip(HEADINGS[2:], row.cells[2:], strict=True))
    name = in_plain_text(row.metric)
    status = row.mark.words
    if row.kind is RowKind.LOOSENED:
        message = f"{name}: loosened from {in_plain_text(row.base)} to {in_plain_text(row.head)}, {status}"
    elif row.judged is None or not row.judged.reasons:
        message = printable(row.reason.text, _LONGEST_MESSAGE) if row.reason is not None else status
    else:
        message = printable(raw(row_sentence(row.judged, name)), _LONGEST_MESSAGE)
    return _Case(name, row.verdict, message, "\n".join(figures))


def _unexplained(image: ImageJudgement | None, cases: Sequence[_Case]) -> Iterator[_Case]:
    """A case for an image that fails for something that is no row: a workload that does not pass, a leak."""
    if image is None or image.verdict.passes or any(case.verdict is image.verdict for case in cases):
        return
    reasons = "; ".join(printable(raw(image_reason(reason)), _LONGEST_MESSAGE) for reason in image.reasons)
    status = status_mark(image.status).words
    yield _Case(status, image.verdict, reasons or status, next_step(image.status) or "")


def _add(suite: ET.Element, name: str, case: _Case) -> None:
    attributes = {"name": case.name, "classname": f"{_WHOLE}.{name}", "time": "0.000"}
    element = ET.SubElement(suite, "testcase", attributes)
    if case.verdict is None:
        ET.SubElement(element, "skipped", {"message": case.message})
    elif case.verdict in _TAGS:
        tag = _TAGS[case.verdict]
        ET.SubElement(element, tag, {"type": case.verdict.value, "message": case.message}).text = case.text


def _seen(result: JudgedReport, image: ImageMeasurement | None) -> Iterator[str]:
    """What an image's trials and layers showed; of what is no image, what is said of the whole."""
    if image is None:
        yield from (
            f"Note: {printable(note)}" for note in result.report.notes
        )  # no line begins as a command of a runner
        yield from (finding.as_text() for finding in allowances(result))
    elif image.head is not None:
        found = (*findings(image.trials), *cause_findings(image), *hint_findings(image))
        yield from (finding.as_text() for finding in found)


def _log(image: ImageMeasurement | None) -> Iterator[str]:
    failure = image.failure if image is not None else None
    if failure is not None:
        yield from (f"│ {printable_line(line)}" for line in failure.log_tail)
