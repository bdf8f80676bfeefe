"""The walls of the house (docs/adr/0001-layers.md), tested: contracts are in pyproject.toml."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

from membudget.version import VERSION

TOP = Path(__file__).parents[2]
SOURCES = sorted((TOP / "src" / "membudget").rglob("*.py"))
PYTHON_FILES = [
    path for folder in ("src", "tests", "tools", "benchmarks") for path in sorted((TOP / folder).rglob("*.py"))
]
MODULE_NAME = re.compile(r"\bmembudget(?:\.\w+){2,}|(?<=from )membudget\.\w+(?= import)")


@pytest.mark.thorough
def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_is_named_like_the_standard_library_or_a_dependency() -> None:
    taken = sys.stdlib_module_names | {"aiohttp", "docker", "github", "jeepney", "pydantic", "rich"}
    assert [path.name for path in SOURCES if path.stem in taken - {"__main__"}] == []


def test_the_image_says_the_version_it_holds() -> None:
    label = f"LABEL membudget.version={VERSION}\n"
    assert label in (TOP / "Dockerfile").read_text(), "the action knows its own image by this"


SHORT = {
    "__main__": "python -m membudget",
    "closed_model": "core/files, which has its like for dataclasses, does without pydantic",
    "image_report": "apart from the tree on a terminal, which imports rich",
    "handler": "each module of arguments uses it, and it is about no arguments",
    "version": "read by the image and by tools",
}
"""Modules below 40 lines, and why."""


def test_modules_stay_readable_in_one_sitting() -> None:
    lengths = {path: path.read_text().count("\n") for path in SOURCES if path.name != "__init__.py"}
    long = {str(path.relative_to(TOP)): lines for path, lines in lengths.items() if lines > 350}
    assert long == {}, "above 350 lines, ask why: split by idea"
    short = {path.stem for path, lines in lengths.items() if lines < 40}
    assert short == SHORT.keys(), "below 40 lines, ask why: join the module whose question it answers"


@pytest.mark.thorough
def test_unit_tests_lie_beside_the_module_that_they_test() -> None:
    """The tests of `judge/rows` are `judge/test_rows.py` and, where they are many, `judge/test_rows_SUBJECT.py`."""
    tests = sorted((TOP / "tests" / "unit").glob("*/**/test_*.py"))
    packages = {path: TOP / "src" / "membudget" / path.parent.relative_to(TOP / "tests" / "unit") for path in tests}
    of_modules = {path: package for path, package in packages.items() if package.is_dir()}
    assert len(of_modules) > 100
    assert [str(path) for path, package in of_modules.items() if not is_named_after_a_module(path, package)] == []


def is_named_after_a_module(test: Path, package: Path) -> bool:
    name = test.stem.removeprefix("test_")
    return any(f"{name}_".startswith(f"{module.stem}_") for module in package.glob("*.py"))


def test_use_cases_read_like_a_sentence() -> None:
    for name in ("check/check", "check/measure_images", "publish/publish"):
        tree = ast.parse((TOP / f"src/membudget/{name}.py").read_text())
        (run,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run")
        assert run.end_lineno is not None
        assert run.end_lineno - run.lineno < 60


@pytest.mark.thorough
def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{path.relative_to(TOP)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert len(lengths) > 3000
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}, "above 60 lines: split by idea"


@pytest.mark.thorough
def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even by imports inside of functions, which no contract looks at within a package."""
    names = {".".join(path.with_suffix("").relative_to(TOP / "src").parts): path for path in SOURCES}
    imports = {name: set(imported_by(path)) & names.keys() - {name} for name, path in names.items()}
    assert sum(map(len, imports.values())) > 3000
    TopologicalSorter(imports).prepare()  # raises CycleError


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{imported.name}" for imported in node.names)
        elif isinstance(node, ast.Import):
            yield from (imported.name for imported in node.names)


@pytest.mark.thorough
def test_packages_stand_on_nine_floors() -> None:
    """Counted by what they import. docs/adr/0001 has the figures of before."""
    above: dict[str, set[str]] = {path.parts[0]: set() for path in OF_PACKAGES}
    for path in OF_PACKAGES:
        own = path.parts[0]
        named = {name.split(".")[1] for name in imported_by(TOP / "src/membudget" / path) if MODULE_NAME.match(name)}
        above[own] |= named & above.keys() - {own}
    floors: dict[str, int] = {}
    for package in TopologicalSorter(above).static_order():
        floors[package] = 1 + max((floors[lower] for lower in above[package]), default=0)
    assert max(floors.values()) == floors["cli"] == 9


OF_PACKAGES = [path for file in SOURCES if len((path := file.relative_to(TOP / "src/membudget")).parts) > 1]
STARTED_ALONE = {"membudget.measure.probe.process": set[str](), "membudget.engine.cgroup_removal": {"jeepney"}}
"""Programs that start fast, and what they import inside of a function."""


@pytest.mark.parametrize("program", STARTED_ALONE)
def test_helper_programs_import_the_standard_library_alone(program: str) -> None:
    names = {".".join(path.with_suffix("").relative_to(TOP / "src").parts): path for path in SOURCES}
    waiting, seen, others = [program], set[str](), set[str]()
    while waiting:
        seen.add(name := waiting.pop())
        for imported in imported_by(names[name]):
            if imported in names:
                waiting += [imported] if imported not in seen else []
            elif imported.split(".")[0] not in sys.stdlib_module_names | {"membudget"}:
                others.add(imported.split(".")[0])
    assert len(seen) > 1
    assert others == STARTED_ALONE[program]


@pytest.mark.thorough
def test_no_name_of_a_module_is_unused() -> None:
    """A name that no line of src or of tools has but those that define it. Names in strings count as used."""
    texts = [path.read_text() for path in SOURCES]
    tools = [path.read_text() for path in PYTHON_FILES if (TOP / "tools") in path.parents]
    words = Counter(word for text in (*texts, *tools) for word in re.findall(r"\w+", text))
    names = Counter(name for text in texts for name in defined_in(ast.parse(text)))
    assert len(names) > 3000
    assert {name for name, count in names.items() if words[name] <= count} == set()


def defined_in(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


@pytest.mark.thorough
def test_words_for_figures_are_made_in_the_report() -> None:
    """What judges and checks hands figures on; only `report/` says them."""
    lower = [path for path in SOURCES if {"judge", "check"} & {path.parent.name, path.parent.parent.name}]
    formatters = {
        f"{path.stem}: {name.name}"
        for path in lower
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.name.startswith("format_")
    }
    assert len(lower) > 10
    assert formatters == set()


@pytest.mark.thorough
def test_modules_named_in_strings_exist() -> None:
    """Helpers are started by module name, and tests patch by it. No linter follows these strings."""
    named = {name for path in PYTHON_FILES for name in modules_in_strings(path)}
    assert {name for name in named if not leads_to_a_module(name)} == set()
    assert named >= {
        "membudget.measure.probe.process",
        "membudget.measure.workload.http_process",
        "membudget.engine.cgroup_removal",
    }


def modules_in_strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
            yield from MODULE_NAME.findall(text)


def leads_to_a_module(name: str) -> bool:
    """A name may go on with attributes of the module."""
    words = name.split(".")
    for count in range(2, len(words) + 1):
        spec = find_spec(".".join(words[:count]))
        if spec is None or spec.submodule_search_locations is None:
            return spec is not None
    return True
