"""GitHub's own description of its API, as a judge of requests and answers.

It is in github_openapi.json, which tools/github_openapi.py makes.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.api_description import ApiDescription

FILE = Path(__file__).with_name("github_openapi.json")
"""What tests/support/github_server plays of GitHub's description."""
_EVERYWHERE = {
    "401": "requires_authentication",
    "403": "forbidden",
    "404": "not_found",
    "422": "validation_failed",
    "429": "forbidden",
    "500": "internal_error",
    "502": "internal_error",
    "503": "internal_error",
}
"""Answers that GitHub gives to any request, though it describes them for some operations only."""


class GithubDescription(ApiDescription):
    """GitHub's, with what goes without saying there."""

    def __init__(self, document: dict[str, Any]) -> None:
        for operation in _operations(document):
            for status, name in _EVERYWHERE.items():
                operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{name}"})
        for schema in _schemas(document):
            if schema.get("nullable") is True and None not in schema.get("enum", [None]):
                schema["enum"] = [*schema["enum"], None]  # GitHub means it so; OpenAPI 3.0 wants it said twice
        super().__init__(document)


@cache
def github_description() -> GithubDescription:
    """The description, loaded once."""
    return GithubDescription(json.loads(FILE.read_text()))


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _schemas(part: object) -> Iterator[dict[str, Any]]:
    """Everything that may be a schema, at any depth."""
    if isinstance(part, dict):
        yield part
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _schemas(child)
