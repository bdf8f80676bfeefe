"""The page's data about the limits that a fit tried: its answers, the figures of each limit, and the curve."""

from collections.abc import Iterable

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Json, in_plain_text
from membudget.judge.fitted import FittedImage
from membudget.judge.measurement import ImageMeasurement
from membudget.report.findings import Finding
from membudget.report.fit_curve import Curve, CurvePoint, curve, rung_table
from membudget.report.fit_words import fitted_findings, fitted_of


def fitted_data(image: ImageMeasurement) -> Json:
    """Return what a fit found for an image that was checked. None if no fit of exactly this image is known."""
    fitted = fitted_of(image)
    return limits_data(fitted, fitted_findings(image)) if fitted is not None else None


def limits_data(fitted: FittedImage, answers: Iterable[Finding]) -> dict[str, Json]:
    """Return the answers in words, a row for each limit, and the curve. The rows of limits come in its order."""
    headings, rows = rung_table(fitted)
    drawn = curve(fitted)
    return {
        "answers": [answer.as_json() for answer in answers],
        "headings": list(headings),
        "rows": [[in_plain_text(cell) for cell in row] for row in rows],
        "points": _points(drawn) if drawn is not None else [],
        "marks": [[limit, f"{words} at {format_size(limit)}"] for limit, words in drawn.marks] if drawn else [],
    }


def _points(drawn: Curve) -> list[Json]:
    """Return each limit, whether it works, and its costs in percent of those without a limit."""
    return [
        [point.limit_bytes, point.works, _short(point.cpu_percent, point), _short(point.latency_percent, point)]
        for point in drawn.points
    ]


def _short(percent: float | None, point: CurvePoint) -> float | None:
    return round(percent, 1) if percent is not None and point.works else None
