"""What docs/budgets.md shows is true: output, hook, version and schema."""

import re
from pathlib import Path

import pytest
import yaml

from membudget.budgets import file as budgets_file
from membudget.budgets.schema import SCHEMA_ID
from membudget.core.quantities import parse_size
from membudget.setup.finding import as_text
from membudget.setup.validate import validate
from membudget.setup.workflow_text import workflow_files
from membudget.version import VERSION

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/budgets.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BUDGETS = """\
version = 1

[images.web]
[images.api]
limt = "64MiB"
[defaults]
limit = "64MiB"
[groups.shop]
images = ["apy"]
"""
WORKFLOW = re.sub(r"          fetch-depth: .*\n", "", workflow_files("budgets.toml", fork_safe=False)[0].text)
"""As `init` writes it, with a checkout that brings one commit."""


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def test_the_output_on_the_page_is_what_validate_prints(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/membudget.yml").write_text(WORKFLOW)
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    (tmp_path / "Dockerfile").touch()
    assert [as_text(validate((), tmp_path))] == blocks("")


def test_the_hook_on_the_page_is_the_one_that_the_repository_has() -> None:
    (hook,) = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text())
    (configuration,) = (yaml.safe_load(text) for text in blocks("yaml"))
    (repository,) = configuration["repos"]
    assert repository["rev"] == f"v{VERSION}"
    assert [one["id"] for one in repository["hooks"]] == [hook["id"]] == ["membudget-validate"]
    assert hook["entry"] == "membudget validate"


@pytest.mark.parametrize(
    ("path", "is_checked"),
    [
        ("budgets.toml", True),
        (".github/workflows/membudget.yml", True),
        (".forgejo/workflows/a.yaml", True),
        ("docs/budgets.toml", False),
        ("budgets_toml", False),
        (".github/workflows/sub/a.yml", False),
        ("compose.yaml", False),
    ],
)
def test_the_hook_looks_at_what_validate_knows(path: str, is_checked: bool) -> None:
    (hook,) = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text())
    assert (re.search(hook["files"], path) is not None) == is_checked


def test_the_budgets_to_start_with_are_valid() -> None:
    (block,) = (block for block in blocks("toml") if block.startswith("version"))
    assert [*budgets_file.parse(block, "docs/budgets.md")] == ["api"]


def test_the_bake_target_on_the_page_is_valid() -> None:
    (block,) = (block for block in blocks("toml") if "bake" in block)
    images = budgets_file.parse(f'version = 1\ndefaults.limit = "64MiB"\n{block}', "docs/budgets.md")
    assert images["api"].build.bake == "docker-bake.hcl"


def test_the_schema_on_the_page_is_of_this_version() -> None:
    (line,) = (block for block in blocks("toml") if block.startswith("#:schema"))
    assert line == f"#:schema {SCHEMA_ID.replace('/main/', f'/v{VERSION}/')}\n"


def test_the_sizes_on_the_page_mean_what_it_says() -> None:
    rows = re.findall(r"^\| `\"([^\"]+)\"`, `\"([^\"]+)\"` \|", PAGE, re.MULTILINE)
    assert len(rows) == 3
    assert [one for one, other in rows if parse_size(one) != parse_size(other)] == []
