"""The report of a fit as one HTML file: the page of a check, with the limits that were tried instead of trials."""

from collections.abc import Iterator, Sequence

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Json, Quoted, printable
from membudget.judge.fitted import FittedImage
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding
from membudget.report.fit_report import FitReport
from membudget.report.fit_words import answer_sentences, closing_sentences, settings_sentence, sum_sentence, took_words
from membudget.report.page.document import as_json
from membudget.report.page.fitted_data import limits_data
from membudget.report.page.page import LARGEST_PAGE_BYTES, REPORT
from membudget.report.verdicts import SIGNS

_SMALLER = 0.8
"""How many of the images are kept if a page is too large."""


def render(report: FitReport, largest: int = LARGEST_PAGE_BYTES) -> str:
    """Return the page, with as many images as fit into `largest` bytes. Those without an answer come last."""
    images = sorted(report.images, key=lambda image: image.survives_bytes is None)
    while True:
        page = REPORT.page_of(as_json(_data(report, images)))
        if len(page.encode()) <= largest or not images:
            return page
        images = images[: int(_SMALLER * len(images))]


def _data(report: FitReport, shown: Sequence[FittedImage]) -> dict[str, Json]:
    environment = report.environment
    memory = format_size(environment.memory_bytes)
    about = f", {environment.cpus} CPUs, {memory} memory, cgroup v{environment.cgroup_version}"
    machine = Finding(
        (
            "engine ",
            Quoted(environment.engine),
            ", ",
            Quoted(environment.platform),
            f"{about}; membudget ",
            Quoted(report.membudget_version),
        )
    )
    remarks: list[Json] = [Finding(sentence).as_json() for sentence in closing_sentences(report)]
    verdict = Verdict.INCONCLUSIVE if report.exit_code else Verdict.PASS
    started = report.started_at.isoformat(timespec="seconds")
    left_out = len(report.images) - len(shown)
    cuts: list[Json] = [[f"{len(shown):,} of {len(report.images):,} images are shown."]] if left_out else []
    return {
        "verdict": verdict.value, "sign": SIGNS[verdict], "line": _line(report), "head": None, "base": None,
        "headings": [], "rows": [], "rowCount": 0, "remarks": remarks, "problems": [], "also": [], "logs": [],
        "more": [], "compared": machine.as_json(), "started": f"started {started}",
        "images": [_image(image) for image in shown], "imageCount": len(report.images), "cuts": cuts,
    }  # fmt: skip


def _line(report: FitReport) -> str:
    """Return what was found in one sentence."""
    total = sum_sentence(report)
    if total is not None:
        return total.removesuffix(".")
    if len(report.images) == 1:
        return Finding(next(iter(answer_sentences(report.images[0])))).as_text().removesuffix(".")
    answered = sum(image.survives_bytes is not None for image in report.images)
    return f"{answered} of {len(report.images)} images have a limit that works"


def _image(image: FittedImage) -> dict[str, Json]:
    verdict = Verdict.INCONCLUSIVE if image.survives_bytes is None else Verdict.PASS
    return {
        "name": printable(image.name), "verdict": verdict.value, "sign": SIGNS[verdict],
        "status": "fitted" if verdict is Verdict.PASS else "no answer", "limit": image.today_bytes,
        "about": [took_words(image)], "found": [], "sides": {"base": None, "head": None}, "lines": {}, "figures": [],
        "phaseHeadings": [], "phases": [], "contents": None, "fitted": limits_data(image, _answers(image)),
    }  # fmt: skip


def _answers(image: FittedImage) -> Iterator[Finding]:
    yield from map(Finding, answer_sentences(image))
    if (settings := settings_sentence(image)) is not None:
        yield Finding.of(settings)
