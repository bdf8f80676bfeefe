from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import loosenings, rules
from membudget.budgets.loosening import Approval
from membudget.budgets.manifests import ManifestEntry, ManifestRules
from membudget.core.errors import BudgetsFileError

IMAGES = '[images.api]\nlimit = "64MiB"\n'


def budgets(manifests: str, more: str = "") -> Budgets:
    return budgets_file.parse_budgets(f"version = 1\nmanifests = {manifests}\n{IMAGES}{more}", "budgets.toml")


def test_an_entry_may_be_a_path_alone() -> None:
    (entry,) = budgets('["./deploy//api.yaml"]').manifests
    assert entry == ManifestEntry(path="deploy/api.yaml")


@pytest.mark.parametrize(
    ("manifests", "message"),
    [
        ('["../api.yaml"]', "a path of the repository"),
        ('["/etc/passwd"]', "a path of the repository"),
        ('["https://example.com/a.yaml"]', "a path of the repository"),
        ('["a/../../b.yaml"]', "a path of the repository"),
        ('[{ path = "chart", values = ["../values.yaml"] }]', "a path of the repository"),
        ('[{ path = "a.yaml", containers = { web = "apy" } }]', "did you mean api?"),
        ('[{ path = "a.yaml", container = "api" }]', "unknown key"),
        ("[5]", "a table"),
        ('[""]', "a path of the repository"),
    ],
)
def test_wrong_entries_are_errors_with_their_key(manifests: str, message: str) -> None:
    with pytest.raises(BudgetsFileError) as caught:
        budgets(manifests)
    assert "manifests" in str(caught.value)
    if manifests != '[""]':
        assert message in str(caught.value)


def test_a_rule_has_three_severities() -> None:
    with pytest.raises(BudgetsFileError, match="off, warn, fail"):
        budgets("[]", '[manifest_rules]\nno_limit = "error"\n')


def test_paths_that_the_repository_lacks_are_errors_with_a_guess(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/api.yaml").touch()
    text = f'version = 1\nmanifests = ["deploy/apy.yaml", {{ path = "deploy", values = ["v.yaml"] }}]\n{IMAGES}'
    (tmp_path / "Dockerfile").touch()
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse_budgets(text, "budgets.toml", tmp_path)
    first, second = caught.value.problems
    assert (first.key, first.line, first.guess) == ("manifests.0", 2, "deploy/api.yaml")
    assert (second.found, second.line) == ("v.yaml", 2)


BASE = budgets('["a.yaml", { path = "chart", values = ["v.yaml"], containers = { web = "api" } }]')


@pytest.mark.parametrize(
    ("manifests", "more", "keys"),
    [
        ('["a.yaml", { path = "chart", values = ["v.yaml"], containers = { web = "api" } }, "more.yaml"]', "", []),
        ('[{ path = "chart", values = ["v.yaml"], containers = { web = "api" } }]', "", ["manifests: a.yaml"]),
        ('["a.yaml", { path = "chart", containers = { web = "api" } }]', "", ["manifests: chart: values"]),
        ('["a.yaml", { path = "chart", values = ["v.yaml"] }]', "", ["manifests: chart: containers"]),
        ("[]", "", ["manifests: a.yaml", "manifests: chart"]),
    ],
)
def test_what_is_no_longer_checked_is_loosened(manifests: str, more: str, keys: list[str]) -> None:
    assert [one.key for one in loosenings(budgets(manifests, more), BASE, ())] == keys


@pytest.mark.parametrize(
    ("base", "head", "keys", "counts"),
    [
        ("fail", "warn", ["manifest_rules.no_limit"], "fail"),
        ("warn", "off", ["manifest_rules.no_limit"], "warn"),
        ("warn", "fail", [], "fail"),
        ("warn", "warn", [], "warn"),
    ],
)
def test_the_stricter_rule_counts_until_a_milder_one_is_approved(
    base: str, head: str, keys: list[str], counts: str
) -> None:
    before, after = (budgets('["a.yaml"]', f'[manifest_rules]\nno_limit = "{one}"\n') for one in (base, head))
    guarded = rules(after, before, Approval.MISSING)
    assert [one.key for one in guarded.loosened] == keys
    assert guarded.manifest_rules.no_limit == counts
    assert rules(after, before, Approval.GIVEN).manifest_rules.no_limit == head


def test_rules_are_free_while_the_base_checks_no_manifests() -> None:
    head = budgets('["a.yaml"]', '[manifest_rules]\nno_limit = "off"\n')
    guarded = rules(head, budgets("[]"), Approval.MISSING)
    assert guarded.loosened == ()
    assert guarded.manifest_rules == ManifestRules(no_limit="off")
