"""Places of a profile in the repository: the right file or none, and whether the diff shows the line."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from membudget.budgets import file as budgets_file
from membudget.build.revision import Commit
from membudget.check.profile_sources import repository_path, shown_lines, with_sources
from membudget.core.errors import EnvironmentFault
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import Frame, PairProfile, SourceLine
from membudget.publish.commit_state import annotations
from membudget.publish.pull_request import Place
from tests.support.builders import budgets, image, report, side, trial
from tests.support.profiles import INDEX, JSON, heap, profiled, shop

HEAD, BASE = Commit("a" * 40, "head"), Commit("b" * 40, "base")
FILES = ("services/api/catalog/search.py", "services/api/server.py", "services/mail/server.py", "setup.py")
EXAMPLES = ("examples/main.py", "examples/src/Shop.java")
SPECS = budgets_file.parse(
    'version = 1\n[defaults]\nlimit = "128MiB"\n[images.api]\nbuild.context = "services/api/"\n', "budgets.toml"
)


class Tree:
    """A commit with FILES, whose diff shows the lines 40 to 45."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[str] = []

    def paths(self, commit: Commit) -> Sequence[str]:
        self.asked.append(f"paths of {commit.subject}")
        if self.fails:
            raise EnvironmentFault("git ls-tree failed")
        return FILES

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        self.asked.append(f"{base.subject} to {head.subject} of {path}")
        return "@@ -1,3 +1,3 @@\n a\n@@ -38,6 +40,6 @@ def f():\n b\n"


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
    assert shown_lines(diff) == ((47, 53), (100, 100))
    assert shown_lines("") == ()


def test_a_path_that_no_report_may_have_is_none() -> None:
    assert repository_path("/app/x.py", (f"{'a/' * 600}x.py",), ".") is None


def test_places_to_name_are_found_once() -> None:
    tree = Tree()
    pair = PairProfile(profiled(shop(1.1)), profiled(shop(39.3, words=5)))
    path = "services/api/catalog/search.py"
    assert sources(pair, tree) == (
        SourceLine("/app/catalog/search.py", 41, path, is_in_diff=True),
        SourceLine("/app/catalog/search.py", 58, path, is_in_diff=False),
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
            Place("services/api/catalog/search.py", 41, 41),
        )
    ]
    passing = [replace(one, budgets=budgets()) for one in images]
    assert annotations(report(*passing).judged()) == []
