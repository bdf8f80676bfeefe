"""Secrets that whoever runs the check allows by name."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import AllowedSecrets, Rules, rules
from membudget.budgets.loosening import Approval
from membudget.core.errors import ConfigurationError, ExitCode

ANY = AllowedSecrets(None)


def budgets(**secrets: str) -> Budgets:
    """Images, and what each asks for."""
    tables = "".join(f"[images.{name}]\ncontainer.secrets = {asked.split()}\n" for name, asked in secrets.items())
    return budgets_file.parse_budgets(f'version = 1\n[defaults]\nlimit = "64MiB"\n{tables}', "budgets.toml")


def judged_by(allowed: AllowedSecrets, head: Budgets, base: Budgets, approval: Approval = Approval.MISSING) -> Rules:
    guarded = rules(allowed.taken_out(head), allowed.taken_out(base), approval)
    return allowed.given_back(guarded, head)


def given(found: Rules) -> dict[str, tuple[str, ...]]:
    return {name: image.spec.container.secrets for name, image in found.images.items()}


def test_what_is_not_allowed_is_refused_with_its_image() -> None:
    allowed = AllowedSecrets.of(["TOKEN", "PASSWORD"])
    allowed.check(budgets(api="TOKEN PASSWORD", web=""), "budgets.toml")
    with pytest.raises(ConfigurationError) as caught:
        allowed.check(budgets(web="TOKEN", api="TOKEN OTHER"), "budgets.toml")
    assert caught.value.where == "budgets.toml: images.api.container.secrets"
    assert caught.value.what == "this check does not allow the secret OTHER"
    assert "--allow-secret OTHER" in str(caught.value)
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_where_nothing_is_said_every_name_may_be_asked_for() -> None:
    assert AllowedSecrets.of(()) == ANY
    ANY.check(budgets(api="TOKEN"), "budgets.toml")


def test_allowed_secrets_need_no_label() -> None:
    head, base = budgets(api="ONE TWO", new="TWO"), budgets(api="ONE")
    without = judged_by(ANY, head, base)
    assert [one.key for one in without.loosened] == ["container.secrets", "container.secrets"]
    assert given(without) == {"api": ("ONE",), "new": ()}

    found = judged_by(AllowedSecrets.of(["ONE", "TWO"]), head, base)

    assert found.loosened == ()
    assert given(found) == {"api": ("ONE", "TWO"), "new": ("TWO",)}
    assert found.images["api"] == judged_by(ANY, head, head).images["api"], "nothing else is changed"


def test_other_secrets_still_need_it() -> None:
    """They are refused before; the guard does not rest on that."""
    found = judged_by(AllowedSecrets.of(["TWO"]), budgets(api="THREE TWO ONE"), budgets(api="ONE"))
    assert [(one.key, one.before, one.after) for one in found.loosened] == [("container.secrets", "ONE", "THREE, ONE")]
    assert given(found) == {"api": ("TWO", "ONE")}


@pytest.mark.parametrize("approval", [Approval.GIVEN, Approval.NOT_ASKED])
def test_with_the_label_the_file_counts_as_it_stands(approval: Approval) -> None:
    head = budgets(api="THREE TWO ONE")
    found = judged_by(AllowedSecrets.of(["TWO"]), head, budgets(api="ONE"), approval)
    assert given(found) == {"api": ("THREE", "TWO", "ONE")}


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "aws_key", "npm_token", "a-b", "", "A=B", "A\nB"])
def test_what_no_workload_may_have_cannot_be_allowed(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AllowedSecrets.of(["TOKEN", name])
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("prefix", ["GH_", "CI_", "SSH_", "AWS_", "AZURE_", "GOOGLE_", "NPM_", "PYPI_"])
def test_names_of_the_runners_clouds_and_indexes_are_refused_in_the_file(prefix: str) -> None:
    for name in (f"{prefix}TOKEN", f"{prefix}TOKEN".lower()):
        with pytest.raises(ConfigurationError, match=r"container\.secrets"):
            budgets(api=name)
