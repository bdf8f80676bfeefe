"""Every link in the documentation leads somewhere: to a file of the repository, and to a heading of that page."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lint
from tests.support.shown_commands import commands

TOP = Path(__file__).parents[2]
PAGES = [name for name in lint.tracked() if name.endswith(".md") and not name.startswith(("tests/", "examples/"))]
SOURCES = [name for name in lint.tracked() if name.startswith("src/") or name == "action.yml"]
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_NAMED_PAGE = re.compile(r"(?<!moby/buildkit, )\bdocs/[\w./-]+\.md(?:#[\w-]+)?")


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading: words and hyphens, in lower case."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading).strip().lower()
    kept = (one for one in words if one in "-_ " or unicodedata.category(one)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page. A heading that occurs again gets a number."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    without_code = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in _HEADING.findall(without_code):
        anchor = slug(heading)
        found.append(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def is_there(page: Path, target: str) -> bool:
    """Whether a link on a page leads to a file and a heading."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not anchor or anchor in anchors(file))


def links(text: str) -> Iterator[str]:
    for found in _LINK.finditer(_CODE.sub("", text)):
        target = found[1] or found[2]
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(name: str) -> None:
    page = TOP / name
    assert [target for target in links(page.read_text()) if not is_there(page, target)] == []


@pytest.mark.thorough
def test_every_page_that_the_program_names_is_there() -> None:
    named = {
        (name, found) for name in SOURCES if name.endswith((".py", ".yml")) for found in _NAMED_PAGE.findall(read(name))
    }
    assert named
    assert [one for one in sorted(named) if not is_there(TOP / "here", one[1])] == []


def read(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("A cache", "a-cache"),
        ("Forks, and the reporter", "forks-and-the-reporter"),
        ("What `init` does", "what-init-does"),
        ("Why my check isn't green?", "why-my-check-isnt-green"),
    ],
)
def test_an_anchor_is_the_one_that_github_makes(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One\n\n## Two\n\n## Two\n")
    page = tmp_path / "page.md"
    page.write_text("# Here\n\n```\n# Not a heading\n```\n")
    good = ["there.md", "there.md#two-1", "#here"]
    bad = ["absent.md", "there.md#three", "#not-a-heading"]
    assert [target for target in (*good, *bad) if not is_there(page, target)] == bad
    assert [*links('[a](b.md) `[c](d.md)` [e](https://example.com) <img src="f.png">')] == ["b.md", "f.png"]


def test_the_index_of_questions_reaches_every_page() -> None:
    index = TOP / "docs/README.md"
    reached = {target.partition("#")[0] for target in links(index.read_text())}
    assert {page.name for page in index.parent.glob("*.md")} - reached == {index.name}


def test_commands_that_a_test_runs_need_no_server() -> None:
    shown = [line for name in PAGES if name.startswith("docs/") for line in commands(read(name))]
    assert any(line.startswith("membudget check") for line in shown)
    needs_one = [line for line in shown if line.startswith("membudget") and "://" in line]
    assert needs_one == [], "write the block without a language: test_documented_commands runs those of sh"
