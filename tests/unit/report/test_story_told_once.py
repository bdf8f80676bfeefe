"""What befell the whole check is told once in each format. Images say in a few words that it cost them."""

import json
from collections.abc import Callable

import pytest

from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.report.formats import junit, markdown, terminal
from membudget.report.page import page
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, trial
from tests.unit.report.formats.test_terminal import printed

FAULT = "starting a container: the engine stopped answering: refused"
SHORT = "the engine lost"
ALLOWED = budgets(max_rss=64, rss_growth=(5, 2), max_size=150)
LOST = ("first", "second")


def lost(name: str) -> ImageMeasurement:
    failure = Failure(FailureStage.ENVIRONMENT, SHORT)
    return image(name, base=side(failure=failure), head=side(failure=failure), allowed=ALLOWED)


def without_engine() -> Report:
    done = image("done", base=side(trial(40)), head=side(trial(41)), allowed=ALLOWED)
    return report(done, *map(lost, LOST), notes=(f"{FAULT} → look at its log",))


def on_terminal(made: Report) -> str:
    return printed(terminal.render(made.judged()))


def as_comment(made: Report) -> str:
    return markdown.render(made.judged())


def as_junit(made: Report) -> str:
    return junit.render(made.judged())


def as_page(made: Report) -> str:
    text = page.render(made.judged())
    _, _, rest = text.partition('type="application/json"')
    data = json.loads(rest[rest.index("{") : rest.index("</script>")])
    details = json.dumps(data.pop("images"), ensure_ascii=False)  # of each image, where each side says what failed
    assert FAULT not in details
    return json.dumps(data, ensure_ascii=False)


@pytest.mark.parametrize("render", [on_terminal, as_comment, as_junit, as_page])
def test_the_fault_is_told_once_and_each_image_names_it(render: Callable[[Report], str]) -> None:
    text = render(without_engine())
    assert text.count(FAULT) == 1
    assert text.count("look at its log") == 1
    assert text.count(SHORT) == len(LOST), text


@pytest.mark.parametrize("render", [on_terminal, as_comment, as_page])
def test_a_base_that_failed_by_another_fault_is_told_as_well(render: Callable[[Report], str]) -> None:
    base = side(failure=Failure(FailureStage.ENVIRONMENT, "the disk is full"))
    made = image("api", base=base, head=side(failure=Failure(FailureStage.ENVIRONMENT, SHORT)), allowed=ALLOWED)
    text = render(report(made))
    assert text.count(SHORT) == text.count("the disk is full") == 1


@pytest.mark.parametrize("render", [on_terminal, as_comment, as_page])
def test_a_base_that_fails_to_build_as_its_head_does_is_told_as_well(render: Callable[[Report], str]) -> None:
    broken = side(failure=Failure(FailureStage.BUILD, "exit code 1"), size=None)
    text = render(report(image("api", base=broken, head=broken, allowed=ALLOWED)))
    assert text.count("its base could not be measured") == 1
