"""Workloads of several steps, and phases that are not judged."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import ImageSpec
from membudget.budgets.workload_parts import Readiness
from membudget.core.errors import ConfigurationError

STEPS = """
version = 1
[images.api]
limit = "64MiB"
phases.warm-up.judged = false
[images.api.workload]
kind = "steps"
port = 9000
steps = [
  { phase = "warm-up", http = [{ path = "/", body_file = "body.json", method = "POST" }] },
  { exec = [["./migrate"], { run = ["cat"], stdin = "books.csv" }], repeat = 3 },
  { phase = "burst", driver = { image = "k6", files = { "/load" = "load" } } },
  { phase = "rest", idle = "2s" },
]
"""


def api(text: str = STEPS) -> ImageSpec:
    return budgets_file.parse(text, "budgets.toml")["api"]


def test_a_workload_of_steps_goes_through_their_phases() -> None:
    workload = api().workload
    assert workload.phase_names == ["start-up", "warm-up", "steady", "burst", "rest", "settle"]
    assert workload.label == "the started service, in 4 steps"


def test_it_waits_for_the_port_where_a_step_sends_requests() -> None:
    assert api().workload.readiness == Readiness(tcp=9000)
    without = STEPS.replace('http = [{ path = "/", body_file = "body.json", method = "POST" }]', 'idle = "1s"')
    assert api(without).workload.readiness is None


def test_the_files_of_all_steps_are_named() -> None:
    assert api().workload.named_files == ["body.json", "books.csv", "load"]


def test_a_phase_that_is_not_judged_is_known() -> None:
    assert api().unjudged_phases == {"warm-up"}


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        (', idle = "2s"', "", "exactly one of http, exec, driver, idle"),
        ('idle = "2s"', 'idle = "2s", exec = [["true"]]', "exactly one of http, exec, driver, idle"),
        ('http = [{ path = "/"', 'http = [{ phase = "x", path = "/"', "the phase of the step, not of its requests"),
        ("repeat = 3", 'repeat = 3, duration = "1s"', "only one of repeat or duration"),
        ('idle = "2s"', 'idle = "2s", repeat = 2', "repeat and duration with exec or driver"),
        ('phase = "rest"', 'phase = "settle"', "neither start-up nor settle"),
        ("judged = false", 'judged = false, peak_rss.max = "9MiB"', "true for a phase with budgets of its own"),
        ("phases.warm-up", "phases.wram-up", "names a phase that this workload does not have"),
    ],
)
def test_what_makes_no_sense_is_said(found: str, instead: str, message: str) -> None:
    text = STEPS.replace(found, instead)
    if "peak_rss" in instead:
        text = STEPS.replace("phases.warm-up.judged = false", f"phases.warm-up = {{ {instead} }}")
    with pytest.raises(ConfigurationError) as error:
        api(text)
    assert message in str(error.value)


def test_something_has_to_be_judged() -> None:
    text = """
    version = 1
    [images.api]
    limit = "64MiB"
    workload.kind = "command"
    phases.steady.judged = false
    """
    with pytest.raises(ConfigurationError, match="leave no phase to judge"):
        api(text)
