"""Lines that the runner obeys, and lines that it must not."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.publish.workflow import CLOSE_GROUP, error_annotation, guarded, open_group
from tests.support.workflow_log import HOSTILE, obeyed


@pytest.mark.parametrize("text", HOSTILE)
def test_an_annotation_is_one_command_whatever_it_quotes(text: str) -> None:
    line = error_annotation(text, text)
    assert [name for name, _ in obeyed(line)] == ["error"]
    assert line.count("title=") == 1 or "title" in text
    properties = line.removeprefix("::error ").split("::")[0]
    assert "," not in properties


@pytest.mark.thorough
@given(st.text(), st.text())
def test_no_text_makes_an_annotation_another_command(title: str, message: str) -> None:
    line = error_annotation(title, message)
    assert [name for name, _ in obeyed(line)] == ["error"]
    assert line.splitlines() == [line]


def test_an_annotation_reads_as_it_was_meant() -> None:
    line = error_annotation("api: over budget", "peak RSS over by 5.0 MiB (100%), a lot")
    assert line == "::error title=api%3A over budget::peak RSS over by 5.0 MiB (100%25), a lot"


def test_an_annotation_has_a_length_that_github_shows() -> None:
    assert len(error_annotation("t" * 10_000, "m" * 10_000)) < 1300


@pytest.mark.parametrize("text", HOSTILE)
def test_a_group_is_one_command_whatever_its_title(text: str) -> None:
    log = f"{open_group(text)}\n{CLOSE_GROUP}\n"
    assert [name for name, _ in obeyed(log)] == ["group", "endgroup"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_obeyed_between_the_guards(text: str) -> None:
    stream = io.StringIO()
    with guarded(stream):
        stream.write(f"{text}\nwithout a line's end: {text}")
    print(error_annotation("api", "over budget"), file=stream)
    assert obeyed(stream.getvalue()) == [("error", "over budget")]


def test_the_guard_ends_when_printing_fails() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), guarded(stream):
        raise ZeroDivisionError
    assert obeyed(stream.getvalue()) == []


def test_each_guard_has_a_token_of_its_own() -> None:
    tokens = set()
    for _ in range(3):
        stream = io.StringIO()
        with guarded(stream):
            pass
        tokens.add(stream.getvalue().splitlines()[0].removeprefix("::stop-commands::"))
    assert len(tokens) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)
