"""The figures of a fit, and the limit that follows."""

import json
from dataclasses import replace

import pytest

from membudget.advise.fit import FitSubject
from membudget.advise.report import kept_report
from membudget.budgets.budget_tables import SizeBudget
from membudget.budgets.fit import FitSettings
from membudget.budgets.rules import effective
from membudget.budgets.suggested import as_written
from membudget.budgets.workload import CommandWorkload
from membudget.core.errors import ExitCode
from membudget.core.quantities import MIB
from membudget.judge.fitted import FittedImage, Stop
from membudget.measure.trial import TrialSpec
from tests.fakes.fitted import answering, everything, fitted, report, stopped
from tests.fakes.limited_services import Service, monotone, self_sizing


def test_the_limit_has_the_wanted_headroom_above_what_is_comfortable() -> None:
    for headroom in (0, 15, 50):
        settings = FitSettings.model_validate({"headroom": headroom})
        (image,) = report(fitted("api", answering), settings=settings).images
        assert image.comfortable_bytes is not None
        assert image.limit_bytes is not None
        wanted = image.comfortable_bytes * (1 + headroom / 100)
        assert wanted <= image.limit_bytes <= wanted + 5 * MIB


def test_the_limit_is_multiplied_by_the_scale_and_the_budget_is_not() -> None:
    """The limit is for production. What CI measures stays what it is."""
    (image,) = report(fitted("api", monotone(100 * MIB)), scale=1.6).images
    (plain,) = report(fitted("api", monotone(100 * MIB))).images
    assert image.comfortable_bytes is not None
    assert image.limit_bytes is not None
    wanted = image.comfortable_bytes * 1.6 * 1.15
    assert wanted <= image.limit_bytes <= wanted + 5 * MIB
    assert (image.survives_bytes, image.peak_rss_max_bytes) == (plain.survives_bytes, plain.peak_rss_max_bytes)


def test_the_budget_for_peak_rss_lies_between_the_peak_and_the_limit() -> None:
    (image,) = report(fitted("api", monotone(100 * MIB))).images
    assert image.limit_bytes is not None
    assert image.peak_rss_max_bytes is not None
    assert 100 * MIB < image.peak_rss_max_bytes <= image.limit_bytes
    assert image.peak_rss_bytes == 100 * MIB


@pytest.mark.parametrize("headroom", ["5%", "25%", "60%", "80MiB"])
def test_the_limit_keeps_the_headroom_of_the_budget(headroom: str) -> None:
    wanted = SizeBudget.model_validate({"headroom": headroom}).headroom
    (image,) = report(fitted("api", monotone(100 * MIB)), headroom=wanted).images
    assert image.limit_bytes is not None
    assert image.peak_rss_max_bytes is not None
    assert image.keeps_headroom
    budget = SizeBudget.model_validate({"max": as_written(image.peak_rss_max_bytes), "headroom": headroom})
    below = effective(budget, image.limit_bytes).below_limit
    assert below is not None
    assert 100 * MIB * 1.04 <= image.peak_rss_max_bytes <= below
    smaller = 100 * MIB * 1.05 + (wanted.of(image.limit_bytes) if wanted is not None else 0)
    assert image.limit_bytes <= max(1.2 * 101 * MIB, smaller * 1.1)


def test_headroom_that_no_limit_keeps_is_told() -> None:
    wanted = SizeBudget.model_validate({"headroom": "20%"}).headroom
    (image,) = report(fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB)), headroom=wanted).images
    assert not image.keeps_headroom
    assert image.limit_bytes == report(fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB))).images[0].limit_bytes


def test_memory_that_depends_on_the_limit_may_grow_with_it() -> None:
    (image,) = report(fitted("jvm", self_sizing(0.75, 60 * MIB, 30 * MIB))).images
    assert image.sizes_itself
    assert image.limit_bytes is not None
    assert image.survives_bytes is not None
    assert image.limit_bytes > image.survives_bytes
    assert image.peak_rss_max_bytes == image.limit_bytes


def test_an_image_without_an_answer_is_unmeasured() -> None:
    assert report(fitted("api", answering)).exit_code is ExitCode.WITHIN_BUDGET
    assert report(fitted("api", answering), stopped("b", Stop.UNSTABLE)).exit_code is ExitCode.UNMEASURED


def test_the_json_has_every_rung() -> None:
    document = json.loads(report(*everything()).model_dump_json())
    assert [image["name"] for image in document["images"]][:2] == ["api", "jvm"]
    rungs = document["images"][0]["rungs"]
    assert rungs[-1]["limit_bytes"] is None
    assert {"passed", "killed", "p95_us", "cpu_ms", "refaulted_bytes", "stalled_ms"} <= rungs[0].keys()
    assert document["images"][3]["stopped"] == "never passes"


def kept(service: Service) -> FittedImage | None:
    found = fitted("api", service)
    spec = TrialSpec("api", "api", None, 1000, CommandWorkload())
    return kept_report(FitSubject(spec, today_bytes=found.today_bytes), found.trials)


def test_kept_trials_say_what_the_fit_said() -> None:
    again = kept(answering)
    (first,) = report(fitted("api", answering)).images
    assert again is not None
    assert replace(again, duration_ms=first.duration_ms) == first


def test_trials_that_no_fit_can_have_found_are_not_believed() -> None:
    assert kept(lambda limit: replace(answering(limit), peak_rss_bytes=1 << 60)) is None
    assert kept(lambda limit: replace(answering(limit), cpu_ms=-1)) is None
