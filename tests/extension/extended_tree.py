"""A copy of the tree with one patch of tests/extension/patches applied, and what can be asked of it.

An extension is a class of tests: `class TestX(Extension)` says which patch it is, and inherits the tests that every
extension has to pass. It adds a test that runs the new thing against fakes, with `checked` or `program`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import pytest

import dev_cache
import extension

_STEP = re.compile(r"^\d+\. .*(?:\n   .*)*", re.MULTILINE)
_SOURCE_FILE = re.compile(r"`(src/[^`]+)`")
_PLACEHOLDER = re.compile(r"[A-Z]{2,}")


@dataclass(frozen=True, slots=True)
class ExtendedTree:
    """The patched copy."""

    folder: Path
    touched: tuple[str, ...]
    """The files of the patch."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Those below src/, of which there may be few."""
        return tuple(name for name in self.touched if name.startswith("src/"))

    def run(self, *command: str | Path) -> str:
        """The output of a program of the copy, which has to succeed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=extension.environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def program(self, module: str, *arguments: str | Path) -> str:
        """The output of a Python module of the copy: of membudget, of its tests' helpers or of its tools."""
        return self.run(sys.executable, "-m", module, *arguments)

    def tool(self, name: str, *arguments: str) -> str:
        """The output of a tool that is installed beside Python."""
        return self.run(Path(sys.executable).with_name(name), *arguments)

    def schema(self) -> dict[str, object]:
        """The schema of `budgets.toml`, as the extended membudget prints it."""
        return cast("dict[str, object]", json.loads(self.program("membudget", "schema")))

    def checked(self, budgets: str) -> Path:
        """The report of a check against fakes, by a budgets file that both sides have."""
        (report,) = self.checked_each({"report": budgets})
        return report

    def checked_each(self, budgets: Mapping[str, str]) -> list[Path]:
        """The reports of checks by several budgets files, named like those, from one process."""
        files = []
        for name, text in budgets.items():
            files += [self.folder / f"{name}.toml", self.folder / f"{name}.json"]
            files[-2].write_text(text)
        self.program("tests.extension.fake_check", *files)
        return files[1::2]

    def renderings(self, report: Path) -> dict[str, str]:
        """The report in every format of `membudget report`, with plain spaces where there are hard ones."""
        folder = report.with_suffix(".formats")
        self.program("tests.extension.in_every_format", report, folder)
        return {path.name: path.read_text().replace("\u00a0", " ") for path in folder.iterdir()}


def steps(section: str) -> set[str]:
    """The source files that the numbered steps of a section of CONTRIBUTING.md name."""
    text = (extension.TOP / "CONTRIBUTING.md").read_text()
    _, found, rest = text.partition(f"\n## {section}\n")
    assert found, f"CONTRIBUTING.md has no section {section!r}"
    return {name for step in _STEP.findall(rest.partition("\n## ")[0]) for name in _SOURCE_FILE.findall(step)}


def missing(names: set[str], files: set[str]) -> list[str]:
    """Those of `names` that are no file of `files`. A word in capitals stands for any name: `servers/SERVER.py`."""
    patterns = {name: _PLACEHOLDER.sub(r"\\w+", re.escape(name)) for name in names}
    return sorted(name for name, pattern in patterns.items() if not any(re.fullmatch(pattern, file) for file in files))


def unnamed(names: set[str], files: set[str]) -> list[str]:
    """Those of `files` that no name of `names` means."""
    return sorted(file for file in files if len(missing(names, {file})) == len(names))


@pytest.mark.thorough
class Extension:
    """The tests of every extension. CONTRIBUTING's steps and the patch have to name the same source files."""

    patch: ClassVar[str]
    """Its file in tests/extension/patches, without .patch."""
    section: ClassVar[str]
    """The section of CONTRIBUTING.md that tells how such a thing is added."""
    most_sources: ClassVar[int]
    """How many files below src/ it may touch."""
    schema_name: ClassVar[str | None]
    """What names it in the schema of `budgets.toml`; None: nothing does."""

    def test_few_source_files_are_touched(self, tree: ExtendedTree) -> None:
        assert 0 < len(tree.sources) <= self.most_sources, tree.sources

    def test_contributing_names_the_source_files_and_no_others(self, tree: ExtendedTree) -> None:
        named = steps(self.section)
        assert unnamed(named, set(tree.sources)) == [], f"the steps of {self.section!r} do not name them"
        assert missing(named, set(tree.sources)) == [], f"{self.patch}.patch does not touch them"

    def test_the_type_checker_is_content(self, tree: ExtendedTree) -> None:
        shutil.copytree(_types_before(), tree.folder / ".mypy_cache", dirs_exist_ok=True)
        assert "Success" in tree.tool("mypy", "src")

    def test_the_contracts_hold(self, tree: ExtendedTree) -> None:
        assert "0 broken" in tree.tool("lint-imports", "--no-cache", "--no-logo")

    def test_what_is_generated_is_in_the_patch(self, tree: ExtendedTree) -> None:
        tree.program("pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_metric_tables.py")
        schema = tree.schema()
        assert schema == json.loads((tree.folder / extension.SCHEMA).read_text())
        assert self.schema_name is None or f'"{self.schema_name}"' in json.dumps(schema)


def _types_before() -> Path:
    """What mypy keeps of the tree as it is: with that, a patched copy is checked in seconds, not in half a minute."""
    cache = extension.TOP / ".mypy_cache"
    with dev_cache.locked("mypy"):  # once for all patches, whose tests may run side by side
        if not cache.is_dir():
            mypy = Path(sys.executable).with_name("mypy")
            subprocess.run([mypy, "src"], cwd=extension.TOP, capture_output=True, check=False)
    return cache


def extended(patch: Path, folder: Path) -> ExtendedTree:
    """A copy of the tree in `folder`, with `patch` applied."""
    extension.copy_tree(folder)
    _copy_compiled(folder)
    extension.apply(patch, folder)
    return ExtendedTree(folder, tuple(extension.touched(patch)))


def _copy_compiled(folder: Path) -> None:
    """Copy what Python and pytest have compiled: by time and size, they know which modules are as they were."""
    for part in ("src", "tests", "tools"):
        for path in (extension.TOP / part).glob("**/__pycache__/*.pyc"):
            target = folder / path.relative_to(extension.TOP)
            if target.parent.parent.is_dir():
                target.parent.mkdir(exist_ok=True)
                with suppress(FileNotFoundError):  # it is replaced just now
                    shutil.copy(path, target)
