"""What is said of a container whose workload or port nobody named."""

from dataclasses import replace

import pytest

from membudget.measure.assumed import Assumed, AutoEnd
from membudget.measure.listening import Listening
from membudget.measure.trial import Trial
from membudget.report.assumptions import port_finding, workload_finding, workload_findings
from membudget.report.story import story
from membudget.report.story_parts import Remarks
from tests.support.builders import image, report, side, trial

ANYWHERE, LOOPBACK, SIX = Listening(8080, "0.0.0.0"), Listening(3000, "127.0.0.1"), Listening(9000, "::1")
PASTE = 'workload = {{ kind = "http", port = {}, requests = [{{ path = "/" }}] }}'


def assumed(*listening: Listening, end: AutoEnd = AutoEnd.RESTED, exposed: tuple[int, ...] = ()) -> tuple[Trial, ...]:
    return (trial(20), replace(trial(20), assumed=Assumed(end, listening, exposed=exposed)))


def said(trials: tuple[Trial, ...]) -> str:
    (found,) = workload_finding(trials)
    return found.as_text()


def test_a_service_without_a_workload_is_told_with_the_one_to_paste() -> None:
    assert said(assumed(ANYWHERE)) == (
        "no workload: the service listened on port 8080, and was left idle, so its memory under load is not measured"
        f" → describe the load: {PASTE.format(8080)}"
    )


def test_the_port_that_the_image_declares_is_the_one_to_send_requests_to() -> None:
    words = said(assumed(LOOPBACK, ANYWHERE, exposed=(8080,)))
    assert "listened on 127.0.0.1:3000, port 8080, and" in words
    assert words.endswith(PASTE.format(8080))


def test_a_port_that_is_open_over_both_protocols_is_named_once() -> None:
    assert "listened on port 8080, and" in said(assumed(ANYWHERE, Listening(8080, "::")))


def test_a_port_that_is_declared_and_not_used_is_told() -> None:
    assert "listened on 127.0.0.1:3000 (the image declares 8080), and" in said(assumed(LOOPBACK, exposed=(8080,)))


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (assumed(), "the service was ready and was left idle"),
        (assumed(ANYWHERE, end=AutoEnd.BUSY), "and was busy until the trial's timeout"),
        (assumed(end=AutoEnd.KEPT_RUNNING), "the container kept running, was idle and listened on no port"),
        (assumed(*[Listening(port, "::") for port in range(8000, 8010)]), "port 8002 and 7 more, and"),
    ],
)
def test_each_end_has_its_words(trials: tuple[Trial, ...], words: str) -> None:
    assert words in said(trials)


@pytest.mark.parametrize("trials", [assumed(SIX), assumed(), assumed(end=AutoEnd.KEPT_RUNNING)])
def test_without_a_port_to_send_requests_to_the_documentation_says_more(trials: tuple[Trial, ...]) -> None:
    assert said(trials).endswith("describe the load: see docs/workloads.md")


@pytest.mark.parametrize("trials", [(trial(20),), assumed(end=AutoEnd.ENDED), ()])
def test_nothing_is_said_of_a_one_shot_and_of_a_workload(trials: tuple[Trial, ...]) -> None:
    assert [*workload_finding(trials), *port_finding(trials)] == []


@pytest.mark.parametrize(
    ("exposed", "source"),
    [((3000,), "it is declared (EXPOSE, or `ports` of the manifest)"), ((), "the service listens there")],
)
def test_a_port_that_was_found_is_named(exposed: tuple[int, ...], source: str) -> None:
    (found,) = port_finding((replace(trial(20), assumed=Assumed(port=3000, exposed=exposed)),))
    assert found.as_text() == f"requests went to port 3000: {source}, and the workload names no `port`"


def test_that_there_is_no_workload_stands_beside_the_verdict() -> None:
    one = image("api", head=side(*assumed(ANYWHERE)), base=side(*assumed(SIX)))
    (found,) = workload_findings(one)
    (remarks,) = [block for block in story(report(one).judged())[0].blocks if isinstance(block, Remarks)]
    assert found in remarks.elements
    assert found.as_markdown().startswith("`api`: no workload: the service listened on `port 8080`, and")
