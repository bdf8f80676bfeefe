"""Ways are tried until one works, by trials that a test decides."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets.entries import ImageSpec
from membudget.budgets.suggested import limit_for
from membudget.build.revision import Commit
from membudget.core.errors import ConfigurationError, EngineLost, EnvironmentFault
from membudget.core.quantities import MIB
from membudget.measure.assumed import Assumed
from membudget.measure.listening import Listening
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from membudget.setup.found import BuildDefinition, ComposeService, Deployed, Fact, FoundImage, HealthProbe, Origin
from membudget.setup.measured import FailedImage, Measured, MeasuringResult, measure
from membudget.setup.plan import Way, plan
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.silence import Silence

AT = Origin("somewhere", 1)
HEAD = Commit("a" * 40, "head")
Answer = Callable[[TrialSpec], Trial]


class Tools(FakeTools):
    """A container that behaves as `answer` says."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.compose_is_refused = False

    def run_trial(self, spec: TrialSpec) -> Trial:
        self.specs.append(spec)
        return self.answer(spec)

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        if spec.compose is not None and self.compose_is_refused:
            raise ConfigurationError("privileged: is not known here")
        return TrialInputs()


def found(**facts: object) -> FoundImage:
    build = BuildDefinition("api", ".", "Dockerfile", AT)
    return replace(FoundImage("api", build, is_service=True), **facts)  # type: ignore[arg-type]


def measured(image: FoundImage, tools: Tools) -> MeasuringResult:
    (result,) = measure([plan(image)], HEAD, tools, Silence())
    return result


def failed(outcome: Outcome = Outcome.WORKLOAD_FAILED, exit_code: int | None = None) -> Trial:
    return replace(trial(40), outcome=outcome, reason="it failed", exit_code=exit_code, log_tail=("the log",))


def kind(spec: TrialSpec) -> str:
    return spec.workload.kind


def test_an_image_runs_once_under_its_deployed_limit() -> None:
    tools = Tools(lambda spec: trial(40))
    result = measured(found(limit=Fact(64 * MIB, AT)), tools)
    assert isinstance(result, Measured)
    assert [spec.limit_bytes for spec in tools.specs] == [64 * MIB]
    assert (result.limit_bytes, result.is_deployed, result.peak_rss_bytes) == (64 * MIB, True, 40 * MIB)
    assert result.image_size_bytes == 100 * MIB


def test_without_a_deployed_limit_it_runs_again_under_its_own() -> None:
    tools = Tools(lambda spec: trial(40 if spec.limit_bytes is None else 42))
    result = measured(found(), tools)
    assert isinstance(result, Measured)
    assert [spec.limit_bytes for spec in tools.specs] == [None, result.limit_bytes]
    assert (result.limit_bytes, result.is_deployed) == (result.limit_bytes, False)
    assert result.limit_bytes >= 60 * MIB
    assert result.peak_rss_bytes == 42 * MIB
    assert result.used is not None
    assert result.limit_bytes == limit_for(result.used.value_bytes, None)


def test_a_limit_that_is_too_small_is_doubled() -> None:
    tools = Tools(lambda spec: trial(40) if (spec.limit_bytes or 2**40) > 100 * MIB else failed(Outcome.OOM_KILLED))
    result = measured(found(), tools)
    assert isinstance(result, Measured)
    assert len(tools.specs) == 3
    assert result.limit_bytes > 100 * MIB
    assert result.notes[0].startswith("under a limit of")


def test_a_deployed_limit_under_which_it_is_killed_is_not_taken() -> None:
    tools = Tools(lambda spec: failed(Outcome.OOM_KILLED) if spec.limit_bytes == 32 * MIB else trial(40))
    result = measured(found(limit=Fact(32 * MIB, AT)), tools)
    assert isinstance(result, Measured)
    assert not result.is_deployed
    assert result.notes == ("under the deployed limit of 32.0 MiB: it failed",)


def test_the_next_way_is_tried_when_one_fails() -> None:
    tools = Tools(lambda spec: failed() if kind(spec) == "http" else trial(40))
    result = measured(found(ports=(Fact(80, AT),), probes=(Fact(HealthProbe("/x", 80), AT),)), tools)
    assert isinstance(result, Measured)
    assert result.way.name == "idle for 3s once port 80 answers"
    assert result.notes == ("100 requests for /x did not work: it failed; its last output: the log",)


def test_a_container_that_ends_without_an_error_is_a_job() -> None:
    tools = Tools(lambda spec: trial(40) if kind(spec) == "command" else failed(exit_code=0))
    result = measured(found(ports=(Fact(80, AT),)), tools)
    assert isinstance(result, Measured)
    assert result.way.runs_to_end


def test_a_container_that_ends_with_an_error_is_not_tried_again() -> None:
    tools = Tools(lambda spec: failed(exit_code=1))
    result = measured(found(ports=(Fact(80, AT),)), tools)
    assert isinstance(result, FailedImage)
    assert len(tools.specs) == 1
    assert result.log_tail == ("the log",)
    assert result.way is None


def test_a_container_that_needs_arguments_is_written_down_as_a_command() -> None:
    result = measured(found(is_service=False), Tools(lambda spec: failed(exit_code=64)))
    assert isinstance(result, FailedImage)
    assert result.way is not None
    assert result.way.runs_to_end
    assert any("command = " in line for setting in result.way.workload for line in setting.comment)


def test_a_failed_image_says_why_its_compose_file_did_not_work() -> None:
    tools = Tools(lambda spec: failed(exit_code=1))
    tools.compose_is_refused = True
    result = measured(found(compose=compose(), ports=(Fact(80, AT),)), tools)
    assert isinstance(result, FailedImage)
    (note,) = result.notes
    assert "privileged" in note
    assert result.reason == "it does not run: it failed"


def test_a_failed_image_says_what_it_printed_with_its_compose_file() -> None:
    logs = iter([("no database",), ("no variable",)])
    tools = Tools(lambda spec: replace(failed(exit_code=1), log_tail=next(logs)))
    result = measured(found(compose=compose(), ports=(Fact(80, AT),)), tools)
    assert isinstance(result, FailedImage)
    assert result.notes == ("`compose` did not work: it failed; its last output: no database",)
    assert result.log_tail == ("no variable",)


def listening(one: Trial, port: int) -> Trial:
    return replace(one, assumed=Assumed(listening=(Listening(port, "0.0.0.0"),), port=port))


def settings(way: Way) -> dict[str, object]:
    return {setting.key: setting.value for setting in way.workload}


def test_a_port_that_no_file_names_is_found_where_the_container_listens() -> None:
    tools = Tools(lambda spec: listening(trial(40), 9090) if kind(spec) == "http" else failed())
    result = measured(found(), tools)
    assert isinstance(result, Measured)
    assert settings(result.way)["port"] == 9090
    assert result.way.workload[1].comment == ("it listened on this port when it ran",)


def test_a_port_without_a_front_page_is_waited_for() -> None:
    tools = Tools(lambda spec: listening(failed(), 9090) if kind(spec) == "http" else trial(40))
    result = measured(found(), tools)
    assert isinstance(result, Measured)
    assert (settings(result.way)["port"], settings(result.way)["ready"]) == (9090, {"tcp": 9090})
    assert result.notes == ()


def test_a_declared_port_that_nothing_listens_on_is_replaced_by_the_one_that_is() -> None:
    def answer(spec: TrialSpec) -> Trial:
        port = getattr(spec.workload, "port", None)
        return listening(trial(40), 9090) if kind(spec) == "http" and port is None else failed()

    result = measured(found(ports=(Fact(80, AT),)), Tools(answer))
    assert isinstance(result, Measured)
    assert settings(result.way)["port"] == 9090


def test_what_several_ways_fail_of_is_told_once() -> None:
    def answer(spec: TrialSpec) -> Trial:
        return failed(Outcome.OOM_KILLED) if spec.limit_bytes == 32 * MIB else failed()

    ports, probes = (Fact(80, AT),), (Fact(HealthProbe("/x", 80), AT),)
    result = measured(found(limit=Fact(32 * MIB, AT), ports=ports, probes=probes), Tools(answer))
    assert len(result.notes) == len(set(result.notes)) > 0


def test_an_unknown_container_that_does_not_end_is_a_service() -> None:
    tools = Tools(lambda spec: failed(Outcome.TIMED_OUT) if kind(spec) == "http" else trial(40))
    result = measured(found(is_service=False), tools)
    assert isinstance(result, Measured)
    assert result.way.name == "idle for 3s"
    assert result.notes == (), "a guess that fails is nothing to tell"
    assert tools.specs[0].timeout_ms < tools.specs[1].timeout_ms


def compose() -> ComposeService:
    return ComposeService(
        BuildDefinition("api", ".", "Dockerfile", AT), Deployed(("api",), Origin("compose.yaml", 1)), "api", True
    )


def test_a_compose_file_that_is_refused_is_left_out() -> None:
    tools = Tools(lambda spec: trial(40))
    tools.compose_is_refused = True
    result = measured(found(compose=compose(), ports=(Fact(80, AT),)), tools)
    assert isinstance(result, Measured)
    assert result.way.around is None
    assert result.notes[0].startswith("`compose` did not work: ")
    assert "privileged" in result.notes[0]


def test_a_container_that_fails_with_its_compose_file_is_tried_alone() -> None:
    answers = iter([failed(exit_code=1), trial(40), trial(40)])
    result = measured(found(compose=compose(), ports=(Fact(80, AT),)), Tools(lambda spec: next(answers)))
    assert isinstance(result, Measured)
    assert result.way.around is None


def test_a_run_that_is_too_short_to_be_sampled_has_no_peak() -> None:
    result = measured(found(), Tools(lambda spec: trial(None)))
    assert isinstance(result, Measured)
    assert (result.peak_rss_bytes, result.limit_bytes) == (None, 32 * MIB)


def test_an_image_that_does_not_build_does_not_affect_others() -> None:
    tools = Tools(lambda spec: trial(40))
    tools.broken_builds = {"api head"}
    other = replace(found(), name="web")
    broken, fine = measure([plan(found()), plan(other)], HEAD, tools, Silence())
    assert isinstance(broken, FailedImage)
    assert broken.reason.startswith("it does not build")
    assert isinstance(fine, Measured)


def test_images_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)  # broken unless both are there at once

    def answer(spec: TrialSpec) -> Trial:
        meeting.wait()
        return trial(40)

    tools = Tools(answer)
    tools.jobs = 2
    results = measure([plan(found()), plan(replace(found(), name="web"))], HEAD, tools, Silence())
    assert [(type(result), result.plan.name) for result in results] == [(Measured, "api"), (Measured, "web")]


def test_a_fault_of_the_environment_is_the_images_reason() -> None:
    def answer(spec: TrialSpec) -> Trial:
        raise EnvironmentFault("no helper")

    result = measured(found(), Tools(answer))
    assert isinstance(result, FailedImage)
    assert "no helper" in result.reason


def test_a_lost_engine_ends_everything() -> None:
    def answer(spec: TrialSpec) -> Trial:
        raise EngineLost("gone")

    with pytest.raises(EngineLost):
        measured(found(), Tools(answer))
