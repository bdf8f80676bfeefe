from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.faults import placed
from membudget.budgets.key_path import Guesses
from membudget.setup.named_parts import LARGEST_COMPOSE_BYTES, unknown_services

COMPOSE = "services:\n  api: {build: .}\n  db: {image: postgres}\n"


def said(tmp_path: Path, settings: str, compose: str | bytes = COMPOSE) -> list[str]:
    text = f'version = 1\n[images.api]\nlimit = "64MiB"\ncompose = {settings}\n'
    (tmp_path / "compose.yaml").write_bytes(compose if isinstance(compose, bytes) else compose.encode())
    budgets = budgets_file.parse_budgets(text, "budgets.toml")
    faults, broken = unknown_services(budgets, tmp_path, Guesses())
    return [str(problem) for problem in (*placed(faults, text, "b.toml"), *(one.problem for one in broken))]


@pytest.mark.parametrize("settings", ["{}", '{ service = "db" }', '{ sidecars = ["db"] }', '{ file = "gone.yaml" }'])
def test_services_that_are_there_are_no_fault(tmp_path: Path, settings: str) -> None:
    assert said(tmp_path, settings) == []


def test_services_that_are_not_there_are_told_where_the_budgets_file_names_them(tmp_path: Path) -> None:
    apy, dbb = said(tmp_path, '{ service = "apy", sidecars = ["db", "dbb"] }')
    what = "names a service that compose.yaml does not have"
    allowed = "\n    allowed: api, db"
    assert apy == f"b.toml:4:23: images.api.compose.service: {what} (found: apy); did you mean api?{allowed}"
    assert dbb == f"b.toml:4:48: images.api.compose.sidecars.1: {what} (found: dbb); did you mean db?{allowed}"


def test_without_a_service_the_images_name_is_looked_for(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, "{}", "services: {web: {}}")
    assert problem.startswith("b.toml:4:1: images.api.compose.service: names a service that compose.yaml does not have")


def test_a_compose_file_that_is_no_yaml_is_told_with_its_own_place(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, "{}", "services:\n  api: [\n")
    assert problem.startswith("compose.yaml:3:1: cannot be read as YAML: ")


@pytest.mark.parametrize("compose", ["include: [other.yaml]\n", b"\xff", b"#" * (LARGEST_COMPOSE_BYTES + 1)])
def test_what_only_compose_can_tell_is_left_to_the_check(tmp_path: Path, compose: str | bytes) -> None:
    assert said(tmp_path, "{}", compose) == []
