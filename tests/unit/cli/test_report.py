"""`membudget report`, as people and scripts call it."""

import json
import os
from pathlib import Path

import pytest

from membudget.advise.fit import ImageFit
from membudget.cli import commands
from membudget.cli.arguments import make_parser
from membudget.cli.main import main
from membudget.cli.report import Output, show_result
from membudget.core.errors import ExitCode
from membudget.core.files import DEFAULT_REPORT
from membudget.core.sharding import Shard
from membudget.publish.fit_file import write_fit
from membudget.publish.report_file import write_report
from membudget.report.formats.terminal import Detail
from tests.fakes.fitted import fitted, pressed
from tests.fakes.fitted import report as fit_report
from tests.support.builders import budgets, image, report, side, trial
from tests.support.workflow_log import obeyed
from tests.unit.report.reports import everything, said_by_others

FORMATS = {
    "terminal": "❌ 3 of 10 images over budget",
    "markdown": "### ❌ membudget: 3 of 10 images over budget",
    "html": "<!doctype html>",
    "json": '{\n "verdict": "fail"',
    "junit": '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>',
    "openmetrics": "# TYPE membudget_report info",
    "prometheus": "# HELP membudget_report_info what was compared",
    "sarif": '{\n "$schema": "https://json.schemastore.org/sarif-2.1.0.json",\n "version": "2.1.0"',
}


@pytest.fixture(autouse=True)
def outside_of_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("membudget.core.work.install_signal_handlers", lambda: None)  # signals are the test runner's


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "report.json"
    write_report(everything(), file)
    return str(file)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_goes_to_a_file_or_to_standard_output(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    output = tmp_path / "out" / f"rendered.{name}"
    assert main(["report", path, "--format", name]) == 0, "whatever the verdict is"
    printed = capsys.readouterr().out
    assert printed.startswith(FORMATS[name])
    assert main(["report", path, "--format", name, "--output", str(output)]) == 0
    assert output.read_text() == printed
    assert capsys.readouterr().out == ""


@pytest.mark.thorough
def test_a_dash_prints_the_report(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", path, "--format", "junit", "--output", "-"]) == 0
    assert "<testsuite" in capsys.readouterr().out
    assert not (tmp_path / "-").exists()


@pytest.mark.thorough
def test_a_check_prints_the_same_json_as_its_report(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_result(everything().judged(), tmp_path / "report.json", Output(Detail.SHORT, is_json=True))
    of_check = capsys.readouterr().out
    assert main(["report", path, "--format", "json"]) == 0
    assert capsys.readouterr().out == of_check
    assert json.loads(of_check)["verdict"] == "fail"


@pytest.mark.parametrize("how", [["--format", "json"], ["--json"]])
def test_a_check_does_not_print_json_at_length(how: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-v", *how]) == ExitCode.CONFIGURATION
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "-v is for --format terminal" in printed.err


@pytest.mark.thorough
def test_the_table_is_what_one_gets_without_asking(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", path]) == 0
    assert capsys.readouterr().out.startswith(FORMATS["terminal"])


def test_what_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"schema_version": 1, "verdict": "pass"}))
    assert main(["report", str(file), "--format", "html"]) == ExitCode.CONFIGURATION
    assert "is no report of this version of membudget" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_file_that_cannot_be_written_is_told(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["report", path, "--format", "junit", "--output", str(tmp_path / "folder")]) == ExitCode.UNMEASURED
    assert "the report as junit cannot be written" in capsys.readouterr().err
    assert sorted(found.name for found in tmp_path.iterdir()) == ["folder", "report.json"]


@pytest.mark.thorough
def test_in_a_workflow_what_others_said_commands_no_runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    file = tmp_path / "report.json"
    write_report(said_by_others(["##[add-mask]a", "::error::b", "::error::c", "d", "e"]), file)
    for name in FORMATS:
        assert main(["report", str(file), "--format", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        if name in ("terminal", "markdown"):
            assert lines[0].startswith("::stop-commands::")
            assert lines[-1] == f"::{lines[0].removeprefix('::stop-commands::')}::"
        else:
            assert not any("##[" in line or line.strip().startswith("::") for line in lines)


@pytest.mark.thorough
def test_the_action_writes_the_page_and_the_log_that_its_inputs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "INPUT_", "MEMBUDGET_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    made = report(image(base=side(trial(40)), head=side(trial(70)), allowed=budgets(max_rss=64)))
    write_report(made.model_copy(update={"shard": Shard(1, 1)}), tmp_path / "parts" / "report.json")
    for name, value in {"COMMAND": "merge", "REPORTS": "parts", "PAGE": "out/report.html", "SARIF": "a.sarif"}.items():
        monkeypatch.setenv(f"INPUT_{name}", value)
    assert commands.action(make_parser().parse_args) is ExitCode.OVER_BUDGET
    assert "1 of 1 image over budget" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "a.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.thorough
def test_verbose_is_everything_and_quiet_is_the_verdict(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", path]) == 0
    short = capsys.readouterr().out
    assert main(["report", "-v", path]) == 0
    full = capsys.readouterr().out
    assert main(["report", "-q", path]) == 0
    quiet = capsys.readouterr().out
    assert short.startswith(quiet)
    assert full.startswith(quiet)
    assert len(quiet.splitlines()) <= 2 < len(short.splitlines()) < len(full.splitlines())
    assert "What was compared:" in full
    assert "What was compared:" not in short


@pytest.mark.thorough
def test_the_last_line_is_a_command_that_shows_the_rest(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_report(everything(), Path(DEFAULT_REPORT))
    assert main(["report"]) == 0, "the default is where check writes it"
    assert capsys.readouterr().out.splitlines()[-1].endswith(": membudget report -v")
    elsewhere = tmp_path / "two words.json"
    Path(path).rename(elsewhere)
    assert main(["report", elsewhere.name]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(": membudget report -v 'two words.json'")


@pytest.mark.thorough
def test_formats_for_programs_have_one_length(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "-q", path, "--format", "json"]) == ExitCode.CONFIGURATION
    assert "-v and -q are for --format terminal" in capsys.readouterr().err


@pytest.mark.thorough
def test_the_log_of_a_workflow_has_the_rest_in_a_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = said_by_others(["##[add-mask]a", "::error::b", "::endgroup::", "d", "e"]).judged()
    show_result(result, tmp_path / "report.json", Output(Detail.SHORT))
    log = capsys.readouterr().out
    assert [name for name, _ in obeyed(log)] == ["group", "endgroup"]
    before, group = log.split("::group::All rows and figures")
    assert "in the group below" in before
    assert "What was compared:" not in before
    assert "What was compared:" in group
    show_result(result, tmp_path / "report.json", Output(Detail.QUIET))
    assert obeyed(capsys.readouterr().out) == []


@pytest.mark.thorough
def test_without_a_name_the_report_of_the_last_check_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert ".membudget/report.json: there is no report" in said
    assert "fix: run `membudget check` first" in said
    write_report(report(image("api", head=side(trial(40)))), Path(DEFAULT_REPORT))
    assert main(["report"]) == 0
    assert "1 image within budget" in capsys.readouterr().out


FIT_FORMATS = {
    "terminal": "api, 48 trials",
    "markdown": "`api` survives at 38.5 MiB",
    "html": "<!doctype html>",
    "json": '{\n "fit_version": 1',
}


@pytest.fixture
def of_fit(tmp_path: Path) -> str:
    file = tmp_path / "fit.json"
    write_fit(fit_report(fitted("api", pressed)), file)
    return str(file)


@pytest.mark.parametrize("name", FIT_FORMATS)
def test_the_report_of_a_fit_is_shown_as_well(of_fit: str, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["report", of_fit, "--format", name]) == 0
    assert capsys.readouterr().out.startswith(FIT_FORMATS[name])


@pytest.mark.parametrize("name", ["junit", "openmetrics", "prometheus", "sarif"])
def test_the_report_of_a_fit_has_no_verdicts_to_convert(
    of_fit: str, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["report", of_fit, "--format", name]) == ExitCode.CONFIGURATION
    assert f"the report of a fit has no format {name}" in capsys.readouterr().err


def test_the_report_of_a_fit_has_one_length(of_fit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", of_fit, "-v"]) == ExitCode.CONFIGURATION
    assert "one length" in capsys.readouterr().err


@pytest.mark.thorough
def test_what_a_fit_quotes_gives_no_command_to_a_runner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fit.json"
    write_fit(fit_report(ImageFit("api", None, fault="::error::x")), file)
    for name in FIT_FORMATS:
        assert main(["report", str(file), "--format", name]) == 0
        assert not list(obeyed(capsys.readouterr().out))
