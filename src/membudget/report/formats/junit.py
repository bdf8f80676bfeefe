"""The report as JUnit XML, which CI servers show as test results: a suite per image, a case per row of the table.

There is no standard. The elements and attributes used are allowed by the schemas of Apache Ant (windyroad/JUnit-Schema)
and of Jenkins (xunit-plugin, junit-10.xsd). A broken budget is a failure. An inconclusive result is an error.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from membudget.core.untrusted_text import in_plain_text, printable, printable_line, raw
from membudget.judge.image import ImageJudgement, ImageReason, OfRow, StageFailed
from membudget.judge.manifests import ManifestFinding
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.whole import Gap
from membudget.report.allowances import gap_finding
from membudget.report.findings import Finding
from membudget.report.headline import verdict_line
from membudget.report.manifest_words import LABELS, fault_words, finding_words
from membudget.report.report import JudgedReport
from membudget.report.row_words import row_sentence
from membudget.report.story import story
from membudget.report.story_parts import ComparedRevisions, Item, Items, Paste, Remarks, Section, StoryProblem
from membudget.report.table import HEADINGS, RowKind, TableRow, table_rows
from membudget.report.verdicts import image_reason

_WHOLE = "membudget"
"""The suite for everything that belongs to no image."""
_LONGEST_MESSAGE = 1000
_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case."""

    name: str
    verdict: Verdict | None
    """None if there is nothing to judge by. The test is then skipped."""
    message: str
    text: str = ""
    tells: tuple[ImageReason | Gap, ...] = ()
    """The reasons that the message says, as data."""

    def says(self, item: Item) -> bool:
        """Return whether the message says all that an item says."""
        return bool(item.reasons) and all(reason in self.tells for reason in item.reasons)


def render(result: JudgedReport) -> str:
    """Return the whole report as one document. It has a failure or an error exactly if the verdict does not pass."""
    sections = story(result)
    suites = list(_suites(result, sections))
    root = ET.Element("testsuites")
    timestamp = _in_utc(result.report.started_at).isoformat(timespec="seconds")
    measured = result.measured
    for number, (about, cases) in enumerate(suites):
        name = about if about is not None else _WHOLE
        image = measured.get(name) if about is not None else None
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
        ET.SubElement(suite, "system-out").text = "\n".join(_said(sections, about, cases))
        ET.SubElement(suite, "system-err").text = "\n".join(_log(image))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    # GitHub's runner obeys ##[commands] anywhere in a line. Only text and attributes can contain one.
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text.replace("##[", "&#35;#[") + "\n"


def _in_utc(moment: datetime) -> datetime:
    """Return the time in UTC, without a zone.

    UTC may not exist in the years 1 and 9999, which only forged reports have.
    """
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def _suites(result: JudgedReport, sections: Sequence[Section]) -> Iterator[tuple[str | None, Sequence[_Case]]]:
    """Yield the suites by image or group. The last one is about the whole check."""
    rows: dict[str, list[TableRow]] = {image.name: [] for image in result.report.images}
    for row in table_rows(result):
        rows.setdefault(row.image.text, []).append(row)
    failed = {image.name: _failure(image) for image in result.judgement.images}
    for name, of_name in rows.items():
        cases = [_case_of(row, failed.get(name)) for row in of_name]
        yield name, _explained(cases, _problems(sections, name))
    whole = [
        _Case(
            f"{gap.kind}: {printable(gap.subject, 200)}",
            Verdict.INCONCLUSIVE,
            gap_finding(gap).as_text(),
            tells=(gap,),
        )
        for gap in result.judgement.gaps
        if gap.image is None
    ]
    whole += [_of_manifest(finding) for finding in result.judgement.manifests.findings if finding.verdict.passes]
    whole += [
        _Case("manifest", Verdict.INCONCLUSIVE, printable(raw(fault_words(fault)), _LONGEST_MESSAGE))
        for fault in result.judgement.manifests.faults
    ]
    if not result.report.images:
        whole.append(_Case("images", result.judgement.verdict, verdict_line(result)))
    yield None, whole


def _of_manifest(finding: ManifestFinding) -> _Case:
    """Return the case of a warning about a manifest. Failures are rows of the table."""
    return _Case(LABELS[finding.rule], finding.verdict, printable(raw(finding_words(finding)), _LONGEST_MESSAGE))


def _failure(image: ImageJudgement) -> StageFailed | None:
    return next((reason for reason in image.reasons if isinstance(reason, StageFailed)), None)


def _case_of(row: TableRow, failed: StageFailed | None) -> _Case:
    """Return the case of a row. `failed` is the failure of its image, which a row without values tells."""
    figures = (f"{name}: {in_plain_text(cell)}" for name, cell in zip(HEADINGS[2:], row.cells[2:], strict=True))
    name = in_plain_text(row.metric)
    status = row.mark.words
    tells: tuple[ImageReason, ...] = ()
    if row.kind is RowKind.LOOSENED:
        message = f"{name}: loosened from {in_plain_text(row.base)} to {in_plain_text(row.head)}, {status}"
    elif row.judged is not None and row.judged.reasons:
        message = printable(raw(row_sentence(row.judged, name)), _LONGEST_MESSAGE)
        tells = (OfRow(row.judged),)
    elif row.reason is not None and failed is not None:
        words = (row.reason,) if failed.status_says_it else image_reason(failed)
        message = printable(raw(words), _LONGEST_MESSAGE)
        tells = (failed,)
    else:
        message = printable(row.reason.text, _LONGEST_MESSAGE) if row.reason is not None else status
    return _Case(name, row.verdict, message, "\n".join(figures), tells)


def _problems(sections: Sequence[Section], about: str | None) -> list[tuple[StoryProblem, Item]]:
    problems = [block for section in sections for block in section.blocks if isinstance(block, StoryProblem)]
    return [(problem, item) for problem in problems for item in problem.elements if item.about == about]


def _explained(cases: list[_Case], problems: Sequence[tuple[StoryProblem, Item]]) -> list[_Case]:
    """Add reasons and next step to the first failing case. If no row fails, add a case for the failure."""
    for problem, item in problems:
        if problem.verdict not in _TAGS:
            continue
        number = next((number for number, case in enumerate(cases) if case.verdict is problem.verdict), None)
        if number is None:
            message = printable(raw(item.finding.parts), _LONGEST_MESSAGE)
            alone = _Case(problem.title.words, problem.verdict, message, tells=item.reasons)
            cases.append(_with(alone, problem, item))
        else:
            cases[number] = _with(cases[number], problem, item)
    return cases


def _with(case: _Case, problem: StoryProblem, item: Item) -> _Case:
    """Return a case with the reasons and the next step of its image, as far as its message does not say them."""
    said = [] if case.says(item) else [item.finding]
    text = [*([case.text] if case.text else []), _title(problem), *_lines([*said, *item.below])]
    return replace(case, text="\n".join(text))


def _title(problem: StoryProblem) -> str:
    return f"{problem.title} → {problem.next_step.as_text()}"


def _lines(findings: Iterable[Finding]) -> list[str]:
    """Return lines that begin with membudget's own words, so that none can be a command for a runner."""
    return [f"- {finding.as_text()}" for finding in findings]


def _add(suite: ET.Element, name: str, case: _Case) -> None:
    attributes = {"name": case.name, "classname": f"{_WHOLE}.{name}", "time": "0.000"}
    element = ET.SubElement(suite, "testcase", attributes)
    if case.verdict is None:
        ET.SubElement(element, "skipped", {"message": case.message})
    elif case.verdict in _TAGS:
        tag = _TAGS[case.verdict]
        ET.SubElement(element, tag, {"type": case.verdict.value, "message": case.message}).text = case.text


def _said(sections: Sequence[Section], about: str | None, cases: Sequence[_Case]) -> Iterator[str]:
    """Yield what the story tells about an image, a group or the whole check besides the messages of its cases."""
    for within, block in ((section, block) for section in sections for block in section.blocks):
        match block:
            case Remarks() if about is None:
                yield from (f"Note: {finding.as_text()}" for finding in block.elements)
            case ComparedRevisions() if about is None:
                yield from _lines(block.elements)
            case Paste() if about is None and block.elements:
                yield f"{within.title.as_text()}:" if within.title is not None else ""
                yield from (printable_line(line) for lines in block.elements for line in lines)
            case StoryProblem() if block.verdict not in _TAGS or about is None:
                told = [item for item in block.elements if item.about == about]
                if told:
                    yield _title(block)
                for item in told:
                    is_said = any(case.says(item) for case in cases if case.verdict in _TAGS)  # others show no message
                    yield from _lines([*([] if is_said else [item.finding]), *item.below])
            case Items():
                told = [item for item in block.elements if item.about == about]
                yield from (line for item in told for line in _lines((item.finding, *item.below)))
            case _:
                pass


def _log(image: ImageMeasurement | None) -> Iterator[str]:
    failure = image.failure if image is not None else None
    if failure is not None:
        yield from (f"│ {printable_line(line)}" for line in failure.log_tail)
