"""Reports of fits that look like real ones."""

import random
from collections.abc import Sequence
from dataclasses import replace

from membudget.advise.answer import Stopped
from membudget.advise.fit import ImageFit
from membudget.advise.report import image_report
from membudget.advise.rung import Ended, Tried
from membudget.budgets.budget_tables import Headroom
from membudget.budgets.fit import FitSettings
from membudget.core.quantities import GIB, MIB
from membudget.core.sharding import Shard
from membudget.judge.fitted import FittedImage, Stop
from membudget.judge.whole import Coverage
from membudget.report.fit_report import FitReport
from tests.fakes.limited_services import Fit, Service, monotone, self_sizing, tried
from tests.support.builders import report as check_report


def fitted(name: str, service: Service, *, today: int | None = 512 * MIB) -> ImageFit:
    """The fit of a simulated service."""
    fit = Fit(service, largest=8 * GIB, seeks_comfort=True)
    result = fit.run()
    return ImageFit(name, today, tuple(fit.trials), 0, result, None, 125_000)


def answering(limit: int | None) -> Tried:
    """A service that holds 100 MiB and answers requests."""
    ended = monotone(100 * MIB)(limit).ended
    return tried(limit, ended, rss=100 * MIB, mark=130 * MIB, cpu_ms=1200, p95_us=4200)


def pressed(limit: int | None) -> Tried:
    """A service that holds 38 MiB and reads files of 10 MiB, and that is slower the less memory it has besides."""
    ended = monotone(38 * MIB)(limit).ended
    spare = ((limit or GIB) - 38 * MIB) / MIB
    slower = 1 + 0.9 / max(spare, 0.5) ** 1.3
    trial = tried(
        limit, ended, rss=38 * MIB, mark=48 * MIB, cpu_ms=round(1400 * slower), p95_us=round(9000 * slower**1.5)
    )
    if limit is None or spare >= 10:
        return trial  # it does not reach its limit
    lacking = 10 - max(0, spare)
    return replace(trial, refaulted_bytes=round(4 * lacking * MIB), stalled_ms=round(3 * lacking))


def fitted_image(name: str, service: Service) -> FittedImage:
    """What a fit found, as a check stores it."""
    (image,) = report(fitted(name, service)).images
    return image


def trembling(slowdown: float, seed: int = 0) -> Service:
    """A service that holds 100 MiB, and whose latency is noisy, and larger under any limit."""
    dice = random.Random(seed)

    def run(limit: int | None) -> Tried:
        ended = monotone(100 * MIB)(limit).ended
        p95_us = round(20_000 * dice.gauss(1, 0.14) * (slowdown if limit is not None else 1))
        return tried(limit, ended, rss=100 * MIB, mark=101 * MIB, p95_us=max(1000, p95_us))

    return run


def stopped(name: str, why: Stop, *, limit: int | None = 256 * MIB, lower: int | None = None) -> ImageFit:
    """A fit without an answer."""
    trial = tried(limit, Ended.FAILED)
    return ImageFit(name, None, (trial,), 0, Stopped(why, trial, lower), None, 4000)


def report(
    *images: ImageFit, settings: FitSettings | None = None, headroom: Headroom | None = None, scale: float = 1.0
) -> FitReport:
    """The report of some fits."""
    return FitReport(
        membudget_version="1.2.3",
        started_at=check_report().started_at,
        environment=check_report().environment,
        confirmations=10,
        images=tuple(image_report(image, settings or FitSettings(), headroom, scale) for image in images),
    )


def everything() -> Sequence[ImageFit]:
    """Fits with each kind of result."""
    return (
        fitted("api", answering),
        fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB), today=None),
        fitted("tiny", lambda limit: tried(limit, rss=MIB, mark=MIB)),
        stopped("broken", Stop.NEVER_PASSES, limit=None),
        stopped("flaky", Stop.FAILS_OTHERWISE, lower=128 * MIB),
        stopped("huge", Stop.NEVER_ENOUGH),
        stopped("random", Stop.UNSTABLE),
        ImageFit("stopped", None, (tried(None), tried(64 * MIB), tried(32 * MIB, Ended.KILLED)), 0, None, None, 3000),
        ImageFit("unbuilt", 64 * MIB, fault="it does not build: exit code 1 ::error::x"),
    )


def part(number: int, *images: ImageFit, of: int = 2, known: tuple[str, ...] = ("api", "db", "web")) -> FitReport:
    """The report of one shard of a fit."""
    update = {
        "commit": "c" * 40,
        "budgets_digest": "d" * 64,
        "shard": Shard(number, of),
        "coverage": Coverage(tuple(image.name for image in images), known),
    }
    return report(*images).model_copy(update=update)
