"""The harness itself, with a patch that does little."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import extension
from tests.extension.extended_tree import ExtendedTree, extended, missing, steps, unnamed
from tests.extension.in_every_format import FORMATS

VERSION = "src/membudget/version.py"


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """It adds a line to the end of a module."""
    before, after = tmp_path / "a", tmp_path / "b"
    for side in (before, after):
        (side / VERSION).parent.mkdir(parents=True)
        shutil.copy(extension.TOP / VERSION, side / VERSION)
    with (after / VERSION).open("a") as file:
        file.write('EXTENDED = "by a patch"\n')
    command = ["git", "diff", "--no-index", "--no-prefix", "a", "b"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    path = tmp_path / "small.patch"
    path.write_text(made)
    return path


@pytest.fixture
def small(patch: Path, tmp_path: Path) -> ExtendedTree:
    return extended(patch, tmp_path / "tree")


@pytest.mark.thorough
def test_programs_of_the_copy_see_the_extension(small: ExtendedTree) -> None:
    assert small.touched == small.sources == (VERSION,)
    program = "from membudget.version import EXTENDED; print(EXTENDED)"
    assert small.run(sys.executable, "-c", program) == "by a patch\n"


@pytest.mark.thorough
def test_a_check_against_fakes_is_rendered_in_every_format(small: ExtendedTree) -> None:
    report = small.checked('version = 1\n[images.shop]\nlimit = "64MiB"\nbudgets.peak_rss = { max = "48MiB" }\n')
    shown = small.renderings(report)
    assert shown.keys() == set(FORMATS)
    del shown["sarif"]  # it has findings alone, and there are none
    assert [name for name, text in shown.items() if "shop" not in text] == []
    assert [name for name, text in shown.items() if not ("peak RSS" in text or "peak_rss" in text)] == []


def test_a_patch_that_no_longer_applies_says_how_to_refresh_it(patch: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / VERSION
    other.parent.mkdir(parents=True)
    other.write_text("rewritten = True\n")
    with pytest.raises(extension.DoesNotApply, match=r"run `python tools/extension\.py refresh small`"):
        extension.apply(patch, tmp_path / "other")


@pytest.mark.thorough
def test_an_opened_patch_is_changed_and_saved(patch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "PATCHES", tmp_path)
    folder = tmp_path / "opened"
    assert extension.open_copy("small", folder)
    with (folder / VERSION).open("a") as file:
        file.write('CHANGED = "by hand"\n')
    extension.save("small", folder)
    assert '+EXTENDED = "by a patch"\n+CHANGED = "by hand"\n' in patch.read_text()
    assert extension.touched(patch) == [VERSION]


@pytest.mark.thorough
def test_a_conflict_has_to_be_resolved_before_a_patch_is_saved(
    patch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension, "PATCHES", tmp_path)
    patch.write_text(patch.read_text().replace(" VERSION = ", " VERSION_THEN = ").replace(" from ", " from then."))
    folder = tmp_path / "opened"
    assert not extension.open_copy("small", folder)
    with pytest.raises(SystemExit, match=r"conflicts left in src/membudget/version\.py\.rej"):
        extension.save("small", folder)


def test_lines_that_moved_do_not_break_a_patch(patch: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / VERSION
    other.parent.mkdir(parents=True)
    other.write_text("# one\n# two\n# three\n" + (extension.TOP / VERSION).read_text())
    extension.apply(patch, tmp_path / "other")
    assert other.read_text().endswith('EXTENDED = "by a patch"\n')


def test_steps_name_source_files_by_path_or_by_a_word_in_capitals() -> None:
    assert "src/membudget/core/metrics.py" in steps("Add a metric")
    named = {"src/servers/SERVER.py", "src/map.py"}
    assert missing(named, {"src/servers/gitlab.py", "src/map.py"}) == []
    assert missing(named, {"src/servers/gitlab.py"}) == ["src/map.py"]
    assert unnamed(named, {"src/servers/gitlab.py", "src/other.py"}) == ["src/other.py"]
