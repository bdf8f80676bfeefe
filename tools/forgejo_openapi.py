"""Makes an OpenAPI description of the part of Forgejo's API that the tests' stand-in of Forgejo plays.

    python3 tools/forgejo_openapi.py [VERSION]      needs npm; without VERSION takes the newest @llamaduck/forgejo-ts

Forgejo describes its API in Swagger 2 and publishes that as no package. This package on npm has TypeScript types that a
generator made of it, all in one form: of each operation its path, parameters, body, answers and errors. Those of
OPERATIONS, and the types that they reach, are turned back into a description. It is stricter than Forgejo's own: no
type has more properties than it names. And as loose in this: Swagger does not say which are always there.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

_PACKAGE = "@llamaduck/forgejo-ts"
_RESULT = Path(__file__).resolve().parent.parent / "tests" / "support" / "forgejo_openapi.json"

OPERATIONS = {
    "UserGetCurrent": "get",
    "IssueGetComments": "get",
    "IssueCreateComment": "post",
    "IssueEditComment": "patch",
    "IssueDeleteComment": "delete",
    "RepoGetPullRequest": "get",
    "IssueListIssues": "get",
    "IssueCreateIssue": "post",
    "IssueEditIssue": "patch",
    "RepoCreateStatus": "post",
}
"""By the generator's names, with their methods, which the types do not have."""
_NOT_FOLLOWED = {"Repository", "Label", "Milestone", "Team", "Attachment"}
"""What we never look at: any object will do."""
_TYPE = re.compile(
    r"^type (\w+) = (.*?);$(?=\n(?:type|/\*\*|declare|export|interface|const))", re.MULTILINE | re.DOTALL
)
_REMARK = re.compile(r"/\*\*.*?\*/", re.DOTALL)
_MEMBER = re.compile(r"^    (\w+)(\??): (\{.*?^    \}|[^\n]*);$", re.MULTILINE | re.DOTALL)
_SCALARS = {"string": "string", "number": "number", "boolean": "boolean"}


def main() -> int:
    """Fetch, turn, write."""
    version, types = fetch(sys.argv[1] if len(sys.argv) > 1 else "latest")
    made = described(version, types)
    _RESULT.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    print(f"{_RESULT.name}: {len(made['paths'])} paths, {len(made['components']['schemas'])} schemas")
    return 0


def fetch(version: str) -> tuple[str, dict[str, str]]:
    """The package's version, and its types by name, without remarks."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{_PACKAGE}@{version}"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            manifest, source = packed.extractfile("package/package.json"), packed.extractfile("package/dist/index.d.ts")
            assert manifest is not None
            assert source is not None
            return json.load(manifest)["version"], types_in(source.read().decode())


def types_in(source: str) -> dict[str, str]:
    """Each `type NAME = ...;` of the first column."""
    return {name: _REMARK.sub("", text) for name, text in _TYPE.findall(source)}


def described(version: str, types: dict[str, str]) -> dict[str, Any]:
    """The description of OPERATIONS."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for name, method in OPERATIONS.items():
        data = _members(types[f"{name}Data"])
        path = data["url"][1].strip("'")
        paths.setdefault(path, {})[method] = _operation(name, data, types, schemas)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Forgejo API",
            "version": version,
            "license": {"name": "MIT"},
            "x-npm-package": f"{_PACKAGE}@{version}",
            "x-made-by": "tools/forgejo_openapi.py",
        },
        "servers": [{"url": "https://forgejo.example/api/v1"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _operation(name: str, data: dict[str, Any], types: dict[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": parameter, "in": place, "required": place == "path", "schema": _schema(text, types, schemas)}
        for place in ("path", "query")
        if place in data and data[place][1] != "never"
        for parameter, (_, text) in _members(data[place][1].replace("\n    ", "\n")).items()
    ]
    answers = {**_members(types[f"{name}Responses"]), **_members(types.get(f"{name}Errors", "{\n}"))}
    responses = {status: _response(text, types, schemas) for status, (_, text) in answers.items()}
    operation: dict[str, Any] = {"operationId": name, "parameters": parameters, "responses": responses}
    if data["body"][1] != "never":
        content = {"application/json": {"schema": _schema(data["body"][1], types, schemas)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(text: str, types: dict[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    if text == "unknown":
        return {"description": "Nothing"}
    return {"description": text, "content": {"application/json": {"schema": _schema(text, types, schemas)}}}


def _schema(text: str, types: dict[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    if text in _SCALARS:
        return {"type": _SCALARS[text]}
    if text.startswith("Array<"):
        return {"type": "array", "items": _schema(text[len("Array<") : -1], types, schemas)}
    if text.startswith("'"):
        return {"type": "string", "enum": re.findall(r"'([^']*)'", text)}
    if text in _NOT_FOLLOWED:
        return {"type": "object"}
    if text not in schemas:
        schemas[text] = {}  # it may name itself
        schemas[text] = _object(types[text], types, schemas)
    return {"$ref": f"#/components/schemas/{text}"}


def _object(text: str, types: dict[str, str], schemas: dict[str, Any]) -> dict[str, Any]:
    if not text.startswith("{"):
        return _schema(text, types, schemas)
    members = _members(text)
    required = [name for name, (optional, _) in members.items() if not optional]
    return {
        "type": "object",
        "properties": {name: _schema(member, types, schemas) for name, (_, member) in members.items()},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _members(text: str) -> dict[str, tuple[bool, str]]:
    """Of each member of an object type, whether it may be missing, and its type."""
    return {name: (optional == "?", member) for name, optional, member in _MEMBER.findall(text)}


if __name__ == "__main__":
    sys.exit(main())
