import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import (
    KIB,
    MIB,
    SIZE_HINT,
    SIZE_PATTERN,
    format_duration,
    format_percent,
    format_size,
    format_size_delta,
    format_size_spread,
    parse_duration,
    parse_percent,
    parse_size,
    parse_whole,
    size_hint,
)

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "kB": 10**3, "MB": 10**6, "GB": 10**9}
OF_KUBERNETES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256MiB", 256 * 2**20),
        ("1.5 GiB", 3 * 2**29),
        ("500MB", 500_000_000),
        (" 64KiB ", 65536),
        ("0B", 0),
        ("128Mi", 128 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("500M", 500_000_000),
        ("100k", 100_000),
    ],
)
def test_sizes_mean_what_is_written(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["256m", "256", "", "MiB", "-1MiB", "1e3MiB", "1,5GiB", "1MiBs", "٣MiB", "9" * 50 + "B"]
)
def test_ambiguous_or_broken_sizes_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ValueError, match='write a number with a unit: "256MiB"'):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("256", '"256" has no unit: write "256MiB", or "256B" for bytes'),
        ("256m", '"m" is MiB in docker and 1/1000 in Kubernetes: write "256MiB"'),
        ("1.5g", '"g" is GiB in docker and unknown in Kubernetes: write "1.5GiB"'),
        ("64K", '"K" is KiB in docker and unknown in Kubernetes: write "64KiB"'),
        ("256mib", 'write "256MiB"'),
        ("256mi", 'write "256Mi"'),
        ("1 gb", 'write "1GB"'),
    ],
)
def test_a_size_that_is_nearly_right_is_refused_with_what_was_probably_meant(text: str, remark: str) -> None:
    with pytest.raises(ValueError, match="not a size; write a number with a unit") as caught:
        parse_size(text)
    assert str(caught.value).endswith(f"; {remark}")


@pytest.mark.parametrize("text", ["x", "1Mix", "1e3Mi", "1Pi", "1E", "-1Mi", "", "9" * 50 + "m"])
def test_other_mistakes_get_the_general_hint(text: str) -> None:
    assert size_hint(text) == SIZE_HINT


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS | OF_KUBERNETES)))
def test_every_whole_number_with_a_unit_is_exact(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * (UNITS | OF_KUBERNETES)[unit]


@pytest.mark.thorough
@given(st.from_regex(re.compile(r"\s?[0-9]{1,3}(\.[0-9]{1,2})?\s?[BKMGTbkmgtiIx]{0,3}", re.ASCII), fullmatch=True))
def test_the_schemas_pattern_allows_exactly_what_is_parsed(text: str) -> None:
    try:
        parse_size(text)
    except ValueError:
        assert re.search(SIZE_PATTERN, text, re.ASCII) is None
    else:
        assert re.search(SIZE_PATTERN, text, re.ASCII) is not None


@given(st.integers(0, 2**50))
def test_a_printed_size_is_within_a_rounding_of_the_value(size: int) -> None:
    printed = format_size(size)
    scale = UNITS[printed.split()[1]]
    assert abs(parse_size(printed) - size) <= scale * 0.05 + 1  # parsing rounds down
    assert float(printed.split()[0]) < 1024 or scale == UNITS["GiB"]


@given(st.integers(-(2**50), 2**50))
def test_a_delta_always_carries_its_sign(delta: int) -> None:
    printed = format_size_delta(delta)
    assert printed.startswith("+" if delta > 0 else "-" if delta < 0 else "0")


def test_rounding_moves_to_the_next_unit() -> None:
    assert format_size(1024 * 1024 - 1) == "1.0 MiB"
    assert format_size(1023) == "1023 B"


@pytest.mark.parametrize(("text", "ms"), [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1.5h", 5_400_000)])
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


def test_a_bare_number_is_no_duration() -> None:
    with pytest.raises(ValueError, match='"30s"'):
        parse_duration("30")


@pytest.mark.parametrize(
    ("ms", "text"), [(840, "840 ms"), (12_500, "12.5 s"), (99_949, "99.9 s"), (125_000, "2 m 05 s")]
)
def test_printed_durations(ms: int, text: str) -> None:
    assert format_duration(ms) == text


@pytest.mark.parametrize(("value", "percent"), [(5, 5.0), ("5%", 5.0), (" 2.5 % ", 2.5), (0, 0.0)])
def test_percents(value: str | float, percent: float) -> None:
    assert parse_percent(value) == percent


@pytest.mark.parametrize(
    "value", ["five", "-1", 1001, "nan", "inf", "1_0", "\u0661\u0665", "1e2", "5%%", "+5", ".5", float("nan"), "9" * 50]
)
def test_what_is_no_percent(value: str | float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1000"):
        parse_percent(value)


@pytest.mark.parametrize("text", ["", "0", "11", "1_0", "\u0663", "\u00b2", "+3", " 3", "3.0", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from 1 to 10"):
        parse_whole(text, 1, 10)


def test_printed_percents() -> None:
    assert [format_percent(5), format_percent(2.54), format_percent(12.5, signed=True)] == ["5%", "2.5%", "+12.5%"]


@pytest.mark.parametrize(
    ("delta", "margin", "text"),
    [
        (4 * MIB, 300 * KIB, "+4.0 ± 0.3 MiB"),
        (-4 * MIB, 300 * KIB, "-4.0 ± 0.3 MiB"),
        (10, 29 * MIB, "0.0 ± 29.0 MiB"),
        (-10, 29 * MIB, "0.0 ± 29.0 MiB"),
        (0, 12, "0 ± 12 B"),
        (3 * 2**30, MIB, "+3.0 ± 0.0 GiB"),
    ],
)
def test_a_change_and_its_margin_are_in_one_unit(delta: int, margin: int, text: str) -> None:
    assert format_size_spread(delta, margin) == text
