"""The walls of the house (docs/adr/0001-layers.md), tested: contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from membudget.version import VERSION

TOP = Path(__file__).parents[2]
SOURCES = sorted((TOP / "src" / "membudget").rglob("*.py"))


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


def test_modules_stay_readable_in_one_sitting() -> None:
    long = {str(path.relative_to(TOP)): lines for path in SOURCES if (lines := path.read_text().count("\n")) > 350}
    assert long == {}, "above 350 lines, ask why: split by idea"


def test_use_cases_read_like_a_sentence() -> None:
    import ast

    for name in ("check", "measure", "publish"):
        tree = ast.parse((TOP / f"src/membudget/{name}.py").read_text())
        (run,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run")
        assert run.end_lineno is not None
        assert run.end_lineno - run.lineno < 60
