import pytest
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client.openmetrics.parser import text_string_to_metric_families as of_openmetrics
from prometheus_client.parser import text_string_to_metric_families as of_plain_text

from membudget.report.formats.exposition import Family, FamilyKind, openmetrics, plain_text

TEXTS = some.text(some.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
"""Lines end with \\n alone."""


def family(kind: FamilyKind = FamilyKind.GAUGE) -> Family:
    return Family("cats", kind, "", "how many\nthere are")


def test_a_family_without_samples_is_left_out() -> None:
    assert openmetrics([family()]) == "# EOF\n"
    assert plain_text([family()]) == ""


def test_plain_text_knows_neither_units_nor_information_nor_states() -> None:
    made = [
        Family("a_seconds", FamilyKind.GAUGE, "seconds", "time"), Family("b", FamilyKind.INFO, "", "about"),
        Family("c", FamilyKind.STATE_SET, "", "state"), Family("d", FamilyKind.COUNTER, "", "count"),
    ]  # fmt: skip
    for one in made:
        one.add("1", {})
    lines = plain_text(made).splitlines()
    assert [line for line in lines if line.startswith("# TYPE")] == [
        "# TYPE a_seconds gauge", "# TYPE b_info gauge", "# TYPE c gauge", "# TYPE d_total counter",
    ]  # fmt: skip
    assert [line for line in lines if not line.startswith("#")] == ["a_seconds 1", "b_info 1", "c 1", "d_total 1"]
    assert not any("UNIT" in line or "EOF" in line for line in lines)


def test_times_are_seconds_in_openmetrics_and_milliseconds_in_plain_text() -> None:
    made = family()
    made.add("3", {"kind": "tabby"}, 1_790_000_000)
    assert 'cats{kind="tabby"} 3 1790000000' in openmetrics([made]).splitlines()
    assert 'cats{kind="tabby"} 3 1790000000000' in plain_text([made]).splitlines()


@pytest.mark.thorough
@given(label=TEXTS, words=TEXTS)
def test_any_text_is_read_as_it_was_written(label: str, words: str) -> None:
    made = Family("cats", FamilyKind.GAUGE, "", words)
    made.add("3", {"kind": label})
    for read in (of_openmetrics(openmetrics([made])), of_plain_text(plain_text([made]))):  # type: ignore[no-untyped-call]
        (found,) = read
        assert found.samples[0].labels == {"kind": label}
        assert found.samples[0].value == 3
    (strict,) = of_openmetrics(openmetrics([made]))  # type: ignore[no-untyped-call]
    assert strict.documentation == words
