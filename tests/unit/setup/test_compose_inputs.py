"""Files that compose files name and that nobody commits: examples take their place, or the services run without."""

from pathlib import Path

import pytest

from membudget.manifests.yaml_text import read_values
from membudget.setup.compose_inputs import ComposeInputs, Surroundings
from membudget.setup.repository import RepositoryFiles
from tests.unit.setup.conftest import MakeFiles


def lacks(files: RepositoryFiles, path: str, text: str, service: str = "web") -> Surroundings:
    return ComposeInputs(files, path, read_values(text)[0], text).uncommitted(service)


EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", ".env-example", "env.example", "example.env")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_takes_the_place_of_an_env_file(example: str, make_files: MakeFiles) -> None:
    text = "services: {web: {env_file: .env}}\n"
    files = make_files({"compose.yaml": text, example: "A=1\nexport TOKEN=\nB = x\n# C=\n"})
    found = lacks(files, "compose.yaml", text)
    assert found.stand_ins == {".env": example}
    assert found.remarks == [f".env is not committed: {example} takes its place, which has no value for TOKEN"]


def test_without_an_example_the_services_run_without_the_variables(make_files: MakeFiles) -> None:
    text = "services: {web: {env_file: [{path: config/web.env}, {path: other.env, required: false}]}}\n"
    found = lacks(make_files({"compose.yaml": text}), "compose.yaml", text)
    assert found.stand_ins == {"config/web.env": False}
    assert found.remarks == ["config/web.env is not committed: the services run without its variables"]


def test_an_env_file_that_git_ignores_is_not_committed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    text = "services: {web: {env_file: ./.env}}\n"
    files = RepositoryFiles(tmp_path, ["compose.yaml"], {"compose.yaml": text}.get)
    assert lacks(files, "compose.yaml", text).stand_ins == {".env": False}


def test_committed_files_need_no_other(make_files: MakeFiles) -> None:
    text = "services: {web: {env_file: .env, volumes: ['./conf:/conf', './a.yml:/a.yml'], image: '${TAG}'}}\n"
    files = make_files({"compose.yaml": text, ".env": "TAG=1\n", "conf/x": "", "a.yml": ""})
    assert lacks(files, "compose.yaml", text) == Surroundings()


def test_mounts_secrets_and_configs_of_all_needed_services_are_looked_at(make_files: MakeFiles) -> None:
    text = """\
services:
  web:
    depends_on: {db: {condition: service_healthy}}
    volumes: [./uploads:/uploads, data:/data, /etc/localtime:/etc/localtime:ro, "${CERTS:-./certs}:/certs", /anonymous]
    secrets: [password]
  db:
    volumes: [{type: bind, source: ./db.example-only.conf, target: /etc/db.conf}]
    depends_on: [cache]
  cache: {volumes: ["./cache:/cache"]}
  other: {volumes: ["./other:/other"]}
secrets: {password: {file: secrets/password.txt}}
"""
    files = make_files({"compose.yaml": text, "secrets/password.example.txt": "x"})
    found = lacks(files, "compose.yaml", text)
    assert "/etc/localtime belongs to the machine: the services run without it" in found.remarks
    assert found.stand_ins == {
        "uploads": False, "/etc/localtime": False, "certs": False, "db.example-only.conf": False, "cache": False,
        "secrets/password.txt": "secrets/password.example.txt",
    }  # fmt: skip


def test_variables_that_compose_fills_in_come_from_the_example_too(make_files: MakeFiles) -> None:
    text = "services: {web: {image: 'x:${TAG}', environment: {P: '${PORT:-80}', Q: '${KEY:?set it}', R: '$$HOME'}}}\n"
    files = make_files({"deploy/compose.yaml": text, "deploy/.env.example": "TAG=1\n"})
    found = lacks(files, "deploy/compose.yaml", text)
    assert found.stand_ins == {"deploy/.env": "deploy/.env.example"}
    assert found.remarks[1] == "deploy/compose.yaml uses KEY, which no committed file sets: compose leaves it empty"


def test_a_path_out_of_the_repository_is_left_to_the_check(make_files: MakeFiles) -> None:
    text = "services: {web: {volumes: ['../secret:/x'], env_file: '../../.env'}}\n"
    assert lacks(make_files({"compose.yaml": text}), "compose.yaml", text) == Surroundings()


@pytest.mark.thorough
def test_services_that_all_need_each_other_are_looked_at_in_part(make_files: MakeFiles) -> None:
    names = ", ".join(f"s{number}" for number in range(400))
    text = "services:\n" + "".join(f"  s{n}: {{depends_on: [{names}], volumes: [./v{n}:/v]}}\n" for n in range(40))
    found = lacks(make_files({"compose.yaml": text}), "compose.yaml", text, "s0")
    assert 0 < len(found.stand_ins) <= 50
