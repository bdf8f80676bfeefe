"""What a fit says, as people read it."""

import io

import pytest
from rich.console import Console

from membudget.core.quantities import MIB
from membudget.report.formats.fit_report import render, render_markdown
from tests.fakes.fitted import answering, everything, fitted, report
from tests.fakes.limited_services import monotone
from tests.support.golden import assert_golden


def printed(width: int = 120) -> str:
    """As in a log: no colours."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(render(report(*everything())))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_every_result_on_a_terminal() -> None:
    assert_golden("fit.txt", printed())


def test_every_result_as_markdown() -> None:
    assert_golden("fit.md", render_markdown(report(*everything())) + "\n")


@pytest.mark.thorough
def test_nothing_is_cut_off_on_a_narrow_terminal() -> None:
    assert all(len(line) <= 60 for line in printed(60).splitlines() if "█" not in line and "✗" not in line)


def test_the_sum_is_told_if_each_image_has_an_answer() -> None:
    both = report(fitted("api", answering), fitted("web", monotone(50 * MIB)))
    survives = both.total("survives_bytes")
    assert survives is not None
    assert f"**Sum of 2 images: {survives / MIB:.1f} MiB survive" in render_markdown(both)
    assert "Sum of" not in render_markdown(report(*everything()))
