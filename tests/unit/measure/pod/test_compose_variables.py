"""The variables that a compose file sets for an image that is measured without it."""

from pathlib import Path

import pytest

from membudget.budgets.entries import Build
from membudget.measure.assumed import ComposeVariables
from membudget.measure.pod.compose_variables import ComposeFile

FILE = """\
services:
  api:
    build: ./services/api
    environment: { DATABASE_URL: postgres://db, LOG: }
  worker:
    build: { context: services/worker, dockerfile: Dockerfile.prod }
    environment: [QUEUE=jobs, TOKEN]
  db:
    image: postgres
    environment: { POSTGRES_PASSWORD: secret }
"""


def image(context: str = ".", dockerfile: str = "Dockerfile") -> Build:
    return Build(context=context, dockerfile=dockerfile)


@pytest.mark.parametrize(
    ("name", "build", "expected"),
    [
        ("api", image(), ComposeVariables("compose.yml", "api", ("DATABASE_URL", "LOG"))),
        (
            "jobs",
            image("services/worker", "Dockerfile.prod"),
            ComposeVariables("compose.yml", "worker", ("QUEUE", "TOKEN")),
        ),
        ("backend", image("services/api"), ComposeVariables("compose.yml", "api", ("DATABASE_URL", "LOG"))),
        ("other", image("services/other"), None),
    ],
)
def test_the_service_is_the_one_of_this_name_or_dockerfile(
    tmp_path: Path, name: str, build: Build, expected: ComposeVariables | None
) -> None:
    (tmp_path / "compose.yml").write_text(FILE)
    assert ComposeFile(tmp_path).variables(name, build) == expected


@pytest.mark.parametrize(
    "text", ["services: [", "services: 3", "services: {api: 3}", "services: {api: {environment: 3}}", "3"]
)
def test_a_file_that_cannot_be_understood_sets_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    assert ComposeFile(tmp_path).variables("api", image()) is None


def test_names_that_no_shell_could_set_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text('services: {api: {environment: {"A B": 1, "C\\n  fix: D": 1, OK: 1}}}')
    found = ComposeFile(tmp_path).variables("api", image())
    assert found is not None
    assert found.names == ("OK",)


def test_a_repository_without_a_compose_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").symlink_to("/etc/passwd")
    assert ComposeFile(tmp_path).variables("api", image()) is None
    (tmp_path / "compose.yaml").unlink()
    assert ComposeFile(tmp_path).variables("api", image()) is None


def test_a_file_is_read_when_it_is_first_asked_for_and_not_again(tmp_path: Path) -> None:
    file = ComposeFile(tmp_path)
    (tmp_path / "compose.yml").write_text(FILE)
    assert file.variables("other", image("elsewhere")) is None
    (tmp_path / "compose.yml").unlink()
    assert file.variables("api", image()) == ComposeVariables("compose.yml", "api", ("DATABASE_URL", "LOG"))


def test_a_file_that_is_too_large_for_a_hint_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(FILE + "#" * (256 << 10))
    assert ComposeFile(tmp_path).variables("api", image()) is None
