"""Cuts GitHub's own OpenAPI description to what the tests' stand-in of GitHub plays.

    python3 tools/github_openapi.py [VERSION]      needs npm; without VERSION takes the newest @octokit/openapi

The whole description has over 800 paths and 13 MB, and takes openapi-core a quarter of a minute to load. Kept are the
operations in OPERATIONS and every component they reach, word for word; left out are examples, and descriptions where
OpenAPI does without. To let the publisher use one more operation: add it there, run this, commit both files.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

_PACKAGE = "@octokit/openapi"
_MEMBER = "package/generated/api.github.com.json"
_RESULT = Path(__file__).resolve().parent.parent / "tests" / "support" / "github_openapi.json"

_REPOSITORY = "/repos/{owner}/{repo}"
OPERATIONS = {
    "/user": ("get",),
    "/users/{username}": ("get",),
    _REPOSITORY: ("get",),
    f"{_REPOSITORY}/pulls": ("get",),
    f"{_REPOSITORY}/pulls/{{pull_number}}": ("get",),
    f"{_REPOSITORY}/pulls/{{pull_number}}/files": ("get",),
    f"{_REPOSITORY}/pulls/{{pull_number}}/comments": ("get", "post"),
    f"{_REPOSITORY}/pulls/comments/{{comment_id}}": ("patch", "delete"),
    f"{_REPOSITORY}/issues": ("get", "post"),
    f"{_REPOSITORY}/issues/{{issue_number}}": ("get", "patch"),
    f"{_REPOSITORY}/issues/{{issue_number}}/comments": ("get", "post"),
    f"{_REPOSITORY}/issues/{{issue_number}}/labels": ("get",),
    f"{_REPOSITORY}/issues/{{issue_number}}/labels/{{name}}": ("delete",),
    f"{_REPOSITORY}/issues/comments/{{comment_id}}": ("get", "patch", "delete"),
    f"{_REPOSITORY}/statuses/{{sha}}": ("post",),
    f"{_REPOSITORY}/commits/{{commit_sha}}/comments": ("get", "post"),
    f"{_REPOSITORY}/comments/{{comment_id}}": ("patch", "delete"),
    f"{_REPOSITORY}/commits/{{ref}}/status": ("get",),
    f"{_REPOSITORY}/commits/{{ref}}/statuses": ("get",),
    f"{_REPOSITORY}/commits/{{ref}}/check-runs": ("get",),
    f"{_REPOSITORY}/actions/runs/{{run_id}}/artifacts": ("get",),
    f"{_REPOSITORY}/actions/artifacts/{{artifact_id}}/{{archive_format}}": ("get",),
    f"{_REPOSITORY}/releases": ("post",),
    f"{_REPOSITORY}/releases/tags/{{tag}}": ("get",),
    f"{_REPOSITORY}/check-runs": ("post",),
    f"{_REPOSITORY}/check-runs/{{check_run_id}}": ("get", "patch"),
}
_ERRORS = (
    "bad_request",
    "forbidden",
    "internal_error",
    "not_found",
    "requires_authentication",
    "service_unavailable",
    "validation_failed",
)
"""Error responses that GitHub gives everywhere and describes only for some operations."""

_LEFT_OUT = {"example", "examples", "externalDocs", "deprecationDate", "removalDate"}
_PARTS_OF_AN_OPERATION = ("operationId", "summary", "parameters", "requestBody", "responses")


def main() -> int:
    """Fetch, cut, write."""
    whole = fetch(sys.argv[1] if len(sys.argv) > 1 else "latest")
    cut = cut_to(whole, OPERATIONS)
    _RESULT.write_text(json.dumps(cut, indent=1, ensure_ascii=False) + "\n")
    components = sum(map(len, cut["components"].values()))
    print(f"{_RESULT.name}: {len(cut['paths'])} paths, {components} components, {_RESULT.stat().st_size} bytes")
    return 0


def fetch(version: str) -> dict[str, Any]:
    """The whole description, from npm."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{_PACKAGE}@{version}"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            member = packed.extractfile(_MEMBER)
            assert member is not None
            return cast("dict[str, Any]", json.load(member))


def cut_to(whole: dict[str, Any], operations: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The description of `operations` alone."""
    paths = {
        path: {method: _operation(whole["paths"][path][method]) for method in methods}
        for path, methods in operations.items()
    }
    components: dict[str, dict[str, Any]] = {}
    for error in _ERRORS:
        _add(components, whole, f"#/components/responses/{error}")
    for reference in _references(paths):
        _add(components, whole, reference)
    return {
        "openapi": whole["openapi"],
        "info": {
            "title": whole["info"]["title"],
            "version": whole["info"]["version"],
            "license": whole["info"]["license"],
            "x-npm-package": f"{_PACKAGE}@{whole['info']['version']}",
            "x-cut-by": "tools/github_openapi.py",
        },
        "servers": whole["servers"],
        "paths": paths,
        "components": {kind: dict(sorted(components[kind].items())) for kind in sorted(components)},
    }


def _operation(whole: dict[str, Any]) -> dict[str, Any]:
    return {part: _lean(whole[part]) for part in _PARTS_OF_AN_OPERATION if part in whole}


def _add(components: dict[str, dict[str, Any]], whole: dict[str, Any], reference: str) -> None:
    """Add what `reference` names, and everything that it needs in turn."""
    _, _, kind, name = reference.split("/")
    if name in components.setdefault(kind, {}):
        return
    components[kind][name] = _lean(whole["components"][kind][name])
    for further in _references(components[kind][name]):
        _add(components, whole, further)


def _references(part: object) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _references(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


def _lean(part: Any, *, names: bool = False) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """`part` without what only readers need. With `names`, its keys are names of properties and the like."""
    if isinstance(part, list):
        return [_lean(item) for item in part]
    if not isinstance(part, dict):
        return part
    is_response = "content" in part or "headers" in part or set(part) == {"description"}
    return {
        key: _lean(value, names=key in ("properties", "schemas", "headers") and not names)
        for key, value in part.items()
        if names or not (key in _LEFT_OUT or key.startswith("x-") or (key == "description" and not is_response))
    }


if __name__ == "__main__":
    sys.exit(main())
