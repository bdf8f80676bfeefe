"""Finds all packages of an image: which files are kept for this, and which packages they describe."""

import json
from collections.abc import Mapping

from membudget.contents.image import LARGEST_DOCUMENT_BYTES
from membudget.contents.layer_stack import LayerStack
from membudget.contents.packages.language import claim_go, claim_java, claim_npm, claim_python
from membudget.contents.packages.package import Claims
from membudget.contents.packages.system import (
    APK_DATABASES,
    DIVERSIONS,
    RPM_FOLDERS,
    RPM_NDB,
    RPM_SQLITE,
    claim_alpine,
    claim_debian,
    claim_rpm,
)

_MIB = 1 << 20
_EXACT = {
    "var/lib/dpkg/status": 32 * _MIB,
    DIVERSIONS: _MIB,
    **dict.fromkeys(APK_DATABASES, 32 * _MIB),
    **dict.fromkeys([f"{folder}{name}" for folder in RPM_FOLDERS for name in (RPM_SQLITE, RPM_NDB)], 64 * _MIB),
}
_HEADERS = ("/METADATA", "/PKG-INFO")
_HEADER_BYTES = 64 << 10
_TOP_LEVEL = "/top_level.txt"
_ENDINGS = (*_HEADERS, ".list", "/package.json", "/RECORD", "/installed-files.txt", _TOP_LEVEL)


def is_wanted(path: str, size: int) -> bool:
    """Return whether a regular file is stored completely."""
    if not path.endswith(_ENDINGS):
        if path in _EXACT:
            return size <= _EXACT[path]
        return path.startswith("var/lib/dpkg/status.d/") and size <= 4 * _MIB
    if path.endswith(".list"):
        return path.startswith("var/lib/dpkg/info/") and size <= 8 * _MIB
    if path.endswith("/package.json"):
        return size <= _MIB // 4 and _is_npm_package(path)
    folder = path.rpartition("/")[0]
    if path.endswith(_TOP_LEVEL):
        return folder.endswith(".egg-info") and size <= _MIB // 4
    return folder.endswith((".dist-info", ".egg-info")) and size <= 8 * _MIB


def read_bytes(path: str) -> int:
    """Return how many bytes of a document are read. Only the headers of package descriptions are needed."""
    return _HEADER_BYTES if path.endswith(_HEADERS) else LARGEST_DOCUMENT_BYTES


def _is_npm_package(path: str) -> bool:
    """Return whether the file describes a package itself, and not a folder inside of one."""
    before, found, name = path.removesuffix("/package.json").rpartition("node_modules/")
    if not found or (before and not before.endswith("/")):
        return False
    return name.count("/") == (1 if name.startswith("@") else 0)


def claims_of(documents: Mapping[str, bytes], facts: Mapping[str, object], stack: LayerStack) -> Claims:
    """Return the package of each file.

    The distribution's packages come first: a Python package that the distribution installed belongs to its package.
    """
    claims = Claims(stack)
    claim_debian(documents, claims)
    claim_alpine(documents, claims)
    claim_rpm(documents, claims)
    claim_python(documents, claims)
    claims.claim_byte_code()
    claim_npm(documents, claims)
    claim_go(facts, claims)
    claim_java(facts, claims)
    return claims


def parsed_facts(documents: Mapping[str, bytes]) -> dict[str, object]:
    """Return the facts that `packages.facts` found in files, by path."""
    facts: dict[str, object] = {}
    for path in documents:
        if is_wanted(path, 0):
            continue
        try:
            facts[path] = json.loads(documents.get(path, b""))
        except (ValueError, RecursionError):
            continue
    return facts
