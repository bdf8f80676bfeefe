"""What `membudget fit` refuses before it needs an engine."""

import json
import re
from pathlib import Path

import pytest

from membudget.advise.subjects import digest_of
from membudget.budgets.file import parse_budgets
from membudget.cli.main import main
from membudget.core.errors import ExitCode
from membudget.core.quantities import MIB
from membudget.measure.cache import Took, read_durations
from membudget.publish.fit_file import write_fit
from tests.fakes.fitted import answering, fitted, part, report
from tests.fakes.limited_services import monotone
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a budgets file, and no engine."""
    repository = Repository.new(tmp_path / "repository")
    repository.write({"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return repository.folder


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--confirm", "0"], "--confirm: '0' is not a whole number from 1 to 1000"),
        (["--confirm", "1000000"], "--confirm: '1000000' is not a whole number from 1 to 1000"),
        (["--at-most", "4MiB"], "--at-most: '4MiB' is too small"),
        (["--at-most", "64"], '"64" has no unit'),
        (["--format", "html"], "invalid choice: 'html'"),
    ],
)
def test_wrong_arguments_are_told(
    folder: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments])
    assert ended.value.code == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["a", "b", "--", "x"], ["--", "x"], ["a", "--write", "--", "x"]])
def test_a_command_is_for_one_image_of_the_engine(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *arguments]) == ExitCode.CONFIGURATION
    assert "a command after -- is for one image that the engine has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("budgets", "why"),
    [
        ('version = 1\n[defaults]\nlimit = "4MiB"\n[images.api]\n', "limit: is too small for any container"),
        (f'{BUDGETS}[groups.x]\nimages = ["api", "api"]\n', "names an image that this group already has"),
        (f"{BUDGETS}[images.api]\n", "is not valid TOML"),
    ],
)
def test_a_broken_budgets_file_is_told_and_left_alone(
    folder: Path, budgets: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "budgets.toml").write_text(budgets)
    assert main(["fit", "--write"]) == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err
    assert (folder / "budgets.toml").read_text() == budgets


def test_a_missing_budgets_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "budgets.toml").unlink()
    assert main(["fit"]) == ExitCode.CONFIGURATION
    assert "run `membudget init` to create one" in capsys.readouterr().err


def test_without_an_engine_nothing_can_be_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit"]) == ExitCode.UNMEASURED
    assert "fix:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--shard", "3/2", "--report", "x.json"], "'3/2' is not a shard"),
        (["--shard", "1/2"], "--shard needs a report, to be merged\n  fix: add --report FILE"),
        (["--shard", "1/2", "--report", "x.json", "--write"], "writes nothing to it"),
        (["--shard", "1/2", "--report", "x.json", "api", "--", "true"], "writes nothing to it"),
        (["--shard", "1/2", "--from", "x.json"], "--from runs nothing"),
        (["--from", "x.json", "--", "true"], "--from runs nothing"),
        (["--from", "missing.json"], "missing.json: there is no report\n  fix: run `membudget fit` first"),
        (["--from", "."], "there is no report to merge"),
    ],
)
def test_shards_and_reports_that_make_no_sense_are_told(
    folder: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *arguments]) == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err


@pytest.fixture
def parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of both shards of two images, fitted at HEAD."""
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(folder.parent / "cache"))
    repository = Repository(folder)
    budgets = f"{BUDGETS}[images.web] # the shop\n"
    sha = repository.commit("two images", {"budgets.toml": budgets})
    digest = digest_of(parse_budgets(budgets, "budgets.toml", folder))
    for number, name, need in ((1, "api", 100), (2, "web", 20)):
        made = part(number, fitted(name, monotone(need * MIB)), known=("api", "web"))
        made = made.model_copy(update={"commit": sha, "budgets_digest": digest})
        write_fit(made, folder.parent / "parts" / f"fit-{number}" / "fit.json")
    return folder.parent / "parts"


def fit_from(parts: Path, *arguments: str) -> int:
    return main(["fit", "--from", str(parts), *arguments])


@pytest.mark.thorough
def test_merged_shards_are_shown_and_written_without_an_engine(
    folder: Path, parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit_from(parts, "--write", "--report", "merged.json") == ExitCode.WITHIN_BUDGET
    told = capsys.readouterr()
    assert "api survives at" in told.out
    assert "web survives at" in told.out
    assert "Sum of 2 images" in told.out
    assert "budgets.toml was written" in told.err
    text = (folder / "budgets.toml").read_text()
    images = parse_budgets(text, "budgets.toml", folder).images
    assert "[images.web] # the shop" in text
    assert all(images[name].fit.survives is not None for name in ("api", "web"))
    assert read_durations(folder.parent / "cache", Took.FIT) == {"api": 125_000, "web": 125_000}

    again = fit_from(folder / "merged.json", "--format", "json")

    assert again == ExitCode.WITHIN_BUDGET
    assert [image["name"] for image in json.loads(capsys.readouterr().out)["images"]] == ["api", "web"]


@pytest.mark.thorough
def test_limits_can_be_written_one_image_after_another(folder: Path, parts: Path) -> None:
    for name in ("web", "api", "api"):
        assert fit_from(parts, name, "--write", "--quiet") == ExitCode.WITHIN_BUDGET
    images = parse_budgets((folder / "budgets.toml").read_text(), "budgets.toml", folder).images
    assert all(images[name].fit.survives is not None for name in ("api", "web"))


@pytest.mark.thorough
def test_nothing_is_written_where_a_shard_is_missing(
    folder: Path, parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "budgets.toml").read_text()
    (parts / "fit-1/fit.json").unlink()
    assert fit_from(parts, "--write") == ExitCode.UNMEASURED
    told = capsys.readouterr()
    assert "web survives at" in told.out
    assert "shard 1 is missing." in told.out
    assert "nothing was written, because shard 1 is missing" in told.err
    assert (folder / "budgets.toml").read_text() == before
    assert fit_from(parts) == ExitCode.UNMEASURED


@pytest.mark.thorough
@pytest.mark.parametrize("change", ["commit", "budgets", "images of no file"])
def test_nothing_is_written_for_another_commit_or_other_budgets(
    folder: Path, parts: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, repository = folder / "budgets.toml", Repository(folder)
    if change == "commit":
        repository.commit("more", {"more": "x"})
        why = r"nothing was written: commit \w{12} was fitted, and this is \w{12}\n  fix: git checkout \w{40}, or fit"
    elif change == "budgets":
        path.write_text(path.read_text() + 'workload = { kind = "command", command = ["true"] }\n')
        why = "budgets.toml: nothing was written: the images have changed in this file since they were fitted"
    else:
        write_fit(report(fitted("api", answering)), folder / "whole.json")
        parts = folder / "whole.json"
        why = "nothing was written: the images of this report are not those of a budgets file"
    before = path.read_text()
    assert fit_from(parts, "--write") == ExitCode.CONFIGURATION
    assert re.search(why, capsys.readouterr().err)
    assert path.read_text() == before


@pytest.mark.thorough
def test_showing_a_merge_needs_no_repository(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit_from(parts, "--format", "markdown") == ExitCode.WITHIN_BUDGET
    assert "**Sum of 2 images" in capsys.readouterr().out
