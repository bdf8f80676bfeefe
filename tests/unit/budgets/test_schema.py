import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from membudget.budgets.schema import SCHEMA_ID, budgets_schema

TOP = Path(__file__).parents[3]
COPY = TOP / "docs/schema/budgets.schema.json"
BROKEN = Path(__file__).with_name("broken.toml")
EXAMPLES = ["budgets.example.toml", "budgets.toml", "examples/bookshop/base/budgets.toml"]
SCHEMA: dict[str, Any] = budgets_schema()


def nodes(node: object, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a document, with its path."""
    if isinstance(node, dict):
        yield path, node
        for key, below in node.items():
            yield from nodes(below, f"{path}/{key}")
    elif isinstance(node, list):
        for number, below in enumerate(node):
            yield from nodes(below, f"{path}/{number}")


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def is_valid(text: str) -> bool:
    document = json.loads(json.dumps(tomllib.loads(text), default=str))  # editors see dates as strings
    return jsonschema.Draft7Validator(SCHEMA).is_valid(document)


def test_the_copy_in_docs_is_current() -> None:
    assert json.loads(COPY.read_text()) == SCHEMA, "run `make schema`"


def test_the_schema_is_of_the_draft_that_editors_and_schemastore_support_best() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["$id"] == SCHEMA_ID
    assert SCHEMA_ID.endswith(f"/{COPY.relative_to(TOP)}")
    assert (SCHEMA["type"], SCHEMA["additionalProperties"]) == ("object", False)
    assert (SCHEMA["title"], SCHEMA["description"][:14]) == ("membudget budgets file", "Memory budgets")


def test_every_key_is_described_for_completion_and_hover() -> None:
    def is_described(node: dict[str, Any]) -> bool:
        return bool(node.get("description", "").strip(" :"))

    lacking = [
        f"{path}/{key}"
        for path, node in nodes(SCHEMA)
        if path.endswith("/properties")
        for key, below in node.items()
        if not is_described(below)
    ]
    assert lacking == []


def test_every_table_refuses_unknown_keys() -> None:
    """Also tables whose names are free, such as `images`: names that do not match are refused."""
    tables = [(path, node) for path, node in nodes(SCHEMA) if {"properties", "patternProperties"} & node.keys()]
    assert [path for path, node in tables if node.get("additionalProperties") is not False] == []


def test_every_reference_stands_alone_and_leads_to_a_definition() -> None:
    references = [(path, node) for path, node in nodes(SCHEMA) if "$ref" in node]
    assert len(references) > 20
    assert [path for path, node in references if len(node) > 1] == [], "draft-07 ignores what stands beside $ref"
    names = {node["$ref"].removeprefix("#/definitions/") for _, node in references}
    assert names == set(SCHEMA["definitions"])


def test_no_keyword_is_unknown_to_draft_07_and_no_null_is_asked_of_toml() -> None:
    keywords = {key for path, node in nodes(SCHEMA) if not path.endswith(("roperties", "/definitions")) for key in node}
    metaschema = set(jsonschema.Draft7Validator.META_SCHEMA["properties"])
    assert keywords - metaschema == set()
    assert [path for path, node in nodes(SCHEMA) if node.get("type") == "null"] == []


@pytest.mark.parametrize("path", EXAMPLES)
def test_editors_accept_what_we_accept(path: str) -> None:
    assert is_valid((TOP / path).read_text())


@pytest.mark.parametrize(
    ("rest", "is_right"),
    [
        ('limit = "256MiB"', True),
        ('limit = "128Mi"', True),
        ('limit = "256m"', False),
        ("limit = 256", False),
        ('limt = "256MiB"', False),
        ('budgets.peak_rss = "null"', True),
        ('budgets.peak_rss.growth = { percent = "5%", floor = "1MiB" }', True),
        ('budgets.peak_rss.growth = { percent = "5%" }', False),
        ('workload = { kind = "exec", commands = [["true"], { run = ["true"] }] }', True),
        ('workload = { kind = "exec" }', False),
        ('workload = { command = ["true"] }', False),
        ('container.tmpfs = { relative = "1MiB" }', False),
        ("trials = 3", True),
        ("trials = { min = 3 }", True),
        ("trials = 0", False),
    ],
)
def test_editors_see_mistakes_while_they_are_typed(rest: str, is_right: bool) -> None:
    assert is_valid(f"version = 1\n[images.api]\n{rest}\n") == is_right


def test_editors_refuse_names_that_no_image_can_have() -> None:
    assert not is_valid("version = 1\n[images.Upper]\n")
    assert not is_valid("version = 1\n")


@pytest.mark.thorough
def test_check_jsonschema_accepts_the_schema_and_the_examples() -> None:
    """It compiles patterns as ECMAScript does, and reads TOML."""
    meta = run("check-jsonschema", "--check-metaschema", COPY)
    assert meta.returncode == 0, meta.stdout
    valid = run("check-jsonschema", "--schemafile", COPY, *EXAMPLES)
    assert valid.returncode == 0, valid.stdout
    broken = run("check-jsonschema", "--schemafile", COPY, BROKEN)
    assert broken.returncode == 1
    assert "'surprise' was unexpected" in broken.stdout


@pytest.mark.thorough
def test_taplo_accepts_the_schema_and_the_examples() -> None:
    schema = ("--no-auto-config", "--schema", COPY.as_uri())
    valid = run("taplo", "check", *schema, *EXAMPLES)
    assert valid.returncode == 0, valid.stderr
    broken = run("taplo", "check", *schema, BROKEN)
    assert broken.returncode != 0
    assert "surprise" in broken.stderr


@pytest.mark.thorough
def test_taplo_finds_the_schema_by_the_line_at_the_top(tmp_path: Path) -> None:
    """This is the line that `membudget init` writes, and that budgets.example.toml has."""
    file = tmp_path / "budgets.toml"
    file.write_text(f"#:schema {COPY.as_uri()}\nversion = 1\nsurprise = 1\n")
    found = run("taplo", "check", "--no-auto-config", file)
    assert "surprise" in found.stderr
    assert "images" in found.stderr
