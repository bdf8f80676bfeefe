"""Which files an image comes from."""

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import ImageSpec, build_paths, measurement_paths


def image(text: str) -> ImageSpec:
    return budgets_file.parse(f'version = 1\n[images.api]\nlimit = "64MiB"\n{text}', "t")["api"]


def test_context_dockerfile_and_what_is_declared() -> None:
    paths = 'paths = ["libs/../common", "proto/"]\nbuild = { context = "./api", dockerfile = "../docker/Api" }'
    assert build_paths(image(paths)) == ("api", "common", "docker/Api", "proto")
    assert build_paths(image("")) == (".", "Dockerfile")


def test_what_compose_builds_is_not_known() -> None:
    assert build_paths(image("[images.api.compose]")) is None


def test_what_container_and_workload_are_given() -> None:
    given = """
container = { env_files = ["deploy/env"], volumes = { "/data" = "fixtures" } }
workload = { kind = "exec", commands = [{ run = ["cat"], stdin = "seed.sql" }] }
"""
    assert measurement_paths(image(given)) == ("deploy/env", "fixtures", "seed.sql")
