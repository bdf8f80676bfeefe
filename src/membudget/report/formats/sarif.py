"""The findings in manifests and about runtimes as SARIF 2.1.0, which GitHub's code scanning and others show.

Sources: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; GitHub, "SARIF support for code
scanning". The model has only what these two ask for.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from membudget.budgets.manifests import ManifestRule, ManifestRules
from membudget.budgets.runtimes import RuntimeRule, RuntimeRules
from membudget.core.untrusted_text import Json, json_without_commands, printable, raw
from membudget.judge.manifests import Addition, AmountChange, ManifestFinding, Patch
from membudget.judge.metric import Verdict
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.manifests.deployed import Place
from membudget.manifests.spots import insertion
from membudget.report.manifest_words import LABELS, fault_words, finding_words
from membudget.report.report import JudgedReport
from membudget.report.runtime_words import LABELS as RUNTIME_LABELS
from membudget.report.runtime_words import finding_words as runtime_words

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/membudget/membudget"
_LEVELS = {Verdict.FAIL: "error", Verdict.WARN: "warning"}
_SEVERITY_LEVELS = {"fail": "error", "warn": "warning", "off": "none"}
_LONGEST_MESSAGE = 1000
_RULES = tuple(ManifestRule)
_RUNTIME_RULES = tuple(RuntimeRule)


def render(result: JudgedReport) -> str:
    """Return all findings as one SARIF log, also if there are none: that closes earlier alerts."""
    manifests = result.judgement.manifests
    notes: list[Json] = [
        {"level": "error", "message": _message(raw(fault_words(fault))), "locations": [_location(fault.place)]}
        for fault in manifests.faults
    ]
    rules: list[Json] = [*_rules(result), *_runtime_rules(result)]
    results = [*map(_result, manifests.findings), *_runtime_results(result.judgement.runtimes)]
    run: Json = {
        "tool": {
            "driver": {
                "name": "membudget",
                "version": result.report.membudget_version,
                "informationUri": _HOME,
                "rules": rules,
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not notes, "toolExecutionNotifications": notes}],
        "results": results,
    }
    document: Json = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_without_commands(json.dumps(document, indent=1)) + "\n"


def _rules(result: JudgedReport) -> Iterator[Json]:
    """Yield all rules, with the severities of the budgets file."""
    severities = result.report.manifests.severities if result.report.manifests is not None else {}
    for rule in _RULES:
        severity = severities.get(rule, ManifestRules().severity(rule))
        told = " ".join((ManifestRules.model_fields[rule.value].description or LABELS[rule]).split())
        yield {
            "id": rule.value,
            "shortDescription": {"text": LABELS[rule]},
            "fullDescription": {"text": told},
            "help": {"text": f"{told} See {_HOME}/blob/main/docs/manifests.md"},
            "helpUri": f"{_HOME}/blob/main/docs/manifests.md#{rule}",
            "defaultConfiguration": {"level": _SEVERITY_LEVELS[severity]},
            "properties": {"tags": ["memory", "kubernetes"], "precision": "high"},
        }


def _runtime_rules(result: JudgedReport) -> Iterator[Json]:
    for rule in _RUNTIME_RULES:
        told = " ".join((RuntimeRules.model_fields[rule.value].description or RUNTIME_LABELS[rule]).split())
        level = "warning" if rule in result.report.runtime_rules else "none"
        yield {
            "id": rule.value,
            "shortDescription": {"text": RUNTIME_LABELS[rule]},
            "fullDescription": {"text": told},
            "help": {"text": f"{told} See {_HOME}/blob/main/docs/runtimes.md"},
            "helpUri": f"{_HOME}/blob/main/docs/runtimes.md#{rule}",
            "defaultConfiguration": {"level": level},
            "properties": {"tags": ["memory", "runtime"], "precision": "high"},
        }


def _runtime_results(findings: Sequence[RuntimeFinding]) -> Iterator[Json]:
    """Yield the findings whose place in the repository is known. Viewers show no others."""
    for finding in findings:
        if (place := finding.place) is not None:
            parts = (finding.rule, place.path, finding.image, finding.runtime.executable)
            yield {
                "ruleId": finding.rule.value,
                "ruleIndex": len(_RULES) + _RUNTIME_RULES.index(finding.rule),
                "level": "warning",
                "message": _message(raw(runtime_words(finding))),
                "locations": [_location(Place(place.path, place.line))],
                "partialFingerprints": {"membudget/v1": _digest(parts)},
            }


def _result(finding: ManifestFinding) -> Json:
    found: dict[str, Json] = {
        "ruleId": finding.rule.value,
        "ruleIndex": _RULES.index(finding.rule),
        "level": _LEVELS[finding.verdict],
        "message": _message(raw(finding_words(finding))),
        "locations": [_location(finding.place)],
        "partialFingerprints": {"membudget/v1": _fingerprint(finding)},
    }
    if finding.change is not None and finding.patch is not None:
        found["fixes"] = [_fix(finding.change, finding.patch)]
    return found


def _fingerprint(finding: ManifestFinding) -> str:
    """Return what stays the same while lines above and figures change, so that an alert stays one."""
    parts: Sequence[str | None] = (
        finding.rule, finding.place.path, finding.workload, finding.container, finding.image, finding.name,
    )  # fmt: skip
    return _digest(parts)


def _digest(parts: Sequence[str | None]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _message(text: str) -> Json:
    return {"text": printable(text, _LONGEST_MESSAGE)}


def _location(place: Place) -> Json:
    region: Json = {"startLine": place.line}
    return {"physicalLocation": {"artifactLocation": _artifact(place.path), "region": region}}


def _artifact(path: str) -> Json:
    return {"uri": quote(path, safe="/"), "uriBaseId": "%SRCROOT%"}


def _fix(change: AmountChange | Addition, patch: Patch) -> Json:
    """Return the change of an amount in its line, or what is added to the line. The last column is excluded."""
    if isinstance(change, AmountChange):
        start, old, new, verb = patch.before.index(change.amount.text), change.amount.text, change.text, "write"
    else:
        start, new = insertion(change.parts)
        old, verb = "", "add"
    region: Json = {"startLine": patch.line, "startColumn": start + 1, "endColumn": start + len(old) + 1}
    replacement: Json = {"deletedRegion": region, "insertedContent": {"text": new}}
    changes: Json = [{"artifactLocation": _artifact(patch.path), "replacements": [replacement]}]
    return {"description": {"text": f"{verb} {change.text}"}, "artifactChanges": changes}
