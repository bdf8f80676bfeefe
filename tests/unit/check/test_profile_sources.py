"""Places of a profile in the repository: the right file or none, and whether the diff shows the line."""

import difflib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets import file as budgets_file
from membudget.build.revision import Commit
from membudget.check.diff_lines import diff_lines
from membudget.check.profile_sources import repository_path, with_sources
from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import MIB
from membudget.judge.growth import growth_of
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import Frame, PairProfile, SourceLine
from membudget.publish.commit_state import annotations
from membudget.publish.pull_request import LinesOfFile
from tests.support.builders import budgets, image, report, side, trial
from tests.support.profiles import INDEX, JSON, heap, profiled, shop

HEAD, BASE = Commit("a" * 40, "head"), Commit("b" * 40, "base")
FILES = ("services/api/catalog/search.py", "services/api/server.py", "services/mail/server.py", "setup.py")
EXAMPLES = ("examples/main.py", "examples/src/Shop.java")
GREW = "@@ -38,6 +38,16 @@ def build_index():\n b\n" + 5 * "+a\n" + 4 * " b\n" + 5 * "+a\n" + " b\n"
SPECS = budgets_file.parse(
    'version = 1\n[defaults]\nlimit = "128MiB"\n[images.api]\nbuild.context = "services/api/"\n', "budgets.toml"
)


class Tree:
    """A commit with FILES, whose diff shows the lines 40 to 45."""

    def __init__(
        self, changed: str = "@@ -1,1 +1,3 @@\n a\n+b\n+b\n@@ -38,6 +40,6 @@ def f():\n b\n", *, fails: bool = False
    ) -> None:
        self.changed = changed
        self.fails = fails
        self.asked: list[str] = []

    def paths(self, commit: Commit) -> Sequence[str]:
        self.asked.append(f"paths of {commit.subject}")
        if self.fails:
            raise EnvironmentFault("git ls-tree failed")
        return FILES

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        self.asked.append(f"{base.subject} to {head.subject} of {path}")
        return self.changed


def measured(pair: PairProfile | None) -> ImageMeasurement:
    allowed = budgets(rss_growth=(5, 2))
    made = image("api", base=side(*[trial(60)] * 5), head=side(*[trial(100)] * 5), allowed=allowed)
    return replace(made, profile=pair)


def sources(pair: PairProfile, tree: Tree, base: Commit | None = BASE) -> tuple[SourceLine, ...]:
    (found,) = with_sources([measured(pair)], SPECS, (base, HEAD), tree)
    assert found.profile is not None
    return found.profile.sources


@pytest.mark.parametrize(
    ("file", "folder", "expected"),
    [
        ("/app/catalog/search.py", ".", "services/api/catalog/search.py"),
        ("catalog/search.py", "services/api", "services/api/catalog/search.py"),
        ("file:///srv/catalog/search.py", "", "services/api/catalog/search.py"),
        ("/app/search.py", ".", None),
        ("/opt/tool/main.py", ".", None),
        ("/opt/server.py", ".", None),
        ("/srv/server.py", "services/api", "services/api/server.py"),
        ("/srv/server.py", "services", None),
        ("/srv/setup.py", ".", "setup.py"),
        ("Shop.java", ".", "examples/src/Shop.java"),
        ("/build/Shop.java", ".", None),
        ("/app/server.py", ".", None),
        ("/app/server.py", "services/mail", "services/mail/server.py"),
        ("/app/mail/server.py", ".", "services/mail/server.py"),
        ("/app/research.py", ".", None),
        ("/app/catalog/search.py", "services/mail", None),
        ("/app/catalog/search.py", "services/ap", None),
        ("", ".", None),
        ("/", ".", None),
    ],
)
def test_the_file_with_the_longest_equal_end_is_the_same(file: str, folder: str, expected: str | None) -> None:
    assert repository_path(file, FILES + EXAMPLES, folder) == expected


def test_lines_that_a_diff_shows() -> None:
    diff = (
        "--- a/a.py\n+++ b/a.py\n@@ -47,7 +47,7 @@\n x\n+@@ -1,1 +1,1 @@ is no hunk\n@@ -9 +100 @@\n@@ -4,2 +3,0 @@\n"
    )
    shown = [line for line in range(1, 200) if diff_lines(diff).is_shown(line)]
    assert shown == [*range(47, 54), 100]


CHANGED = """\
--- a/shop.py
+++ b/shop.py
@@ -1,2 +1,4 @@
+import os
+
 import json
 books = []
@@ -8,7 +10,8 @@ def load():
 same
-old = 1
--- was no heading
-was here
+new = 1
+@@ -1,9 +1,9 @@ is no hunk
+++ is no heading
+is here
 same
 same
 same
\\ No newline at end of file
"""


@pytest.mark.parametrize(
    ("line", "base_line", "is_changed"),
    [
        (1, None, True),
        (2, None, True),
        (3, 1, False),
        (4, 2, False),
        (9, 7, False),
        (10, 8, False),
        (11, None, True),
        (12, None, True),
        (13, 10, True),
        (14, 11, True),
        (15, 12, False),
        (17, 14, False),
        (18, 15, False),
        (900, 897, False),
    ],
)
def test_lines_of_head_are_found_in_the_base(line: int, base_line: int | None, *, is_changed: bool) -> None:
    lines = diff_lines(CHANGED)
    assert (lines.base_line(line), lines.is_changed(line)) == (base_line, is_changed)


def test_a_block_of_as_many_lines_has_the_same_lines_in_the_base() -> None:
    lines = diff_lines("@@ -5,2 +5,2 @@\n-a = 1\n-b = 1\n+a = 2\n+b = 2\n")
    assert [(lines.base_line(line), lines.is_changed(line)) for line in (4, 5, 6, 7)] == [
        (4, False),
        (5, True),
        (6, True),
        (7, False),
    ]


def test_a_line_that_was_changed_among_new_ones_is_found_by_its_text() -> None:
    lines = diff_lines("""\
@@ -1,2 +1,4 @@
 def build_index(mib):
-    return [bytes(4000) for _ in range(262 * mib)]
+    books = [bytes(4000) for _ in range(262 * mib)]
+    words = load_words()
+    return books + words
""")
    assert [lines.base_line(line) for line in (1, 2, 3, 4, 5)] == [1, 2, None, None, 3]


def test_long_blocks_and_lines_are_not_compared_for_ever() -> None:
    block = "".join(f"-{number}\n" for number in range(3000)) + "".join(f"+{number}\n" for number in range(3001))
    assert diff_lines(f"@@ -1,3000 +1,3001 @@\n{block}").base_line(5) is None
    letters = "ab" * 500_000
    assert diff_lines(f"@@ -1,1 +1,2 @@\n-{letters}\n+{letters}c\n+d\n").base_line(1) == 1


@pytest.mark.thorough
def test_many_blocks_are_not_compared_for_ever() -> None:
    """A block of 19 lines that become 20 is 380 pairs, of which a file has 4,000 at most."""
    blocks, base, head = [], 1, 1
    for number in range(12):
        lines = [f"{number} and {line}" for line in range(20)]
        removed, added = ([f"{sign}{line}\n" for line in some] for sign, some in (("-", lines[:19]), ("+", lines)))
        blocks.append(f"@@ -{base},19 +{head},20 @@\n{''.join([*removed, *added])}")
        base, head = base + 100, head + 100
    found = diff_lines("".join(blocks))
    assert found.base_line(1 + 100 * 9) == 1 + 100 * 9
    assert found.base_line(1 + 100 * 11) is None


def test_a_new_file_has_no_lines_in_the_base() -> None:
    lines = diff_lines("@@ -0,0 +1,2 @@\n+a\n+b\n")
    assert [(lines.base_line(line), lines.is_changed(line)) for line in (1, 2)] == [(None, True)] * 2


def test_a_file_without_a_diff_has_the_same_lines() -> None:
    lines = diff_lines("")
    assert (lines.base_line(5), lines.is_changed(5), lines.is_shown(5)) == (5, False, False)


@pytest.mark.parametrize("context", [0, 3])
@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_every_unchanged_line_is_found_with_its_text(context: int, before: list[str], after: list[str]) -> None:
    lines = diff_lines("\n".join(difflib.unified_diff(before, after, "a", "b", lineterm="", n=context)))
    for number, text in enumerate(after, start=1):
        base = lines.base_line(number)
        if not lines.is_changed(number):
            assert base is not None
            assert before[base - 1] == text
        assert base is None or 1 <= base <= len(before)


def test_a_line_that_grew_in_a_function_of_both_sides_is_shown_and_annotated() -> None:
    """`build_index` holds 60 MiB at a line that moved, which is not what grew."""
    moved, more = replace(INDEX, line=46), replace(INDEX, line=51)
    pair = PairProfile(profiled(heap([((INDEX,), 60)])), profiled(heap([((moved,), 60), ((more,), 40)])))
    images = with_sources([measured(pair)], SPECS, (BASE, HEAD), Tree(GREW))
    (found,) = (one for one in annotations(report(*images).judged()) if one.title == "api: memory")
    assert found.place == LinesOfFile("services/api/catalog/search.py", 51, 51)


def test_a_service_that_is_installed_as_a_package_is_own_code() -> None:
    """`pip install .` puts it into `site-packages`, where profilers expect libraries."""
    site = "/usr/local/lib/python3.12/site-packages"
    index = replace(INDEX, file=f"{site}/catalog/search.py", is_library=True)
    flask = Frame("dispatch", f"{site}/flask/app.py", 9, is_library=True)
    before, after = (heap([((index, flask), size)]) for size in (1, 41))
    tree = Tree()
    (found,) = with_sources([measured(PairProfile(profiled(before), profiled(after)))], SPECS, (BASE, HEAD), tree)
    assert found.profile is not None
    assert [(one.path, one.line, one.is_in_diff) for one in found.profile.sources] == [
        ("services/api/catalog/search.py", 41, True)
    ]
    grown = growth_of(found.profile)
    assert grown is not None
    assert [(site.frame, site.delta_bytes // MIB) for site in grown.named] == [(replace(index, is_library=False), 40)]
    assert tree.asked[:2] == ["paths of base", "paths of head"]


def test_a_path_that_no_report_may_have_is_none() -> None:
    assert repository_path("/app/x.py", (f"{'a/' * 600}x.py",), ".") is None


def test_places_to_name_are_found_once() -> None:
    tree = Tree()
    pair = PairProfile(profiled(shop(1.1)), profiled(shop(39.3, words=5)))
    path = "services/api/catalog/search.py"
    assert sources(pair, tree) == (
        SourceLine("/app/catalog/search.py", 41, path, is_in_diff=True, base_line=39),
        SourceLine("/app/catalog/search.py", 58, path, is_in_diff=False, base_line=56),
    )
    assert tree.asked == ["paths of head", f"base to head of {path}"]


def test_without_a_base_there_is_no_diff() -> None:
    tree = Tree()
    assert not any(one.is_in_diff for one in sources(PairProfile(None, profiled(shop(38))), tree, None))
    assert tree.asked == ["paths of head"]


def test_libraries_classes_and_unknown_lines_are_not_in_the_repository() -> None:
    held = heap([((JSON,), 9), ((Frame("com.example.Index"),), 8), ((Frame("load", "/app/setup.py"),), 7)])
    assert sources(PairProfile(None, profiled(held)), Tree()) == ()


def test_nothing_is_asked_without_a_profile() -> None:
    tree = Tree()
    assert with_sources([measured(None)], SPECS, (BASE, HEAD), tree) == (measured(None),)
    assert sources(PairProfile(None, profiled(None)), tree) == ()
    assert tree.asked == []


def test_places_in_the_image_stay_if_git_fails() -> None:
    assert sources(PairProfile(None, profiled(shop(38))), Tree(fails=True)) == ()


def test_lines_of_the_diff_are_annotated_if_the_image_does_not_pass() -> None:
    pair = PairProfile(profiled(shop(1.1)), profiled(shop(39.3, words=5)))
    images = with_sources([measured(pair)], SPECS, (BASE, HEAD), Tree())
    found = [one for one in annotations(report(*images).judged()) if one.title == "api: memory"]
    assert [(one.message, one.place) for one in found] == [
        (
            f"{INDEX.name} holds 39.3 MiB, +38.2 MiB since the base, by tracemalloc",
            LinesOfFile("services/api/catalog/search.py", 41, 41),
        )
    ]
    passing = [replace(one, budgets=budgets()) for one in images]
    assert annotations(report(*passing).judged()) == []
