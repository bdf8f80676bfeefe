"""What a server is asked about an image, and what its answers mean."""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.production import figures_query, scrapes_query, seen_in
from membudget.budgets.selector import Matcher, Selector, of_containers, parse_selector
from membudget.core.metrics import Metric
from membudget.judge.production import NotSeen, Production, ProductionUse, Scrapes
from membudget.web.prometheus_answer import Answered, PrometheusSample

NOW_S = 1_700_000_000.0
API = of_containers(["api"])
FIGURES = {
    "peak_rss.max": "1000",
    "peak_rss.p99": "900",
    "peak_rss.pods": "950.4",
    "pods": "2",
    "containers": "3",
    "samples": "80640",
    "limit": "2000",
    "oom_kills": "0",
    "restarts": "1",
}


@dataclass(slots=True)
class Fake:
    """A server that answers so."""

    figures: dict[str, str] = field(default_factory=lambda: dict(FIGURES))
    hours: tuple[int, ...] = tuple(range(336))
    counts: dict[int, str] = field(default_factory=dict)
    """The samples of these hours. Others have 120."""
    is_partial: bool = False
    queries: list[str] = field(default_factory=list)

    def instant(self, query: str, time_s: float) -> Answered:
        self.queries.append(query)
        samples = (PrometheusSample({"membudget": name}, time_s, text) for name, text in self.figures.items())
        return Answered(tuple(samples), self.is_partial)

    def over_time(self, query: str, begin_s: float, end_s: float, step_s: int) -> Answered:
        assert (end_s - begin_s) / step_s == 14 * 24 - 1
        self.queries.append(query)
        return Answered(
            tuple(PrometheusSample({}, begin_s + step_s * hour, self.counts.get(hour, "120")) for hour in self.hours)
        )


def seen(fake: Fake, selector: Selector = API) -> Production:
    found = seen_in(fake, selector, 14, NOW_S)
    assert isinstance(found, Production)
    return found


def test_figures_are_told_by_their_names() -> None:
    found = seen(Fake())
    assert found.used == {Metric.PEAK_RSS: ProductionUse(1000, 900, 950)}
    assert (found.pods, found.containers, found.samples, found.restarts) == (2, 3, 80640, 1)
    assert (found.oom_kills, found.oom_killed, found.limit_bytes) == (0, None, 2000)
    assert found.scrapes == Scrapes(30, 14 * 86_400, 0)


def test_hours_without_samples_are_missing() -> None:
    found = seen(Fake(hours=tuple(hour for hour in range(100, 336) if hour not in range(200, 210))))
    assert found.scrapes == Scrapes(30, 236 * 3600, 10 * 3600)


@pytest.mark.parametrize("count", ["1e-320", "0.5", "0", "1e300", "NaN"])
def test_a_count_that_no_hour_can_have_is_no_sample(count: str) -> None:
    assert seen(Fake(hours=(0,), counts={0: count})).scrapes is None
    assert seen(Fake(counts={5: count})).scrapes == Scrapes(30, 14 * 86_400, 3600)


def test_times_that_nobody_asked_for_tell_no_span() -> None:
    assert seen(Fake(hours=(-100_000, *range(336), 1_000_000))).scrapes == Scrapes(30, 14 * 86_400, 0)


def test_no_sample_of_an_hour_tells_no_interval() -> None:
    assert seen(Fake(hours=())).scrapes is None


def test_an_answer_without_figures_is_no_container() -> None:
    assert seen_in(Fake(figures={}), API, 14, NOW_S) is NotSeen.NO_SERIES
    assert seen_in(Fake(figures={"pods": "1"}), API, 14, NOW_S) is NotSeen.NO_SERIES


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-5", "text", "1e300", str(1 << 51)])
def test_an_unusable_figure_is_named_and_left_out(text: str) -> None:
    found = seen(Fake(figures={**FIGURES, "peak_working_set.max": text}))
    assert Metric.PEAK_WORKING_SET not in found.used
    assert found.unusable == (f"peak_working_set.max: {text}",)
    assert seen_in(Fake(figures={"peak_rss.max": text}), API, 14, NOW_S) is NotSeen.NOT_USABLE


def test_names_that_nobody_asked_for_are_ignored() -> None:
    found = seen(Fake(figures={**FIGURES, "evil": "NaN", "": "7"}))
    assert (found.unusable, found.used) == ((), seen(Fake()).used)


def test_a_zero_is_no_limit_and_no_memory() -> None:
    """cAdvisor says 0 where a kernel has no mark and where a container has no limit."""
    found = seen(Fake(figures={**FIGURES, "limit": "0", "peak_memory.max": "0"}))
    assert (found.limit_bytes, Metric.PEAK_MEMORY in found.used) == (None, False)


def test_a_warning_of_the_server_is_kept() -> None:
    assert seen(Fake(is_partial=True)).is_partial


def test_kills_say_that_the_peak_is_cut_off() -> None:
    assert not seen(Fake()).is_cut_off
    assert seen(Fake(figures={**FIGURES, "oom_kills": "1"})).is_cut_off
    assert seen(Fake(figures={**FIGURES, "oom_killed": "1"})).is_cut_off


@pytest.mark.parametrize(
    ("given_selector", "asked"),
    [
        ('{container="api"}', '{container="api",job!="membudget"}'),
        ('{container="api",job="ci"}', '{container="api",job="ci"}'),
        ('{namespace="shop"}', '{namespace="shop",job!="membudget",container!="",container!="POD"}'),
        ('{name="shop-api-1"}', '{name="shop-api-1",job!="membudget"}'),
    ],
)
def test_only_single_containers_of_production_count(given_selector: str, asked: str) -> None:
    assert seen(fake := Fake(), parse_selector(given_selector)).selector == asked
    assert all(asked in query for query in fake.queries)


def test_kube_state_metrics_is_asked_by_the_labels_that_it_has() -> None:
    query = figures_query(parse_selector('{container="api",namespace="shop",image=~"x",job="kubelet"}'), 14)
    assert 'last_terminated_reason{container="api",namespace="shop",reason="OOMKilled"}[14d]' in query
    assert query.count('restarts_total{container="api",namespace="shop"}[14d]') == 4, "two guard the OOM kills"
    assert 'restarts_total{container="api",namespace="shop"}[14d]' in query
    assert "kube_" not in figures_query(parse_selector('{image=~"x",namespace="shop"}'), 14)


def test_containers_without_kubernetes_are_counted_by_name() -> None:
    assert "count by (name)" in figures_query(parse_selector('{name=~"api-.*"}'), 14)
    assert "count by (namespace,pod)" in figures_query(API, 14)


@pytest.mark.thorough
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Cf", "Zl", "Zp"]), max_size=40))
def test_no_value_leaves_its_quotes_in_a_query(value: str) -> None:
    """What is left of a query without its quoted values is the same for all of them."""
    selector = Selector((Matcher("container", "=", value),))
    queries = (figures_query(selector, 14), scrapes_query(selector))
    usual = (figures_query(API, 14), scrapes_query(API))
    quoted = re.compile(r'"(?:[^"\\\n]|\\.)*"')
    assert [quoted.sub('""', query) for query in queries] == [quoted.sub('""', query) for query in usual]
