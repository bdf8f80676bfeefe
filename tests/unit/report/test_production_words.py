"""How CI's memory compares with production's, in words."""

from dataclasses import replace

import pytest

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.production import CiNotMeasured, ImageFidelity, NotSeen, OfCi, Scrapes
from membudget.report.production_words import meanings, rows, sentences
from tests.unit.judge.production_cases import production

RSS, WORKING_SET = Metric.PEAK_RSS, Metric.PEAK_WORKING_SET
DAY_S = 86_400


def ci(*mib: float, **more: object) -> OfCi:
    samples = tuple(round(one * MIB) for one in mib)
    return OfCi(sorted(samples)[len(samples) // 2], samples, **more)  # type: ignore[arg-type]


def said(rss: OfCi, *, scale: float = 1, working_set: OfCi | None = None, **seen: object) -> list[str]:
    """What is said of an image whose RSS in production is 100 MiB."""
    of_ci = {RSS: rss} | ({WORKING_SET: working_set} if working_set is not None else {})
    one = ImageFidelity("api", scale, replace(production(100 * MIB, 200 * MIB), **seen), of_ci)  # type: ignore[arg-type]
    return [finding.as_text() for finding in sentences(one)]


@pytest.mark.parametrize(
    ("rss", "scale", "answer"),
    [
        (
            ci(61, 62, 64),
            1,
            (
                "the workload reaches 62% (61% to 64%) of production's peak RSS. Raise its load, or set"
                " `production.scale = 1.7`"
            ),
        ),
        (
            ci(62, 62, 62),
            1.2,
            (
                "the workload reaches 62% of production's peak RSS, and 74% with `production.scale = 1.2`. Raise"
                " its load, or set `production.scale = 1.7`"
            ),
        ),
        (
            ci(62, 62, 62),
            1.6,
            (
                "the workload reaches 62% of production's peak RSS, and 99% with `production.scale = 1.6`. CI's figure"
                " holds"
            ),
        ),
        (ci(95, 100), 1, "the workload reaches 100% (95% to 100%) of production's peak RSS. CI's figure holds"),
        (
            ci(300),
            1,
            (
                "the workload reaches 300% of production's peak RSS. CI needs more than production used, so a limit"
                " that follows from CI suffices"
            ),
        ),
        (
            ci(80, 88, 95),
            1,
            (
                "the workload reaches 88% (80% to 95%) of production's peak RSS. Whether CI's figure holds is not"
                " clear, because its trials differ. Raise `trials.max`"
            ),
        ),
        (
            ci(50, is_lower_bound=True),
            1,
            (
                "the workload reaches at least 50% of production's peak RSS. Whether CI's figure holds is not known,"
                " because its own peak is only a lower bound"
            ),
        ),
        (ci(0.5), 1, "the workload reaches 0.5% of production's peak RSS. Raise its load"),
    ],
)
def test_the_answer_comes_first(rss: OfCi, scale: float, answer: str) -> None:
    assert said(rss, scale=scale)[0] == answer


def test_a_kill_in_production_makes_every_share_an_upper_bound() -> None:
    below = said(ci(62), oom_kills=2)
    assert below[0] == (
        "the workload reaches at most 62% of production's peak RSS. Raise its load, or set `production.scale = 1.7`"
        " or more"
    )
    cut = "The limit cut off production's peak, so it is a lower bound"
    assert below[1] == f"the kernel killed at least 2 processes in production. {cut}"
    unknown = said(ci(100), oom_kills=None, oom_killed=1)
    assert unknown[0].endswith("is not known, because the limit cut off production's peak")
    assert unknown[1] == f"1 container in production ended with an OOM kill. {cut}"


def test_what_was_seen_is_told_with_what_it_lacks() -> None:
    quiet = said(ci(100))[1:]
    assert quiet == [
        'production: {container="api"}, 2 pods with 3 containers, in 14 days',
        "production: 80,640 samples, one every 30 s. Peaks between them are missed, so production may use more",
    ]
    gaps = said(
        ci(100),
        scrapes=Scrapes(60, 6 * DAY_S, 7200),
        oom_kills=None,
        restarts=1,
        namespaces=2,
        limit_bytes=256 * MIB,
        is_partial=True,
        unusable=("peak_rss.p99: NaN",),
    )
    assert gaps[1].endswith("2 pods with 3 containers, 1 restart, largest limit 256.0 MiB, in 14 days")
    assert gaps[3:] == [
        "production: the pods are in 2 namespaces. If other programs are among them, add a namespace to the selector",
        "production: the samples cover only 6 d of 14 days, and there is no sample for 2 h of them",
        "production: nothing tells whether the kernel killed a process there",
        "production: Prometheus warns that its answer may lack something",
        "production: left out, because it is not a number of at least 0: peak_rss.p99: NaN",
    ]


def test_a_file_has_no_days_and_may_tell_no_interval() -> None:
    told = said(ci(100), days=None, scrapes=None, samples=1)
    assert told[1:] == [
        'production: {container="api"}, 2 pods with 3 containers',
        "production: 1 sample. Peaks between them are missed, so production may use more",
    ]


@pytest.mark.parametrize(
    ("interval_s", "written"), [(0.5, "0.5 s"), (1, "1 s"), (90, "90 s"), (150, "2.5 min"), (7200, "2 h")]
)
def test_an_interval_has_a_unit_that_suits_it(interval_s: float, written: str) -> None:
    assert f"one every {written}." in said(ci(100), scrapes=Scrapes(interval_s, 14 * DAY_S, 0))[2]


def test_the_kernels_mark_misses_no_peak() -> None:
    one = ImageFidelity("api", 1, production(100 * MIB, mark=180 * MIB), {RSS: ci(100)})
    assert any("The kernel's mark misses none: 180.0 MiB" in finding.as_text() for finding in sentences(one))


def test_a_working_set_that_is_far_below_is_told_although_rss_holds() -> None:
    told = said(ci(100), working_set=ci(120))
    assert told[1].startswith("of production's peak working set, it reaches only 60%: production holds more page cache")
    assert not any("working set" in words for words in said(ci(60), working_set=ci(120)))


def test_shared_memory_is_told() -> None:
    assert said(ci(100, shared_bytes=30 * MIB))[1] == "CI's RSS is shown without 30.0 MiB of shared memory"
    assert "includes shared memory" in said(ci(100, includes_shared=True))[1]


@pytest.mark.parametrize("why", [*NotSeen, *CiNotMeasured])
def test_nothing_to_compare_says_what_to_do(why: NotSeen | CiNotMeasured) -> None:
    one = (
        ImageFidelity("api", 1, why, {RSS: ci(60)})
        if isinstance(why, NotSeen)
        else ImageFidelity("api", 1, NotSeen.NO_SERIES, why)
    )
    (finding,) = sentences(one)
    assert finding.as_text().startswith("not compared: ")
    assert rows([one]) == []


def test_figures_without_a_counterpart_are_not_compared() -> None:
    one = ImageFidelity("api", 1, production(working_set=MIB), {RSS: ci(60)})
    assert next(sentences(one)).as_text() == "not compared: CI and production have no figure in common"


def test_only_what_the_table_shows_is_explained() -> None:
    one = ImageFidelity("api", 1, production(100 * MIB), {RSS: ci(60)})
    assert [finding.as_text()[:3] for finding in meanings([one])] == ["RSS"]


def test_text_from_outside_is_quoted() -> None:
    seen = production(100 * MIB, selector='{container="a`|<b>"}', unusable=("pods: `|<b>",))
    one = ImageFidelity("api", 1, seen, {RSS: ci(60)})
    told = "\n".join(finding.as_markdown() for finding in sentences(one))
    assert '`` {container="a`|<b>"} ``' in told
    assert "`` pods: `|<b> ``" in told
