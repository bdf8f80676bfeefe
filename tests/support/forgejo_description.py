"""Forgejo's API as its own description has it, as a judge of requests and answers.

It is in forgejo_openapi.json, which tools/forgejo_openapi.py makes. Gitea's types of these operations (gitea-js 1.23.0)
were compared by eye: what we send and read is the same there.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.api_description import ApiDescription

_FILE = Path(__file__).with_name("forgejo_openapi.json")
_ZEROS: dict[str, Any] = {"string": "", "number": 0, "boolean": False}
_EVERYWHERE = ("401", "403", "404", "500", "502", "503")
"""Answers that any request may get, though they are described for some operations only."""


class ForgejoDescription(ApiDescription):
    """Forgejo's, with what goes without saying there."""

    def __init__(self, document: dict[str, Any]) -> None:
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/ApiError"}}}
        for methods in document["paths"].values():
            for operation in methods.values():
                for status in _EVERYWHERE:
                    operation["responses"].setdefault(status, {"description": "An error", "content": error})
        super().__init__(document)

    def unset(self, schema: str) -> dict[str, Any]:
        """An object as Go writes it when nothing was set: strings, numbers and flags are there all the same."""
        properties = self._document["components"]["schemas"][schema]["properties"]
        return {name: _ZEROS[one["type"]] for name, one in properties.items() if one.get("type") in _ZEROS}


@cache
def forgejo_description() -> ForgejoDescription:
    """The description, loaded once."""
    return ForgejoDescription(json.loads(_FILE.read_text()))
