"""Every test can fail: it asserts something, awaits an error, or calls a helper that does."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RAISES = {"raises", "warns", "fail"}
"""Of pytest."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


@cache
def calls(function: Function) -> set[str]:
    """The last names of what a function calls: `f` of `f()`, and of `x.y.f()`."""
    called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    plain = {one.id for one in called if isinstance(one, ast.Name)}
    return plain | {one.attr for one in called if isinstance(one, ast.Attribute)}


@cache
def asserts(function: Function) -> bool:
    """Whether there is an assertion, or `pytest.raises` and its like, in a function's own lines."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and node.attr in RAISES and ast.unparse(node.value) == "pytest":
            return True
    return False


def is_abstract(function: Function) -> bool:
    """Whether there is nothing but a docstring: a protocol's."""
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in function.body)


def helpers_that_assert(trees: list[ast.Module]) -> set[str]:
    """Names of the functions below tests, tests aside, that assert, or call one that does."""
    by_name = defaultdict(list)
    for tree in trees:
        for function in functions(tree):
            if not function.name.startswith("test_") and not is_abstract(function):
                by_name[function.name].append(function)
    asserting: set[str] = set()
    while True:
        more = {name for name, namesakes in by_name.items() if all_assert(name, namesakes, asserting)}
        if more <= asserting:
            return asserting
        asserting |= more


def all_assert(name: str, namesakes: list[Function], asserting: set[str]) -> bool:
    """Whether each of the functions of one name asserts: a name does not say which of them is called.

    One that passes a call on to its namesakes asserts if they do.
    """
    passing_on = [one for one in namesakes if not asserts(one) and name in calls(one)]
    others = [one for one in namesakes if one not in passing_on]
    return bool(others) and all(asserts(one) or calls(one) & asserting for one in others)


def that_cannot_fail(tree: ast.Module, helpers: set[str]) -> list[str]:
    tests = (function for function in functions(tree) if function.name.startswith("test_"))
    return [test.name for test in tests if not asserts(test) and not calls(test) & helpers]


@pytest.mark.thorough
def test_every_test_can_fail() -> None:
    trees = {path: ast.parse(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}
    helpers = helpers_that_assert([*trees.values()])
    tests = [path for path in trees if path.name.startswith("test_")]
    idle = {str(path.relative_to(TESTS)): that_cannot_fail(trees[path], helpers) for path in tests}
    assert {path: names for path, names in idle.items() if names} == {}
    assert len(tests) > 100, "all were looked at"


def test_a_test_that_cannot_fail_is_found() -> None:
    module = ast.parse(
        """
import pytest
def expect(): assert one()
def outer(): expect()
def one(): return 1
class Protocol:
    def verify(self):
        '''Raises AssertionError.'''
class First:
    def verify(self): expect()
    def look(self): assert 1
class Second:
    def verify(self): assert 1
    def look(self): return 1
async def test_asserts(): assert 1
def test_awaits_an_error():
    with pytest.raises(ValueError): one()
def test_calls_who_asserts(): outer()
def test_calls_a_method_that_asserts(): x.y.verify()
def test_calls_a_method_that_may_not_assert(): x.look()
class TestGroup:
    def test_calls_who_does_not(self): one()
def test_raises_something_else(): x.raises(one())
def test_does_nothing(): pass
"""
    )
    helpers = helpers_that_assert([module])
    assert helpers == {"expect", "outer", "verify"}
    assert set(that_cannot_fail(module, helpers)) == {
        "test_calls_who_does_not",
        "test_calls_a_method_that_may_not_assert",
        "test_raises_something_else",
        "test_does_nothing",
    }
