from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.key_path import Guesses
from membudget.contents.dockerfile import LARGEST_DOCKERFILE
from membudget.setup.finding import as_text
from membudget.setup.named_parts import unknown_targets
from membudget.setup.validate import validate

DOCKERFILE = "FROM debian AS build\nRUN make\nFROM debian AS Runtime\nFROM scratch\n"


def budgets(target: str) -> str:
    return f'version = 1\n[images.api]\nlimit = "64MiB"\nbuild.target = "{target}"\n'


def unknown(
    top: Path, target: str, dockerfile: str | None = DOCKERFILE
) -> list[tuple[str | None, str | None, str | None]]:
    if dockerfile is not None:
        (top / "Dockerfile").write_text(dockerfile)
    parsed = budgets_file.parse_budgets(budgets(target), "b")
    return [(fault.found, fault.allowed, fault.guess) for fault in unknown_targets(parsed, top, Guesses())]


@pytest.mark.parametrize("target", ["build", "runtime", "RUNTIME", "2"])
def test_stages_are_found_by_name_and_by_number(tmp_path: Path, target: str) -> None:
    assert unknown(tmp_path, target) == []


def test_a_stage_that_is_not_there_is_answered_with_what_was_probably_meant(tmp_path: Path) -> None:
    assert unknown(tmp_path, "biuld") == [("biuld", "build, Runtime", "build")]
    assert unknown(tmp_path, "x", "FROM scratch\n") == [("x", "nothing: the stages have no names", None)]


@pytest.mark.parametrize("dockerfile", [None, "", "# syntax\n", "#" * (LARGEST_DOCKERFILE + 1)])
def test_what_only_the_builder_can_tell_is_left_to_the_build(tmp_path: Path, dockerfile: str | None) -> None:
    assert unknown(tmp_path, "build", dockerfile) == []


def test_validate_tells_it_where_the_target_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "budgets.toml").write_text(budgets("biuld"))
    (line, *_) = as_text(validate((), tmp_path)).splitlines()
    what = "names no stage of Dockerfile (found: biuld); did you mean build?"
    assert line == f"budgets.toml:4:16: error: images.api.build.target: {what}"


BAKE = 'group "all" {\n  targets = ["api"]\n}\ntarget "api" {}\ntarget "web" {}\n'
MATRIX = 'target "x" {\n  matrix = { v = ["a"] }\n  name = "x-${v}"\n}\n'


@pytest.mark.parametrize(
    ("name", "text", "target", "what"),
    [
        ("docker-bake.hcl", BAKE, "api", None),
        ("docker-bake.hcl", BAKE, "apy", "names no target of docker-bake.hcl (found: apy); did you mean api?"),
        ("docker-bake.hcl", BAKE, "all", "names a group of docker-bake.hcl; an image is built from one target"),
        ("docker-bake.hcl", MATRIX, "x-a", None),
        ("docker-bake.hcl", "", "api", "names no target of docker-bake.hcl"),
        ("docker-bake.json", '{"target": {"api": {}}}', "api", None),
        ("docker-bake.json", '{"target": {"api": {}}}', "web", "names no target of docker-bake.json"),
        ("docker-bake.json", "{", "api", "names a file that is no JSON"),
        ("docker-bake.hcl", "#" * (1 << 20), "api", "names a file that is too large"),
    ],
)
def test_targets_of_bake_files_are_found_by_their_text(
    tmp_path: Path, name: str, text: str, target: str, what: str | None
) -> None:
    (tmp_path / name).write_text(text)
    build = f'build = {{ bake = "{name}", target = "{target}" }}'
    (tmp_path / "budgets.toml").write_text(f'version = 1\n[images.api]\nlimit = "64MiB"\n{build}\n')
    said = as_text(validate((), tmp_path))
    assert (what in said) if what is not None else ("error" not in said)
