"""Finds all packages of an image."""

import json
from collections.abc import Mapping

from membudget.contents.layers.stack import LayerStack
from membudget.contents.packages.documents import is_wanted
from membudget.contents.packages.language import claim_go, claim_java, claim_npm, claim_python
from membudget.contents.packages.package import Claims
from membudget.contents.packages.rpm import claim_rpm
from membudget.contents.packages.system import claim_alpine, claim_debian


def claims_of(documents: Mapping[str, bytes], facts: Mapping[str, object], stack: LayerStack) -> Claims:
    """Whose each file is. What the distribution installed comes first: its Python packages are its own."""
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
    """What `packages.facts` kept of files, by path."""
    facts: dict[str, object] = {}
    for path in documents:
        if is_wanted(path, 0):
            continue
        try:
            facts[path] = json.loads(documents.get(path, b""))
        except (ValueError, RecursionError):
            continue
    return facts
