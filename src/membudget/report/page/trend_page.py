"""The history as one HTML file: each image and metric over the commits of main, with budgets, releases and steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import Json, printable
from membudget.history.marked_steps import MarkedStep
from membudget.history.series import MetricSeries
from membudget.history.standing import Newest, Standing
from membudget.report.formats.history import commit_time
from membudget.report.page.document import Document, as_json
from membudget.report.page.trend_data import series_data

MOST_POINTS = 400_000
"""The most figures on a page. 50 images with two metrics and 2,000 commits have half of that."""
_LONGEST_SUBJECT, _LONGEST_NAME = 120, 60
_MOST_RELEASES = 1_000
_WORST_FIRST = (Standing.OVER, Standing.NEAR, Standing.FINE, Standing.NO_BUDGET, Standing.UNKNOWN)
_DOCUMENT = Document(
    scripts=(
        "dom.js",
        "theme.js",
        "figures.js",
        "table.js",
        "canvas.js",
        "trend_series.js",
        "trend_drawing.js",
        "trend_chart.js",
        "trend.js",
    ),
    styles=("page.css", "trend.css"),
    instead="membudget history list",
)


@dataclass(frozen=True, slots=True)
class Trends:
    """What the page shows."""

    name: str
    """The name of the repository."""
    commits: Sequence[MainCommit]
    """The commits of main, oldest first."""
    series: Sequence[MetricSeries]
    releases: Sequence[tuple[str, str]] = ()
    """Commits with the names of their tags."""
    steps: Sequence[MarkedStep] = ()
    commit_pages: str | None = None
    """What the ID of a commit is added to for its web address. None if it is not known."""
    remarks: Sequence[str] = field(default=())


def render(trends: Trends, most_points: int = MOST_POINTS) -> str:
    """Return the page. It makes no request. If there are too many figures, the oldest commits are left out."""
    kept = _newest(trends, most_points)
    remarks = list(kept.remarks)
    if len(kept.commits) < len(trends.commits):
        remarks.append(f"The page shows the newest {len(kept.commits):,} of {len(trends.commits):,} commits.")
    return _DOCUMENT.page_of(as_json(_data(replace(kept, remarks=remarks))))


def _newest(trends: Trends, most_points: int) -> Trends:
    """Return the trends of as many of the newest commits as have at most `most_points` figures together."""
    counts = {commit.sha: 0 for commit in trends.commits}
    for series in trends.series:
        for point in series.points:
            counts[point.commit.sha] += 1
    kept: list[MainCommit] = []
    left = most_points
    for commit in reversed(trends.commits):
        left -= counts[commit.sha]
        if left < 0:
            break
        kept.append(commit)
    if len(kept) == len(trends.commits):
        return trends
    known = {commit.sha for commit in kept}
    shorter = (
        replace(series, points=tuple(point for point in series.points if point.commit.sha in known))
        for series in trends.series
    )
    return replace(trends, commits=kept[::-1], series=[series for series in shorter if series.points])


def _data(trends: Trends) -> dict[str, Json]:
    places = {commit.sha: place for place, commit in enumerate(trends.commits)}
    by_image: dict[str, list[MetricSeries]] = {}
    for series in trends.series:
        by_image.setdefault(series.image, []).append(series)
    for listed in by_image.values():
        listed.sort(key=lambda series: series.metric is not Metric.PEAK_RSS)
    releases = [(places[sha], name) for sha, name in trends.releases if sha in places]
    return {
        "title": _title(trends, len(by_image)),
        "standing": _standing([listed[0] for listed in by_image.values()]).value,
        "about": _about(trends.commits),
        "remarks": [[printable(remark)] for remark in trends.remarks],
        "commitPages": trends.commit_pages,
        "commits": [[commit.sha, printable(commit.subject, _LONGEST_SUBJECT)] for commit in trends.commits],
        "times": [round(commit_time(commit).timestamp()) for commit in trends.commits],
        "releases": [[place, printable(name, _LONGEST_NAME)] for place, name in sorted(releases)[-_MOST_RELEASES:]],
        "images": [
            {"name": printable(name), "metrics": [series_data(one, places, trends.steps) for one in listed]}
            for name, listed in by_image.items()
        ],
    }  # fmt: skip


def _standing(first: Sequence[MetricSeries]) -> Standing:
    standings = {Newest.of(series.metric, series.points[-1].line).standing for series in first}
    return next((standing for standing in _WORST_FIRST if standing in standings), Standing.UNKNOWN)


def _title(trends: Trends, images: int) -> str:
    name = printable(trends.name, _LONGEST_NAME)
    if not images:
        return f"{name}: the history has no figures yet"
    what = "1 image" if images == 1 else f"{images:,} images"
    commits = "1 commit" if len(trends.commits) == 1 else f"{len(trends.commits):,} commits"
    return f"{name}: {what} over {commits}"


def _about(commits: Sequence[MainCommit]) -> str:
    if not commits:
        return ""
    first, last = (f"{commit_time(commit):%Y-%m-%d}" for commit in (commits[0], commits[-1]))
    return f"{first} to {last}, newest commit {commits[-1].sha[:10]}"
