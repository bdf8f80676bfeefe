"""`membudget init` as it is run, without an engine."""

import json
import os
from pathlib import Path

import pytest

from membudget.budgets.file import parse_budgets
from membudget.cli.main import main
from membudget.core.errors import ExitCode
from membudget.setup.made_up import MADE_UP
from tests.support import membudget_process
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with one image, which is the working folder."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "INPUT_", "MEMBUDGET_"))]:
        monkeypatch.delenv(name)
    made = Repository.new(tmp_path / "shop")
    made.commit("one", {"api/Dockerfile": "FROM scratch\nEXPOSE 80\n"})
    monkeypatch.chdir(made.folder)
    return made


@pytest.mark.thorough
def test_files_are_written_without_asking(repository: Repository) -> None:
    assert main(["init", "--no-measure"]) is ExitCode.WITHIN_BUDGET
    text = (repository.folder / "budgets.toml").read_text()
    assert list(parse_budgets(text, "budgets.toml", repository.folder).images) == ["api"]
    assert (repository.folder / ".github/workflows/membudget.yml").exists()
    assert not (repository.folder / ".github/workflows/membudget-report.yml").exists()


@pytest.mark.thorough
def test_a_dry_run_prints_and_writes_nothing(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--no-measure", "--dry-run", "--fork-safe"]) is ExitCode.WITHIN_BUDGET
    said = capsys.readouterr().out
    assert "[images.api]" in said
    assert ".github/workflows/membudget-report.yml" in said
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.thorough
def test_json_has_the_files_and_the_images(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--no-measure", "--json", "--no-workflow"]) is ExitCode.WITHIN_BUDGET
    document = json.loads(capsys.readouterr().out)
    assert [image["name"] for image in document["images"]] == ["api"]
    assert [(file["path"], file["written"]) for file in document["files"]] == [("budgets.toml", True)]


@pytest.mark.thorough
def test_a_second_run_is_refused_without_force(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    (repository.folder / "budgets.toml").write_text("mine")
    assert main(["init", "--no-measure"]) is ExitCode.CONFIGURATION
    assert "--force" in capsys.readouterr().err
    assert (repository.folder / "budgets.toml").read_text() == "mine"
    assert main(["init", "--no-measure", "--force"]) is ExitCode.WITHIN_BUDGET


@pytest.mark.thorough
def test_a_repository_without_a_dockerfile_is_refused(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.folder / "api/Dockerfile").write_text("# nothing\n")
    assert main(["init", "--no-measure"]) is ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert "no Dockerfile that can be built" in said
    assert "api/Dockerfile: it has no FROM" in said


@pytest.mark.thorough
def test_names_with_line_ends_and_commands_for_the_terminal_are_harmless(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = 'a\n[images.evil]\n"x\x1b[31m'
    repository.write({f"{folder}/Dockerfile": "FROM scratch\n", f"{folder}/compose.yaml": "a: [\n"})
    assert main(["init", "--no-measure", "--dry-run"]) is ExitCode.WITHIN_BUDGET
    said = capsys.readouterr().out
    assert "\x1b" not in said
    text = said.partition("-----\n")[2].partition("# -----")[0]
    images = parse_budgets(text, "budgets.toml", repository.folder).images
    assert sorted(image.build.context for image in images.values()) == [folder, "api"]
    assert "evil" not in images


@pytest.mark.thorough
def test_without_an_engine_it_says_how_to_do_without_one(repository: Repository) -> None:
    nobody = {"DOCKER_HOST": f"unix://{repository.folder}/no.sock"}
    done = membudget_process.run("init", folder=repository.folder, environ=nobody)
    assert done.exit_code == ExitCode.UNMEASURED
    assert "or pass --no-measure" in done.stderr
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.thorough
def test_ignored_files_are_not_read(repository: Repository) -> None:
    repository.write({".gitignore": "/old/\n", "old/Dockerfile": "FROM scratch\n", "new/Dockerfile": "FROM scratch\n"})
    main(["init", "--no-measure"])
    text = (repository.folder / "budgets.toml").read_text()
    assert list(parse_budgets(text, "budgets.toml").images) == ["api", "new"]


MANIFEST = """\
kind: Deployment
spec: {template: {spec: {containers: [{name: api, env: [
  {name: LOG_LEVEL, value: "%s"}, {name: DB_PASSWORD, value: hunter2}, {name: DB, value: "pg://shop:hunter2@db/shop"}
]}]}}}
"""


@pytest.mark.thorough
def test_passwords_of_a_committed_manifest_are_replaced(repository: Repository) -> None:
    repository.commit("deploy", {"deploy/api.yaml": MANIFEST % "warning"})
    assert main(["init", "--no-measure"]) is ExitCode.WITHIN_BUDGET
    text = (repository.folder / "budgets.toml").read_text()
    env = parse_budgets(text, "budgets.toml", repository.folder).images["api"].container.env
    assert env == {"LOG_LEVEL": "warning", "DB_PASSWORD": MADE_UP, "DB": f"pg://shop:{MADE_UP}@db/shop"}
    assert "# TODO: made up, because what is written there may be secret: DB_PASSWORD, DB\n" in text
    assert "hunter2" not in text


@pytest.mark.thorough
@pytest.mark.parametrize("state", ["untracked", "staged", "edited", "a link to an ignored file"])
def test_values_that_are_not_committed_are_not_copied(
    repository: Repository, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    compose = "services: {web: {build: {context: ../api, args: {LEVEL: %s}}, environment: {LEVEL: %s}}}\n"
    before = {"deploy/api.yaml": MANIFEST % "known", "deploy/compose.yaml": compose % ("known", "known")}
    after = {"deploy/api.yaml": MANIFEST % "hidden", "deploy/compose.yaml": compose % ("hidden", "hidden")}
    if state == "edited":
        repository.commit("deploy", before)
    elif state == "a link to an ignored file":
        repository.write({".gitignore": "/mine/\n", **{f"mine/{name}": text for name, text in after.items()}})
        (repository.folder / "deploy").mkdir()
        for name in after:
            (repository.folder / name).symlink_to(repository.folder / "mine" / name)
        repository.commit("links")
        after = {}
    repository.write(after)
    if state == "staged":
        repository.git("add", "--all")
    assert main(["init", "--no-measure"]) is ExitCode.WITHIN_BUDGET
    text = (repository.folder / "budgets.toml").read_text()
    assert {"api", "web"} & set(parse_budgets(text, "budgets.toml", repository.folder).images)
    assert "hidden" not in text
    assert "known" not in text
    out = capsys.readouterr().out.replace("\n", " ")
    assert "deploy/api.yaml: HEAD does not have it like this" in out
