"""Production as a real Prometheus knows it: every query is asked there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from membudget.advise.production import seen_in
from membudget.budgets.selector import Selector, of_containers, parse_selector
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.production import NotSeen, Production, ProductionUse, Scrapes
from membudget.web.prometheus import Prometheus
from prometheus_tools import Programs
from tests.prometheus.conftest import Promtool
from tests.support.production import Pod, exposition, this_hour
from tests.support.prometheus import prometheus

NOW_S = this_hour()
API = of_containers(["api"])
GAP = range(400, 450)
"""These scrapes failed: 12.5 hours."""
PODS = [
    Pod("api-1", rss_mib=100, peak_mib=128, mark_mib=140, restarts=2),
    Pod("api-2", rss_mib=110, peak_mib=112),
    Pod("db-1", rss_mib=500, peak_mib=600, container="db"),
    Pod("whole", rss_mib=900, peak_mib=999, container=""),
    Pod("api-ci", rss_mib=9000, peak_mib=9000, job="membudget"),
    Pod("job-1", container="job", oom_events=3, was_oom_killed=True, restarts=1, without=GAP),
    Pod("job-2", container="job", without=GAP),
    Pod("old-1", container="old", was_oom_killed=True),
    Pod("old-2", container="old", restarts=1),
    Pod("mail-1", container="mail"),
    Pod("mail-1", container="mail", namespace="staging"),
]


@contextmanager
def serving(programs: Programs, promtool: Promtool, folder: Path, *options: str) -> Iterator[str]:
    """A Prometheus that knows the pods. Its address."""
    samples = folder / "samples.txt"
    samples.write_text(exposition(PODS, NOW_S))
    large_blocks = "--max-block-duration=1000h"  # a block for two hours each would take ten times as long
    promtool("tsdb", "create-blocks-from", large_blocks, "openmetrics", str(samples), str(folder / "data"))
    with prometheus(programs, folder, *options) as server:
        yield server.url


@pytest.fixture(scope="module")
def url(programs: Programs, promtool: Promtool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(programs, promtool, tmp_path_factory.mktemp("prometheus")) as address:
        yield address


def seen(url: str, selector: Selector = API, days: int = 14) -> Production:
    found = seen_in(Prometheus(url), selector, days, NOW_S)
    assert isinstance(found, Production)
    return found


def test_all_figures_of_an_image_are_found(url: str) -> None:
    found = seen(url)
    assert found.used[Metric.PEAK_RSS] == ProductionUse(128 * MIB, 110 * MIB, round(127.84 * MIB))
    assert found.used[Metric.PEAK_WORKING_SET].max_bytes == 138 * MIB
    assert found.used[Metric.PEAK_MEMORY].max_bytes == 140 * MIB
    assert (found.pods, found.containers, found.samples) == (2, 2, 2 * 14 * 96)
    assert found.scrapes == Scrapes(900, 14 * 86_400, 0)
    assert (found.oom_kills, found.oom_killed, found.restarts, found.is_cut_off) == (0, None, 2, False)
    assert found.limit_bytes == 256 * MIB
    assert not found.is_partial


def test_a_week_old_peak_is_not_seen_in_a_day(url: str) -> None:
    assert seen(url, days=1).used[Metric.PEAK_RSS].max_bytes == 110 * MIB


@pytest.mark.parametrize(
    ("selector", "peak_mib", "pods"),
    [
        ('{namespace="shop",container=~"d.*"}', 600, 1),
        ('{image=~".*/db:.*"}', 600, 1),
        ('{container=~"api|db"}', 600, 3),
        ('{namespace="shop"}', 600, 8),  # not the sums over whole pods
        ('{namespace="shop",job="membudget"}', 9000, 1),
    ],
)
def test_a_selector_says_which_containers_count(url: str, selector: str, peak_mib: int, pods: int) -> None:
    found = seen(url, parse_selector(selector))
    assert (found.used[Metric.PEAK_RSS].max_bytes, found.pods) == (peak_mib * MIB, pods)


def test_pods_of_one_name_in_two_namespaces_are_two(url: str) -> None:
    found = seen(url, of_containers(["mail"]))
    assert (found.pods, found.namespaces) == (2, 2)
    assert seen(url).namespaces == 1


def test_kills_and_gaps_are_told(url: str) -> None:
    found = seen(url, of_containers(["job"]))
    assert (found.oom_kills, found.oom_killed, found.is_cut_off) == (3, 1, True)
    assert found.scrapes is not None
    assert found.scrapes.missing_s == 12 * 3600, "whole hours without any sample"
    of_image = seen(url, parse_selector('{image=~".*/job:.*"}'))
    assert (of_image.oom_killed, of_image.restarts) == (None, None), "kube-state-metrics knows no image"


def test_an_oom_kill_before_these_days_does_not_count(url: str) -> None:
    """Its reason stays for as long as the pod lives. A restart of another pod does not make it new."""
    found = seen(url, of_containers(["old"]))
    assert (found.oom_killed, found.restarts, found.is_cut_off) == (None, 1, False)


@pytest.mark.parametrize("value", ['x"} or vector(1) or x{y="', "a\\", "ünï", "(", "{}", "$1", "a,b"])
def test_no_label_value_changes_the_query(url: str, value: str) -> None:
    assert seen_in(Prometheus(url), of_containers([value]), 14, NOW_S) is NotSeen.NO_SERIES
    assert seen_in(Prometheus(url), of_containers([value, "none"]), 14, NOW_S) is NotSeen.NO_SERIES


def test_an_expression_that_is_no_regular_one_is_named(url: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"does not answer the query: .*missing closing"):
        seen(url, parse_selector('{container=~"("}'))


def test_a_query_that_is_too_large_is_named_with_what_to_do(
    programs: Programs, promtool: Promtool, tmp_path: Path
) -> None:
    with (
        serving(programs, promtool, tmp_path, "--query.max-samples=100") as url,
        pytest.raises(EnvironmentFault, match=r"too many samples(.|\n)*fewer --days"),
    ):
        seen(url)
