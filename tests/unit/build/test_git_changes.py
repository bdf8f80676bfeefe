"""What a label approves, exactly: a later push that loosens anything else has another digest."""

from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.guard import loosenings
from membudget.budgets.loosening import digest_of
from membudget.build.git import GitRepository
from membudget.build.git_base_budgets import changes_to_approve
from tests.support.repository import Repository

API = """
[images.api]
limit = "128MiB"
budgets.peak_rss.max = "64MiB"
container.volumes = { "/smoke" = "smoke" }
workload = { kind = "exec", commands = [["/smoke/run"]] }
"""
OTHER = '\n[images.other]\nlimit = "1GiB"\nworkload = { kind = "exec", commands = [["true"]] }\n'
BASE = {"budgets.toml": f"version = 1\n{API}{OTHER}", "smoke/run": "load"}


def digest(folder: Path, head: dict[str, str], base: dict[str, str] | None = None) -> str | None:
    """Of what head changes."""
    of_base = base or BASE
    made = Repository.new(folder / f"{len(list(folder.iterdir()))}")
    shas = [made.commit("base", of_base), made.commit("head", {**of_base, **head})]
    repository = GitRepository(made.folder)
    before, after = (repository.commit(sha) for sha in shas)
    assert before is not None
    assert after is not None
    budgets = tuple(
        budgets_file.parse_budgets({**of_base, **files}["budgets.toml"], "budgets.toml") for files in ({}, head)
    )
    loosened = tuple(loosenings(budgets[1], budgets[0], ()))
    return digest_of(changes_to_approve(repository, (before, after), (budgets[0], budgets[1]), loosened))


def changed(before: str, after: str) -> dict[str, str]:
    """A head's budgets file."""
    assert before in BASE["budgets.toml"]
    return {"budgets.toml": BASE["budgets.toml"].replace(before, after)}


@pytest.mark.thorough
def test_where_nothing_is_loosened_there_is_nothing_to_approve(tmp_path: Path) -> None:
    assert digest(tmp_path, {}) is None
    assert digest(tmp_path, changed('"64MiB"', '"63MiB"')) is None
    assert digest(tmp_path, {"src/main.c": "int main(void);"}) is None


@pytest.mark.thorough
def test_a_loosening_is_named_exactly_though_people_see_it_rounded(tmp_path: Path) -> None:
    loosened = digest(tmp_path, changed('"64MiB"', '"68157440B"'))  # 65.0 MiB
    assert loosened == digest(tmp_path, changed('"64MiB"', '"65MiB"'))
    assert loosened != digest(tmp_path, changed('"64MiB"', '"68157441B"')) is not None


@pytest.mark.thorough
def test_code_that_changes_as_well_leaves_what_was_approved_as_it_is(tmp_path: Path) -> None:
    loosened = digest(tmp_path, changed('"64MiB"', '"65MiB"'))
    assert loosened == digest(tmp_path, {**changed('"64MiB"', '"65MiB"'), "src/main.c": "int main(void);"})
    assert loosened == digest(tmp_path, changed('"64MiB"', '"65MiB"')) is not None


@pytest.mark.thorough
def test_a_file_that_the_workload_names_is_a_change_to_approve(tmp_path: Path) -> None:
    weaker, weakest = digest(tmp_path, {"smoke/run": "less"}), digest(tmp_path, {"smoke/run": "nothing"})
    assert weaker != weakest
    assert None not in (weaker, weakest)


@pytest.mark.thorough
def test_settings_of_what_is_measured_are_changes_to_approve(tmp_path: Path) -> None:
    assert digest(tmp_path, changed('[["/smoke/run"]]', '[["true"]]')) is not None


@pytest.mark.thorough
def test_an_image_that_is_gone_is_a_change_to_approve(tmp_path: Path) -> None:
    assert digest(tmp_path, changed(OTHER, "")) is not None


@pytest.mark.thorough
def test_exceptions_count_with_what_else_is_loosened(tmp_path: Path) -> None:
    def allowed(size: str) -> dict[str, str]:
        until = '[[exceptions]]\nimage = "api"\nmetric = "peak_rss"\nuntil = 2100-01-01\nreason = "a cache"'
        return changed(OTHER, f'{OTHER}\n{until}\nallow = "{size}"\n')

    assert digest(tmp_path, allowed("80MiB")) != digest(tmp_path, allowed("81MiB"))
    assert digest(tmp_path, allowed("80MiB")) is not None


@pytest.mark.thorough
def test_a_base_that_has_another_rule_now_is_another_change(tmp_path: Path) -> None:
    stricter = {**BASE, "budgets.toml": BASE["budgets.toml"].replace('"64MiB"', '"32MiB"')}
    head = changed('"64MiB"', '"65MiB"')
    assert digest(tmp_path, head, stricter) != digest(tmp_path, head)
