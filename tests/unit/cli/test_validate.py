import json
from pathlib import Path

import pytest

from membudget.cli.main import main

BUDGETS = 'version = 1\n[images.api]\nlimit = "64Mi"\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "Dockerfile").touch()


def test_a_valid_file_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    Path("budgets.toml").write_text(BUDGETS)
    assert main(["validate"]) == 0
    assert capsys.readouterr().out == "1 file checked, no problems found\n"


def test_a_broken_file_exits_with_2_and_says_so_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my.toml").write_text(BUDGETS + "limt = 1\n")
    assert main(["validate", "my.toml"]) == 2
    assert capsys.readouterr().out.startswith("my.toml:4:1: error: images.api.limt: unknown key; did you mean limit?\n")


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["problems"][0]["fix"].startswith("run `membudget init`")


def test_json_can_have_halves_of_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".git").mkdir()
    workflow = Path(".github/workflows/m.yml")
    workflow.parent.mkdir(parents=True)
    step = r'uses: membudget/membudget@v0.1.0, with: {comment: "\ud800"}'
    workflow.write_text(f"on: pull_request\njobs: {{m: {{steps: [{{{step}}}]}}}}\n")
    assert main(["validate", "--json", str(workflow)]) == 2
    assert "\ud800" in [problem["found"] for problem in json.loads(capsys.readouterr().out)["problems"]]


def test_in_a_workflow_errors_stand_in_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    Path("budgets.toml").write_text(BUDGETS + '"::warning::x" = 1\n')
    assert main(["validate"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("::stop-commands::")
    assert lines[-1].startswith("::error file=budgets.toml,line=4,endLine=4,title=images.api.")
