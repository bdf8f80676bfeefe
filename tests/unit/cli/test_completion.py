"""Completion in real shells, and the candidates that docker asks for."""

import shutil
import subprocess
from pathlib import Path

import pytest

import debian
from membudget.cli.completion import candidates
from membudget.cli.main import main
from tests.support.missing import all_have_to_run, skip_for_want_of


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["me"], ["measure", "merge", "metrics"]),
        (["check", "--fail"], ["--fail-on"]),
        (["check", "--fail-on", ""], ["fail", "warn", "never"]),
        (["check", "--fail-on", "warn", "--no-c"], ["--no-cache"]),
        (["merge", "parts", "--format", ""], ["terminal", "json"]),
        (["check", "--budgets", "bud"], []),
        (["completion", "z"], ["zsh"]),
        (["measure", "x", "--", "-"], []),
        (["nonsense", "--vers"], ["--version"]),
    ],
)
def test_candidates_are_commands_options_and_values(words: list[str], found: list[str]) -> None:
    assert candidates(words) == found


def test_every_command_is_a_candidate() -> None:
    assert {"init", "check", "measure", "publish", "completion"} <= set(candidates([""])) == set(candidates([]))


@pytest.fixture
def script(tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Path:
    """The script of the shell that the test is about."""
    assert main(["completion", request.param]) == 0
    path = tmp_path / "_membudget"
    path.write_text(capsys.readouterr().out)
    (tmp_path / "budgets.toml").touch()
    return path


def said(program: str, *arguments: str, folder: Path) -> list[str]:
    if shutil.which(program) is None and all_have_to_run() and debian.is_usable():
        debian.install(program)
    if shutil.which(program) is None:
        skip_for_want_of(f"{program} is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.thorough
@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("membudget me", {"measure", "merge", "metrics"}),
        ("membudget check --fail", {"--fail-on"}),
        ("membudget check --fail-on ", {"fail", "warn", "never"}),
        ("membudget check --budgets bud", {"budgets.toml"}),
        ("membudget completion ", {"bash", "zsh", "tcsh"}),
    ],
)
def test_bash_completes_commands_options_values_and_files(script: Path, line: str, found: set[str]) -> None:
    code = """
        source "$1"; shift
        read -r _ _ function _ <<< "$(complete -p membudget | sed 's/.*-F //; s/^/x x /')"
        COMP_LINE=$1; COMP_POINT=${#1}
        read -ra COMP_WORDS <<< "$1"
        [[ $1 == *' ' ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        "$function" membudget "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert set(said("bash", "--norc", "-c", code, "bash", str(script), line, folder=script.parent)) == found


@pytest.mark.thorough
@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_takes_the_script_as_a_completion_function(script: Path) -> None:
    code = 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -d "$1/dump"; print ${_comps[membudget]}'
    assert said("zsh", "-f", "-c", code, "zsh", str(script.parent), folder=script.parent) == ["_membudget"]
    said("zsh", "-n", str(script), folder=script.parent)
