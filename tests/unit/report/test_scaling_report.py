"""How memory grows, as people and programs read it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from membudget.core.errors import ExitCode
from membudget.core.quantities import KIB, MIB
from membudget.judge.scaled import (
    Bend,
    Estimate,
    ExpectedSize,
    Halt,
    Halted,
    NoSize,
    ScaledImage,
    ScaledPoint,
    TrialScale,
)  # fmt: skip
from membudget.manifests.deployed import CpuLimit
from membudget.manifests.deployed import Place as PlaceInFile
from membudget.report.formats.scaling_report import render
from membudget.report.scaling_report import ScalingReport
from tests.support.builders import report as check_report
from tests.support.golden import assert_golden


def point(cpus: int, connections: int | None, mib: float) -> ScaledPoint:
    return ScaledPoint(TrialScale(cpus, connections), tuple(round(MIB * (mib + more)) for more in (0, 0.1, 0.3)))


def about(value: float, margin: float, unit: int = MIB) -> Estimate:
    return Estimate(round(value * unit), round((value - margin) * unit), round((value + margin) * unit))


API = ScaledImage(
    name="api",
    limit_bytes=256 * MIB,
    points=(point(1, 20, 48), point(1, 40, 58), point(2, 20, 56), point(2, 40, 66)),
    per_cpu=about(8, 0.2),
    per_connection=about(512, 10, KIB),
    fixed=about(30, 0.5),
    untested=(Bend.CPUS, Bend.CONNECTIONS),
    size=ExpectedSize(TrialScale(8, 200), about(194, 5)),
    no_size=None,
)
JOB = ScaledImage(
    name="job",
    limit_bytes=None,
    points=(point(1, None, 48), point(2, None, 48)),
    per_cpu=about(0, 0.2),
    fixed=about(48, 0.2),
    untested=(Bend.CPUS,),
    no_size=NoSize.CONNECTIONS_NOT_VARIED,
)
BENT = replace(API, name="bent", fixed=None, bends=(Bend.CONNECTIONS,), untested=(), size=None, no_size=NoSize.BENT)
DEPLOYED = replace(API, name="deployed", cpu_limit=CpuLimit(7500, PlaceInFile("deploy/api.yaml", 12)))
RENDERED = replace(API, name="rendered", cpu_limit=CpuLimit(1000, PlaceInFile("chart", is_exact=False)))
FALLS = replace(API, name="falls", per_cpu=about(-8, 0.2), limit_bytes=None)
LARGE = replace(API, name="large", size=ExpectedSize(TrialScale(8, 400), about(294, 9)))
KILLED = ScaledImage(
    name="killed", limit_bytes=64 * MIB, points=API.points[:1],
    halted=Halted(Halt.KILLED, "the kernel killed a process", TrialScale(2, 40)),
)  # fmt: skip
ONE = ScaledImage(name="one", limit_bytes=None, halted=Halted(Halt.NOTHING_VARIES))
BROKEN = ScaledImage(name="broken", limit_bytes=None, halted=Halted(Halt.FAULT, "it does not build: \x1b[31mno"))


def report(*images: ScaledImage, left_out: tuple[int, ...] = (4,), cpus: int | None = 8) -> ScalingReport:
    return ScalingReport(
        membudget_version="1.2.3", started_at=datetime(2026, 11, 28, tzinfo=UTC),
        environment=check_report().environment, trials=3, cpus_left_out=left_out, cpus=cpus, images=images,
    )  # fmt: skip


def text(shown: ScalingReport) -> str:
    console = Console(width=110, no_color=True)
    with console.capture() as capture:
        console.print(render(shown))
    return capture.get()


def test_every_answer_is_told_in_words() -> None:
    assert_golden("scaling.txt", text(report(API, JOB, BENT, FALLS, DEPLOYED, RENDERED, LARGE, KILLED, ONE, BROKEN)))


@pytest.mark.parametrize(
    ("images", "code"),
    [
        ((API,), ExitCode.WITHIN_BUDGET),
        ((API, JOB), ExitCode.UNMEASURED),
        ((API, BENT), ExitCode.UNMEASURED),
        ((API, KILLED), ExitCode.UNMEASURED),
    ],
)
def test_the_exit_code_says_whether_every_image_has_what_was_asked(
    images: tuple[ScaledImage, ...], code: ExitCode
) -> None:
    assert report(*images).exit_code is code


def test_a_size_that_nobody_asked_for_may_be_missing() -> None:
    bent = replace(BENT, cpu_limit=CpuLimit(8000, PlaceInFile("deploy/api.yaml", 12)))
    assert report(API, bent, replace(API, size=None, no_size=NoSize.NOT_ASKED), cpus=None).exit_code == 0


def test_json_is_read_as_it_was_written() -> None:
    written = report(API, JOB, KILLED)
    assert ScalingReport.model_validate_json(written.model_dump_json(), strict=True) == written


def test_a_machine_with_all_cpus_leaves_nothing_out() -> None:
    assert "membudget did not measure" not in text(report(API, left_out=()))
