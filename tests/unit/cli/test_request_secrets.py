"""A check hands out the secrets that it allows, and refuses a budgets file that asks for others."""

from pathlib import Path

import pytest

from membudget.budgets.guard import AllowedSecrets
from membudget.budgets.loosening import LabelState
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.check.check import CheckRequest
from membudget.cli.request import Wanted, check_request
from membudget.core.errors import ConfigurationError
from tests.support.repository import Repository

BASE = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\ncontainer.secrets = ["ONE"]\n'
MISSING, GIVEN = LabelState(is_set=False), LabelState(is_set=True, is_fresh=True)
HEAD = BASE.replace('"ONE"', '"ONE", "TWO"')


def request(folder: Path, *allowed: str, label: LabelState | None) -> CheckRequest:
    work = Repository.new(folder / "work")
    work.commit("Base", {"budgets.toml": BASE, "Dockerfile": "FROM scratch\n"})
    work.branch("change")
    work.commit("Head", {"budgets.toml": HEAD})
    file = work.folder / "budgets.toml"
    wanted = Wanted(file, BaseRequest(revision="main"), secrets=AllowedSecrets.of(allowed))
    return check_request(GitRepository(work.folder), wanted, label)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("allowed", "loosened", "given"),
    [((), ["container.secrets"], ("ONE",)), (("ONE", "TWO", "MORE"), [], ("ONE", "TWO"))],
)
def test_secrets_that_are_allowed_by_name_need_no_label(
    tmp_path: Path, allowed: tuple[str, ...], loosened: list[str], given: tuple[str, ...]
) -> None:
    found = request(tmp_path, *allowed, label=MISSING)
    assert [one.key for one in found.rules.loosened] == loosened
    assert found.head_images["api"].container.secrets == given


@pytest.mark.thorough
@pytest.mark.parametrize("label", [None, MISSING, GIVEN])
def test_others_are_refused_label_or_not(tmp_path: Path, label: LabelState | None) -> None:
    with pytest.raises(ConfigurationError, match=r"container\.secrets: this check does not allow the secret TWO"):
        request(tmp_path, "ONE", label=label)
