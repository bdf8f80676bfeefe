"""Which files an image comes from."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import ImageSpec, build_paths, measurement_paths
from membudget.core.errors import BudgetsFileError


def image(text: str) -> ImageSpec:
    return budgets_file.parse(f'version = 1\n[images.api]\nlimit = "64MiB"\n{text}', "t")["api"]


def test_context_dockerfile_and_what_is_declared() -> None:
    paths = 'paths = ["libs/../common", "proto/"]\nbuild = { context = "./api", dockerfile = "../docker/Api" }'
    assert build_paths(image(paths)) == ("api", "common", "docker/Api", "proto")
    assert build_paths(image("")) == (".", "Dockerfile")


def test_what_compose_builds_is_not_known() -> None:
    assert build_paths(image("[images.api.compose]")) is None


def test_what_a_bake_target_is_built_from_is_not_known_before_it_is_resolved() -> None:
    assert build_paths(image('build = { bake = "docker-bake.hcl", target = "api" }')) is None


@pytest.mark.parametrize(
    "build",
    [
        'bake = "docker-bake.hcl"',
        'bake = "docker-bake.hcl", target = "--set=*.output=x"',
        'bake = "compose.yaml", target = "api"',
        'bake = "docker-bake.hcl", target = "api", dockerfile = "D"',
        'bake = "docker-bake.hcl", target = "api", args = { A = "1" }',
    ],
)
def test_what_a_bake_file_says_is_not_said_twice(build: str) -> None:
    with pytest.raises(BudgetsFileError):
        image(f"build = {{ {build} }}")


def test_what_container_and_workload_are_given() -> None:
    given = """
container = { env_files = ["deploy/env"], volumes = { "/data" = "fixtures" } }
workload = { kind = "exec", commands = [{ run = ["cat"], stdin = "seed.sql" }] }
"""
    assert measurement_paths(image(given)) == ("deploy/env", "fixtures", "seed.sql")
