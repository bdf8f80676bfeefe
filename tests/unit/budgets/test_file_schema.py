import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from membudget.budgets.file import budgets_schema

TOP = Path(__file__).parents[3]


def test_the_copy_in_docs_is_current() -> None:
    copy = json.loads((TOP / "docs/schema/budgets.schema.json").read_text())
    assert copy == budgets_schema(), "run `make schema`"


@pytest.mark.parametrize("path", ["budgets.example.toml", "examples/bookshop/base/budgets.toml"])
def test_editors_accept_what_we_accept(path: str) -> None:
    as_editors_see_it = json.loads(
        json.dumps(tomllib.loads((TOP / path).read_text()), default=str)
    )  # dates are strings
    validator = jsonschema.Draft202012Validator(budgets_schema())
    assert [error.message for error in validator.iter_errors(as_editors_see_it)] == []


def test_editors_refuse_a_size_without_a_unit() -> None:
    validator = jsonschema.Draft202012Validator(budgets_schema())
    assert not validator.is_valid({"version": 1, "images": {"api": {"limit": "256m"}}})
    assert not validator.is_valid({"version": 1, "images": {"api": {"limt": "256MiB"}}})
