"""The commands that need no engine, as the action runs them."""

import json
import os
from pathlib import Path

import pytest

from membudget.advise.subjects import digest_of
from membudget.budgets.file import parse_budgets
from membudget.cli import commands
from membudget.cli.arguments import make_parser
from membudget.cli.main import main
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.core.files import DEFAULT_REPORT
from membudget.core.sharding import Shard
from membudget.judge.whole import Coverage
from membudget.measure.cache import Took, remember_durations
from membudget.publish.fit_file import read_fit, write_fit
from membudget.publish.report_file import read_report, write_report
from tests.fakes.fitted import answering, fitted, part
from tests.support.builders import budgets, image, report, side, trial
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n[images.web]\n[images.db]\n'


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A step of a workflow, in an empty folder."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "INPUT_", "MEMBUDGET_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    for name in ("output", "summary"):
        (tmp_path / name).touch()
    return tmp_path


def test_the_plan_is_an_output_balanced_by_last_durations(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (job / "budgets.toml").write_text(BUDGETS)
    (job / "Dockerfile").write_text("FROM scratch\n")
    remember_durations(job / "cache", {"api": 90_000, "web": 30_000, "db": 40_000})
    monkeypatch.setenv("INPUT_COMMAND", "plan")
    monkeypatch.setenv("INPUT_SHARDS", "2")
    assert commands.action(make_parser().parse_args) is ExitCode.WITHIN_BUDGET
    text = (job / "output").read_text()
    matrix = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert matrix == {"include": [{"shard": "1/2", "images": "api"}, {"shard": "2/2", "images": "web db"}]}


def test_a_plan_for_fits_is_balanced_by_their_own_durations(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (job / "budgets.toml").write_text(BUDGETS)
    (job / "Dockerfile").write_text("FROM scratch\n")
    options = make_parser().parse_args(["plan", "--fit", "--shards", "2"])
    remember_durations(job / "cache", {"api": 90_000, "web": 30_000, "db": 40_000})
    planned = []
    for _ in range(2):
        options.handler(options)
        planned.append([one["images"] for one in json.loads(capsys.readouterr().out)["include"]])
        remember_durations(job / "cache", {"api": 1_000, "web": 30_000, "db": 900_000}, Took.FIT)
    assert planned == [["api", "web db"], ["db", "api web"]], "the durations of checks count until there are others"


@pytest.mark.thorough
def test_merging_gives_the_verdict_and_the_summary(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_part(1)
    write_part(2, head_rss_mib=70)
    monkeypatch.setenv("INPUT_COMMAND", "merge")
    monkeypatch.setenv("INPUT_REPORTS", "parts")
    assert commands.action(make_parser().parse_args) is ExitCode.OVER_BUDGET
    assert [one.name for one in read_report(job / "report.json").images] == ["image1", "image2"]
    assert "1 of 2 images over budget" in (job / "summary").read_text()
    assert "verdict-image2" in (job / "output").read_text()


@pytest.mark.thorough
def test_fits_of_shards_are_combined_written_and_summed_up(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.new(job / "repository")
    sha = repository.commit("images", {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(repository.folder)
    digest = digest_of(parse_budgets(BUDGETS, "budgets.toml", repository.folder))
    for number, name in enumerate(("api", "web", "db"), start=1):
        made = part(number, fitted(name, answering), of=3, known=("api", "web", "db"))
        made = made.model_copy(update={"commit": sha, "budgets_digest": digest})
        write_fit(made, job / "parts" / f"{number}" / "report.json")
    inputs = {"COMMAND": "fit", "REPORTS": str(job / "parts"), "WRITE": "true", "CONFIRM": "30", "IMAGES": ""}
    for name, value in inputs.items():
        monkeypatch.setenv(f"INPUT_{name}", value)
    assert commands.action(make_parser().parse_args) is ExitCode.WITHIN_BUDGET
    assert "**Sum of 3 images" in (job / "summary").read_text()
    assert [image.name for image in read_fit(Path("report.json")).images] == ["api", "web", "db"]
    assert Path("budgets.toml").read_text().count("survives") == 3

    (job / "parts/2/report.json").unlink()

    with pytest.raises(EnvironmentFault, match="nothing was written, because shard 2 is missing"):
        commands.action(make_parser().parse_args)
    assert "shard 2 is missing" in (job / "summary").read_text()


def test_merging_fits_as_checks_names_the_right_command(job: Path) -> None:
    write_fit(part(1, fitted("api", answering)), job / "parts/fit.json")
    with pytest.raises(ConfigurationError, match=r"(?s)is the report of a fit.*membudget fit --from"):
        merge("parts")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CONFIRM", "0", "confirm: '0' is not a whole number from 1 to 1000"),
        ("IMAGES", "--help-me", "an input of the action is invalid, see above"),
        ("WRITE", "yes", "write: 'yes' is neither true nor false"),
        ("COMMAND", "fits", "command: 'fits' is none of check, plan, merge, report, fit, plan-fit, backfill"),
    ],
)
def test_wrong_inputs_of_a_fit_are_told(
    job: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv("INPUT_COMMAND", "fit")
    monkeypatch.setenv(f"INPUT_{name}", value)
    with pytest.raises(ConfigurationError, match=why):
        commands.action(make_parser().parse_args)


def write_part(number: int, head_rss_mib: int = 40) -> None:
    """Write the report of a shard of one image, below parts."""
    one = image(f"image{number}", base=side(trial(40)), head=side(trial(head_rss_mib)), allowed=budgets(max_rss=64))
    coverage = Coverage((one.name,), ("image1", "image2"))
    part = report(one).model_copy(update={"shard": Shard(number, 2), "coverage": coverage})
    write_report(part, Path("parts") / f"membudget-{number}" / "report.json")


def merge(*arguments: str) -> ExitCode:
    options = make_parser().parse_args(["merge", *arguments])
    return commands.merge(options)


@pytest.mark.thorough
@pytest.mark.parametrize("option", [["--format", "json"], ["--json", "-q"]])
def test_a_merge_prints_for_programs_what_report_does(
    job: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_part(1)
    write_part(2, head_rss_mib=70)
    assert merge("parts", *option) is ExitCode.OVER_BUDGET
    told = capsys.readouterr().out
    assert main(["report", "--format", "json"]) == 0
    assert told == capsys.readouterr().out
    assert [one["verdict"] for one in json.loads(told)["images"]] == ["pass", "fail"]


def test_a_merge_for_programs_has_one_length(job: Path) -> None:
    with pytest.raises(ConfigurationError, match="-v is for --format terminal"):
        merge("parts", "--format", "json", "-v")


@pytest.mark.thorough
@pytest.mark.parametrize("damage", ["no report", "of a whole check"])
def test_a_merge_of_damaged_parts_leaves_no_report_of_an_earlier_run(job: Path, damage: str) -> None:
    write_part(1)
    write_part(2)
    assert merge("parts") is ExitCode.WITHIN_BUDGET
    assert (job / DEFAULT_REPORT).exists()
    for path in (job / "parts").glob("*/report.json"):
        if damage == "no report":
            path.write_text("{}")
        else:
            write_report(read_report(path).model_copy(update={"shard": None}), path)
    with pytest.raises(ConfigurationError):
        merge("parts")
    assert not (job / DEFAULT_REPORT).exists(), "nobody takes it for the result of this merge"


@pytest.mark.thorough
@pytest.mark.parametrize("place", [DEFAULT_REPORT, "out/mine.json"])
@pytest.mark.parametrize("command", ["check", "merge", "action", "action merge"])
def test_what_fails_early_leaves_no_report_of_an_earlier_run(
    job: Path, monkeypatch: pytest.MonkeyPatch, place: str, command: str
) -> None:
    write_report(report(image("api", head=side(trial(40)))), Path(place))
    monkeypatch.setenv("INPUT_REPORT", place)
    if command == "action merge":
        monkeypatch.setenv("INPUT_COMMAND", "merge")
        monkeypatch.setenv("INPUT_REPORTS", "missing")
    own = [] if command.startswith("action") else ["--report", place]
    more = ["missing"] if command == "merge" else []
    options = make_parser().parse_args([command.removesuffix(" merge"), *own, *more])
    with pytest.raises(ConfigurationError):
        options.handler(options)
    assert not (job / place).exists()


def test_a_check_overwrites_nothing_but_a_report(job: Path) -> None:
    (job / "budgets.toml").write_text(BUDGETS)
    options = make_parser().parse_args(["check", "--report", "budgets.toml"])
    with pytest.raises(ConfigurationError, match=r"budgets\.toml: this file is not a report"):
        options.handler(options)
    assert (job / "budgets.toml").read_text() == BUDGETS


@pytest.mark.parametrize("arguments", [["check"], ["publish", "missing.json"]])
def test_tokens_leave_the_environment_before_anything_is_read(
    job: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("GITEA_TOKEN", "secret")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    assert job == Path.cwd()
    options = make_parser().parse_args(arguments)
    with pytest.raises(ConfigurationError):
        options.handler(options)
    assert {"GITHUB_TOKEN", "GITEA_TOKEN"} & os.environ.keys() == set()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"COMMAND": "mergee"}, "command: 'mergee' is none of check, plan, merge"),
        ({"COMMAND": "merge"}, "reports: name the folder"),
        ({"COMMAND": "plan", "SHARDS": "0"}, "shards: '0' is not a whole number from 1 to 256"),
        ({"SHARD": "3/2"}, "'3/2' is not a shard"),
        ({"FAIL-ON": "sometimes"}, "fail-on: 'sometimes' is none of fail, warn, never"),
        ({"CACHE": "yes"}, "cache: 'yes' is neither true nor false"),
        ({"ALLOW-INCONCLUSIVE": "1"}, "allow-inconclusive: '1' is neither true nor false"),
    ],
)
def test_wrong_inputs_are_named_before_anything_is_done(
    job: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, str], said: str
) -> None:
    (job / "budgets.toml").write_text(BUDGETS)
    (job / "Dockerfile").write_text("FROM scratch\n")
    for name, value in inputs.items():
        monkeypatch.setenv(f"INPUT_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        commands.action(make_parser().parse_args)
    assert said in str(caught.value)
