"""Files of samples: what they may look like, and how each mistake is named."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.production_samples import read_samples, seen_in_samples
from membudget.budgets.selector import of_containers, parse_selector
from membudget.core.errors import ConfigurationError
from membudget.core.metrics import Metric
from membudget.judge.production import NotSeen, Production, ProductionUse, Scrapes

CSV = """\
time,container,pod,working_set_bytes,rss_bytes,oom_kills
2026-11-28T08:00:00Z,api,api-1,110,100,0
2026-11-28T08:00:30Z,api,api-1,130,120,0
2026-11-28T08:01:00Z,api,api-1,115,105,1
2026-11-28T08:00:00Z,api,api-2,,90,
2026-11-28T08:10:00Z,api,api-2,99,95,
2026-11-28T08:00:00Z,db,db-1,999,900,0
"""
API = of_containers(["api"])


def seen(content: str, selector: str = '{container="api"}') -> Production:
    found = seen_in_samples(read_samples(content.encode(), "samples.csv"), parse_selector(selector))
    assert isinstance(found, Production)
    return found


def test_a_csv_file_is_read() -> None:
    found = seen(CSV)
    assert found.used == {
        Metric.PEAK_WORKING_SET: ProductionUse(130, 130, 130),
        Metric.PEAK_RSS: ProductionUse(120, 120, 120),
    }
    assert (found.pods, found.containers, found.samples, found.days) == (2, 2, 5, None)
    assert (found.oom_kills, found.is_cut_off) == (1, True)
    assert found.scrapes == Scrapes(30, 600, 540)


def test_a_json_file_says_the_same() -> None:
    rows = [
        {"time": 1_795_852_800 + 30 * number, "container": "api", "pod": "api-1", "rss_bytes": size}
        for number, size in enumerate((100, 120, 105))
    ]
    found = seen(json.dumps(rows))
    assert found.used == {Metric.PEAK_RSS: ProductionUse(120, 120, 120)}
    assert (found.oom_kills, found.scrapes) == (None, Scrapes(30, 60, 0))


PAGE = (Path(__file__).parents[3] / "docs/fidelity.md").read_text()
DOCUMENTED = re.findall(r"^```(?:csv|json)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("content", DOCUMENTED)
def test_the_documented_files_are_read(content: str) -> None:
    assert seen(content).pods == 1
    assert len(DOCUMENTED) == 2


def test_a_percentile_lies_between_two_samples_as_in_prometheus() -> None:
    rows = [{"time": number, "container": "api", "rss_bytes": 100 * number} for number in range(11)]
    assert seen(json.dumps(rows)).used[Metric.PEAK_RSS] == ProductionUse(1000, 990, 1000)


@pytest.mark.parametrize(
    ("selector", "peak"),
    [
        ('{container="db"}', 900),
        ('{container=~"api|db"}', 900),
        ('{container!="db"}', 120),
        ('{container="api",pod="api-2"}', 95),
        ('{namespace=""}', 900),
    ],
)
def test_a_selector_says_which_rows_count(selector: str, peak: int) -> None:
    assert seen(CSV, selector).used[Metric.PEAK_RSS].max_bytes == peak


def test_namespaces_are_counted() -> None:
    rows = [{"time": 1, "container": "api", "namespace": one, "rss_bytes": 1} for one in ("shop", "staging", "shop")]
    assert seen(json.dumps(rows)).namespaces == 2
    assert seen(CSV).namespaces == 1


def test_no_row_that_matches_is_told() -> None:
    assert seen_in_samples(read_samples(CSV.encode(), "x"), of_containers(["web"])) is NotSeen.NO_SAMPLES


@pytest.mark.parametrize("selector", ['{container=~"a.*"}', '{container!~"a.b"}', '{container=~"(a+)+"}'])
def test_a_regular_expression_is_refused(selector: str) -> None:
    """One could take for ever, and not every one means the same to Python."""
    with pytest.raises(ConfigurationError, match="a regular expression"):
        seen(CSV, selector)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "does not have the columns time and container"),
        ("time,pod\n1,a", "does not have the columns time and container"),
        ("time,container,time\n", "its first line has the column time more than once"),
        ("time,container,\n1,a,\n", "its first line has a column without a name"),
        ("time,,container\n1,,a\n", "its first line has a column without a name"),
        ("time,container,rss\n", "unknown column: rss"),
        ("time,container,rss_bytes\n1,api,5,6", "sample 1: it has more fields than columns"),
        ("time,container,rss_bytes\n1,api,", "sample 1: it has neither working_set_bytes nor rss_bytes"),
        ("time,container,rss_bytes\n1,,5", "sample 1: container is empty"),
        ("time,container,rss_bytes\n1,api,5\n2,api,-5", "sample 2: rss_bytes is '-5', and not a number from 0"),
        ("time,container,rss_bytes\n1,api,NaN", "rss_bytes is 'NaN'"),
        ("time,container,rss_bytes\n1,api,inf", "rss_bytes is 'inf'"),
        ("time,container,rss_bytes\n1,api,1e30", "rss_bytes is '1e30'"),
        ("time,container,rss_bytes\n1,api,1_0", "rss_bytes is '1_0'"),
        ("time,container,rss_bytes\n1,api,64MiB", "rss_bytes is '64MiB'"),
        ("time,container,rss_bytes\nyesterday,api,5", "time is 'yesterday': write"),
        ("time,container,rss_bytes\n1e300,api,5", "time is '1e300'"),
        ('time,container,rss_bytes\n1,"api,5\n', ": it is no CSV"),
        ("time,container,rss_bytes\n1,\0,5", "it has zero bytes"),
        ("time,container,rss_bytes\n1," + 2000 * "a" + ",5", "a name has more than 1000 characters"),
        ("[", "Invalid JSON"),
        ("{}", "Input should be a valid"),
        ('[{"time": 1}]', "0.container: Field required"),
        ('[{"time": 1, "container": "a", "rss": 1}]', "0.rss: Extra inputs"),
        ('[{"time": 1, "container": "a", "rss_bytes": true}]', "rss_bytes"),
        ("[" * 100_000, "Invalid JSON"),
    ],
)
def test_each_mistake_is_named_with_its_place(content: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        seen(content)
    assert said in str(raised.value)
    assert str(raised.value).startswith("samples.csv")


def test_a_file_that_is_no_text_is_named() -> None:
    with pytest.raises(ConfigurationError, match="neither CSV nor JSON in UTF-8"):
        read_samples(b"\xff\xfe\xfa", "samples.csv")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(ConfigurationError):
        assert all(
            row.rss_bytes is not None or row.working_set_bytes is not None
            for row in read_samples(content, "samples.csv")
        )


@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=50))
def test_percentiles_lie_within_the_samples(sizes: list[int]) -> None:
    rows = [{"time": number, "container": "api", "rss_bytes": size} for number, size in enumerate(sizes)]
    used = seen(json.dumps(rows)).used.get(Metric.PEAK_RSS)
    assert used is not None
    assert used.p99_bytes is not None
    assert min(sizes) <= used.p99_bytes <= used.max_bytes == max(sizes)
