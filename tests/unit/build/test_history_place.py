import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.history_place import commit_of, file_name, joined, parse_place
from membudget.core.errors import ConfigurationError

SHA = "ab" + "c" * 38


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("notes", "refs/notes/membudget", "git notes refs/notes/membudget"),
        ("notes:memory/nightly", "refs/notes/memory/nightly", "git notes refs/notes/memory/nightly"),
        ("branch:memory", "refs/heads/memory", "branch memory"),
        ("branch:refs/heads/memory", "refs/heads/memory", "branch memory"),
        ("folder:/var/lib/memory", "/var/lib/memory", "folder /var/lib/memory"),
    ],
)
def test_a_place_is_written_with_its_kind(text: str, name: str, words: str) -> None:
    place = parse_place(text)
    assert (place.name, str(place)) == (name, words)


@pytest.mark.parametrize(
    "text", ["", "note", "branch", "branch:", "branch:-x", "branch:a..b", "branch:a.lock", "notes:a b", "branch:a//b",
             "branch:.a", "branch:a:b", "notes:+x", "folder:"],
)  # fmt: skip
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no place for the history"):
        parse_place(text)


@pytest.mark.parametrize("path", [SHA, f"ab/{SHA[2:]}", f"ab/cc/{SHA[4:]}", file_name(SHA), f"elsewhere/{SHA}.jsonl"])
def test_a_path_says_which_commit_its_lines_are_about(path: str) -> None:
    assert commit_of(path) == SHA


@pytest.mark.parametrize("path", ["README.md", "ab/cd", f"{SHA}.txt", SHA.upper(), f"{SHA}0"])
def test_other_files_are_about_no_commit(path: str) -> None:
    assert commit_of(path) is None


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_joining_keeps_every_line_once(parts: list[bytes]) -> None:
    lines = {line for part in parts for line in part.split(b"\n") if line.strip()}
    assert joined(*parts).splitlines(keepends=True) or not lines
    assert joined(*parts) == joined(*reversed(parts), *parts)
    assert set(joined(*parts).split(b"\n")[:-1]) == lines
