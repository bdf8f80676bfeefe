"""Each rule fires and does not fire: the cases of `manifest_cases`, each with all rules that it breaks.

`breaks` are the rules, in the order in which they are found. `image` is what is known of the image `api`, `base` the
manifest of the base, and `path` the file's name.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from membudget.budgets.manifests import ManifestRule
from tests.support.manifests import api, found_in, patched

IMAGES = {
    "usual": api(),
    "grown": api(peak=220),
    "unfitted": api(fit=None),
    "killed": api(killed=True),
    "one-shot": api(settled=None),
}
CASES: list[dict[str, Any]] = [
    case
    for file in sorted((Path(__file__).parent / "manifest_cases").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text())
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_case_breaks_the_rules_that_it_names_and_no_others(case: dict[str, Any]) -> None:
    measured, path = IMAGES[case.get("image", "usual")], case.get("path", "api.yaml")
    found = found_in(case["manifest"], measured, case.get("base"), path=path)
    assert [finding.rule for finding in found] == case.get("breaks", [])
    for finding in found:
        if finding.patch is not None:
            after = patched({path: case["manifest"]}, finding.patch)[path]
            left = found_in(after, measured, case.get("base"), path=path)
            assert sum(one.rule is finding.rule for one in left) < sum(one.rule is finding.rule for one in found)


@pytest.mark.parametrize("rule", ManifestRule)
def test_each_rule_has_cases_that_break_it_and_some_that_keep_it(rule: ManifestRule) -> None:
    assert sum(rule in case.get("breaks", []) for case in CASES) >= 2
    assert len({case["case"] for case in CASES}) == len(CASES) >= 60
    assert sum("breaks" not in case for case in CASES) >= 25
