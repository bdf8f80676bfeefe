"""Histories for the trend page: usual, large and hostile ones."""

import hashlib
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.line import HistoryLine
from membudget.history.marked_steps import MarkedStep
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.page.trend_page import Trends
from tests.support.history import MACHINE
from tests.support.hostile_report import HOSTILE

_DAY_S = 86_400
_FIRST_S = 1_730_000_000
_SUBJECTS = ("Cache the catalogue in memory", "Update dependencies", "Fix the sort order of search results",
             "Add an endpoint for exports", "Log slow queries", "Raise the size of the pool to 20")  # fmt: skip


def commits(count: int, subjects: Sequence[str] = _SUBJECTS) -> list[MainCommit]:
    """Commits of main, oldest first, three a day."""
    return [
        MainCommit(_sha(number), _FIRST_S + number * _DAY_S // 3, subjects[number % len(subjects)])
        for number in range(count)
    ]


def _sha(number: int) -> str:
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def series(
    image: str, metric: Metric, main: Sequence[MainCommit], seed: int = 0, budget_mib: float = 96
) -> MetricSeries:
    """A series that grows slowly, with a step in its middle and a higher budget near its end."""
    chance = random.Random(seed)
    base = 40 + 13 * (seed % 3)
    points = []
    for number, commit in enumerate(main):
        share = number / max(1, len(main) - 1)
        level = base + 18 * share + (9 if share > 0.5 else 0) + 0.6 * math.sin(number / 9)
        budget = budget_mib if share < 0.8 else budget_mib + 16
        if metric is Metric.IMAGE_SIZE:  # without noise: it changes with the packages
            level, noise = 150 + base + 6 * int(9 * share), 0.0
        else:
            noise = chance.gauss(0, 0.35)
        value, spread = level + noise, abs(chance.gauss(0.5, 0.15))
        measured = value - spread, value, value + spread
        points.append(SeriesPoint(commit, _line(image, metric, commit, measured, budget)))
    return MetricSeries(image, metric, tuple(points))


def _line(image: str, metric: Metric, commit: MainCommit, mib: tuple[float, ...], budget_mib: float) -> HistoryLine:
    samples = tuple(round(value * MIB) for value in mib)
    return HistoryLine.model_construct(
        v=1, image=image, metric=metric, commit=commit.sha, time=datetime.fromtimestamp(commit.time_s, UTC),
        value=samples[1], samples=samples if metric is Metric.PEAK_RSS else (), trials=3, machine=MACHINE,
        budget=round(budget_mib * MIB), membudget="0.1.0",
    )  # fmt: skip


def trends(images: int = 3, count: int = 180) -> Trends:
    """A usual history, with releases, a confirmed step and a suspected one."""
    main = commits(count)
    names = ("api", "worker", "web", *(f"service-{number}" for number in range(4, images + 1)))[:images]
    found = [
        series(name, metric, main, seed, 240 if metric is Metric.IMAGE_SIZE else 96)
        for seed, name in enumerate(names)
        for metric in (Metric.IMAGE_SIZE, Metric.PEAK_RSS)
    ]
    middle, later = main[len(main) // 2 + 1], main[len(main) * 3 // 4]
    steps = [
        MarkedStep("api", Metric.PEAK_RSS, middle.sha, 49 * MIB, 58 * MIB, is_confirmed=True),
        MarkedStep("api", Metric.PEAK_RSS, later.sha, 62 * MIB, 64 * MIB, is_confirmed=False),
    ]
    releases = [(main[number].sha, f"v1.{number // 40}") for number in range(10, count, 40)]
    return Trends("shop", main, found, releases, steps, "https://github.com/octo/shop/commit/")


def hostile_trends() -> Trends:
    """HOSTILE in each text, and figures to choke on."""
    main = commits(40, HOSTILE)
    made = [series(name, Metric.PEAK_RSS, main) for name in HOSTILE]
    odd = [
        SeriesPoint(
            commit, point.line.model_copy(update={"value": value, "samples": (), "budget": -value, "machine": text})
        )
        for (commit, point), value, text in zip(
            zip(main, made[0].points, strict=True), [0, -(2**62), 2**62, 1] * 10, HOSTILE * 8, strict=True
        )
    ]
    steps = [MarkedStep(name, Metric.PEAK_RSS, main[5].sha, -(2**62), 2**62, is_confirmed=False) for name in HOSTILE]
    releases = [(commit.sha, text) for commit, text in zip(main, HOSTILE * 8, strict=True)]
    return Trends(
        HOSTILE[0],
        main,
        [*made, MetricSeries("odd", Metric.RSS_PER_CONNECTION, tuple(odd))],
        releases,
        steps,
        None,
        HOSTILE,
    )
