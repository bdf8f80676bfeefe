"""What docs/integrations.md shows is true: schemas accept its files, and its commands exist."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from membudget.cli.arguments import make_parser
from membudget.version import VERSION

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/integrations.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE = (TOP / "budgets.example.toml").read_text()


def block(language: str, word: str) -> str:
    (found,) = (text for kind, text in BLOCKS if kind == language and word in text)
    return str(found)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("schema", "language", "word", "name"),
    [
        ("gitlab-ci", "yaml", "dind", ".gitlab-ci.yml"),
        ("renovate", "json", "customManagers", "renovate.json"),
        ("dependabot", "yaml", "package-ecosystem", "dependabot.yml"),
    ],
)
def test_files_on_the_page_are_valid(tmp_path: Path, schema: str, language: str, word: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(block(language, word))
    linter = Path(sys.executable).with_name("check-jsonschema")
    command = [str(linter), "--builtin-schema", f"vendor.{schema}", str(path)]
    if schema == "gitlab-ci":
        command += ["--data-transform", "gitlab-ci"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_versions_on_the_page_are_this_one() -> None:
    assert set(re.findall(r"v(\d+\.\d+\.\d+)", PAGE)) == {VERSION}
    assert set(re.findall(r"membudget:(\S+)", PAGE)) == {VERSION}


@pytest.mark.thorough
def test_every_command_on_the_page_can_be_parsed() -> None:
    """In blocks without a language and in GitLab's scripts. What a shell expands is left out."""
    lines = [line.strip().removeprefix("- ") for _, text in BLOCKS for line in text.splitlines()]
    given = [re.sub(r"^(docker |pipx run \S+ \S+ |uvx \S+ \S+ )", "", line) for line in lines]
    commands = [re.sub(r"[>#].*| \$\{.*", "", line).split()[1:] for line in given if line.startswith("membudget ")]
    assert len(commands) == 10
    for command in commands:
        make_parser().parse_args(command)


def test_the_plugin_on_the_page_is_a_script_of_the_package() -> None:
    scripts = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]
    assert "docker-membudget" in scripts
    assert PAGE.count("docker-membudget") == 3


def test_renovate_finds_what_budgets_files_name() -> None:
    generators, schemas = (
        re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
        for manager in json.loads(block("json", "customManagers"))["customManagers"]
    )
    pinned = f'image = "grafana/k6:1.2.3@sha256:{"a" * 64}"'
    (found,) = generators.finditer(pinned)
    assert found.groupdict() == {
        "depName": "grafana/k6",
        "currentValue": "1.2.3",
        "currentDigest": f"sha256:{'a' * 64}",
    }
    assert generators.search('[[exceptions]]\nimage = "api"') is None
    first = f"#:schema https://raw.githubusercontent.com/membudget/membudget/v{VERSION}/docs/schema/budgets.schema.json"
    (named,) = schemas.finditer(first)
    assert named.groupdict() == {"depName": "membudget/membudget", "currentValue": f"v{VERSION}"}
    for manager in json.loads(block("json", "customManagers"))["customManagers"]:
        (pattern,) = manager["managerFilePatterns"]
        assert re.search(pattern.strip("/"), "ci/budgets.toml")


def test_gitlab_keeps_the_files_that_the_job_writes() -> None:
    job = yaml.safe_load(block("yaml", "dind"))["membudget"]
    written = {line.split()[-1] for line in job["after_script"]}
    artifacts = job["artifacts"]
    assert {*artifacts["paths"], *artifacts["reports"].values()} == written
