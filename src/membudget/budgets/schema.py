"""The JSON schema of `budgets.toml`, for editors.

It is draft-07, which editors and SchemaStore support best, and passes Ajv's strict mode, which SchemaStore asks for
(https://github.com/SchemaStore/schemastore/blob/master/CONTRIBUTING.md). pydantic writes draft 2020-12.
"""

from collections.abc import Mapping

from membudget.budgets.entries import BudgetsFile

SCHEMA_ID = "https://raw.githubusercontent.com/membudget/membudget/main/docs/schema/budgets.schema.json"

Node = dict[str, object]

_OF_SCHEMAS = ("properties", "patternProperties")
"""Keywords whose value has a schema per name."""
_UNWANTED = ("discriminator", "title")
"""Keywords that are left out: one of OpenAPI, and titles that repeat the key."""


def budgets_schema() -> dict[str, object]:
    """Return the JSON schema (draft-07) of `budgets.toml`."""
    generated = BudgetsFile.model_json_schema(ref_template="#/definitions/{model}")
    definitions = generated.pop("$defs")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "membudget budgets file",
        **_draft_7(generated),
        "description": "Memory budgets for container images\nhttps://github.com/membudget/membudget",
        "definitions": {name: _draft_7(node) for name, node in definitions.items()},
    }


def _draft_7(node: Mapping[str, object]) -> Node:
    """Return a schema of pydantic with what draft-07 knows, and without what no TOML file can contain."""
    rest = {key: _converted(key, value) for key, value in node.items() if key not in _UNWANTED}
    if "discriminator" in node:
        rest |= {"type": "object", "required": ["kind"]}
    if "patternProperties" in rest:
        rest.setdefault("additionalProperties", False)
    if isinstance(rest.get("default"), dict | list | None):  # what is absent needs no default in an editor
        rest.pop("default", None)
    choices = rest.get("anyOf")
    if isinstance(choices, list):
        choices = [choice for choice in choices if choice != {"type": "null"}]  # TOML has no null
        rest["anyOf"] = choices
        if len(choices) == 1:
            del rest["anyOf"]
            rest = {**choices[0], **rest}
    if "$ref" in rest and len(rest) > 1:  # draft-07 ignores what stands beside a reference
        rest["allOf"] = [{"$ref": rest.pop("$ref")}]
    if isinstance(text := rest.get("description"), str):
        rest["description"] = " ".join(text.split())
    return rest


def _converted(key: str, value: object) -> object:
    if isinstance(value, dict):
        return {name: _draft_7(node) for name, node in value.items()} if key in _OF_SCHEMAS else _nested(key, value)
    if isinstance(value, list):
        return [_nested(key, item) for item in value]
    return value


def _nested(key: str, value: object) -> object:
    return _draft_7(value) if isinstance(value, dict) and key != "default" else value
