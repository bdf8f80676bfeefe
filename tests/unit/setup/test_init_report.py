import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from membudget.core.errors import ExitCode
from membudget.core.quantities import MIB
from membudget.setup.found import BuildDefinition, Fact, FoundImage, Origin, Skipped
from membudget.setup.init import PlannedFile
from membudget.setup.init_report import InitReport, InitResult, init_report, render
from membudget.setup.measured import FailedImage, Measured
from membudget.setup.plan import ImagePlan, plan
from tests.support.golden import assert_golden

FILES = [
    PlannedFile(Path("budgets.toml"), "budgets.toml", "text"),
    PlannedFile(Path(".github/workflows/membudget.yml"), ".github/workflows/membudget.yml", "text", is_kept=True),
]


def planned(name: str) -> ImagePlan:
    path = f"services/{name}/Dockerfile"
    build = BuildDefinition(name, f"services/{name}", path, Origin(path, 1))
    return plan(FoundImage(name, build, Fact(128 * MIB, Origin("a", 1)), is_service=True))


def report() -> InitReport:
    api, old = planned("api"), planned("old")
    results: list[InitResult] = [
        Measured(api, api.likely_way, int(93.4 * MIB), 181 * MIB, 128 * MIB, is_deployed=True),
        FailedImage(
            old,
            "it does not build: exit code 1\x1b[31m",
            ("a line", "no such file\x1b[2J"),
            ("`compose` did not work: no",),
        ),
    ]
    skipped = [Skipped("a\nb", "it is a link\x1b[2J"), *(Skipped(f"{n}", "it is none") for n in range(20))]
    return init_report(results, FILES, skipped, wrote=True)


def shown(what: InitReport, *, is_dry: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(render(what, is_dry=is_dry))
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def test_the_summary_has_a_table_the_reasons_and_the_next_command() -> None:
    assert_golden("init.txt", shown(report()))


def test_a_dry_run_says_that_nothing_was_written() -> None:
    assert "Nothing was written" in shown(report(), is_dry=True)


def test_names_cannot_command_the_terminal() -> None:
    assert "\x1b" not in shown(report()) + json.dumps(report().model_dump(mode="json")).replace("\\u001b", "\x1b")


def test_without_an_image_that_could_be_measured_it_is_unmeasured() -> None:
    broken = init_report([FailedImage(planned("old"), "no")], FILES, [], wrote=True)
    assert broken.exit_code is ExitCode.UNMEASURED
    assert "No image could be measured" in shown(broken)
    assert report().exit_code is ExitCode.WITHIN_BUDGET


def test_what_runs_without_its_variables_is_told_once_for_all_images() -> None:
    plans = [planned("api"), planned("web")]
    unknown: Fact[tuple[str, ...]] = Fact(("DATABASE_URL",), Origin("deploy/all.yaml", 3))
    results = [replace(one, found=replace(one.found, unknown_variables=unknown)) for one in plans]
    text = shown(init_report(results, FILES, (), wrote=True))
    assert text.count("DATABASE_URL") == 1
    assert "api, web: no value in the repository, so it runs without them (deploy/all.yaml:3): DATABASE_URL" in text


def test_what_was_not_run_has_no_figures() -> None:
    (image,) = init_report([planned("api")], FILES, [], wrote=False).images
    assert (image.peak_rss_bytes, image.limit_bytes, image.failure) == (None, 128 * MIB, None)
