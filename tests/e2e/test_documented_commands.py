"""The pages in docs are true: every command of membudget that they show is run, each once, in their order."""

import sys
from pathlib import Path

import pytest

from tests.support.engine import require_engine
from tests.support.shown_commands import commands, newcomers_repository, run_shown

DOCS = Path(__file__).parents[2] / "docs"
FEW_TRIALS = "--confirm=2"
"""How certain a fit is makes no difference to whether its command works."""


@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_every_command_of_the_pages_works(tmp_path: Path) -> None:
    require_engine().close()
    shown = [line for page in sorted(DOCS.glob("*.md")) for line in commands(page.read_text())]
    run = dict.fromkeys(line for line in shown if line.startswith("membudget"))
    assert {"membudget check -v", "membudget report -v", "membudget validate"} <= run.keys(), "of three pages"

    repository = newcomers_repository(tmp_path)
    programs = Path(sys.executable).parent
    run_shown("membudget init", repository.folder, programs)
    repository.commit("Set memory budgets")
    repository.branch("bigger")
    for command in run:
        few = command.replace("membudget fit ", f"membudget fit {FEW_TRIALS} ")
        run_shown(few, repository.folder, programs)
