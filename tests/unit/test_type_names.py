"""One name for one type: no public class or type alias of membudget has a name that another module gives to another."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/membudget"


def named(module: ast.Module) -> Iterator[str]:
    """The classes, type aliases and type variables that stand at the top of a module."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def is_type_name(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


@pytest.mark.thorough
def test_a_name_stands_for_one_type() -> None:
    places = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for name in filter(is_type_name, named(ast.parse(path.read_text()))):
            places[name].append(str(path.relative_to(SOURCE)))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}
