"""Every kind of workload and of readiness, against a real service, from the host and from helper containers."""

from collections.abc import Iterator

import pytest

from membudget.budgets.workload import CommandWorkload, ExecWorkload, HttpWorkload, Workload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from membudget.measure.equipment import MeasuringOptions
from membudget.measure.trial import Outcome, TrialSpec
from membudget.version import VERSION
from tests.support.leftovers import nothing_stays
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, http, trials

READY_WAYS = {
    "http": Readiness(http="/"),
    "tcp": Readiness(tcp=8080),
    "log": Readiness(log="listening on"),
}


@pytest.fixture(scope="module", params=["host", "container"])
def service(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Trials]:
    """Both places where probe and driver may be."""
    if request.param == "container":
        request.getfixturevalue("helper_image")
    elif not vantage_on(engine).acts_alone:
        skip_for_want_of("this process does not see the engine's cgroups, or is not root")
    with nothing_stays(engine):
        with trials(engine, MeasuringOptions(VERSION, request.param)) as running:
            yield running
        assert running.warnings == []


def execute(*commands: tuple[str, ...], ready: Readiness | None = None) -> ExecWorkload:
    return ExecWorkload(kind="exec", commands=commands, ready=ready)


@pytest.mark.parametrize("way", READY_WAYS)
def test_requests_are_sent_once_the_service_is_ready(service: Trials, images: PreparedImages, way: str) -> None:
    trial = service.run(images.service, http(HttpRequests(path="/hold/20", count=1), ready=READY_WAYS[way]))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    peak = trial.metrics[Metric.PEAK_RSS].value
    assert peak is not None
    assert peak > 20 * MIB  # the request did its work


def test_the_images_own_healthcheck_is_respected(service: Trials, images: PreparedImages) -> None:
    trial = service.run(images.healthy, http(ready=Readiness(healthcheck=True)))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)


def test_an_endless_answer_is_an_answer(service: Trials, images: PreparedImages) -> None:
    trial = service.run(images.service, http(ready=Readiness(http="/endless", timeout="20s")))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)


def test_method_headers_body_and_status_are_as_said(service: Trials, images: PreparedImages) -> None:
    groups = (
        HttpRequests(path="/", method="POST", body="hello", expect=201, count=30, concurrency=3),
        HttpRequests(path="/status/404", expect=404, headers={"X-Echo": "ö"}),
    )
    trial = service.run(images.service, http(*groups))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)


@pytest.mark.parametrize("way", [None, *READY_WAYS])
def test_commands_run_inside_the_started_service(service: Trials, images: PreparedImages, way: str | None) -> None:
    get = ("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/hold/20')")
    commands = (("true",), get) if way else (("sleep", "0.1"),)

    trial = service.run(images.service, execute(*commands, ready=READY_WAYS[way] if way else None))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert trial.exit_code is None  # we ended it


def test_a_one_shot_command_runs_to_its_end(service: Trials, images: PreparedImages) -> None:
    hold = "x = bytes(b'x') * (30 << 20); import time; time.sleep(0.2); raise SystemExit(7)"

    trial = service.run(images.service, CommandWorkload(command=("python3", "-c", hold), expect=7))

    assert (trial.outcome, trial.exit_code) == (Outcome.COMPLETED, 7)
    peak = trial.metrics[Metric.PEAK_RSS].value
    assert peak is not None
    assert 30 * MIB < peak < 45 * MIB


def test_a_workload_that_fails_says_so_with_the_end_of_its_log(service: Trials, images: PreparedImages) -> None:
    script = "for i in $(seq 1 80); do echo line $i; done; exit 3"

    trial = service.run(images.service, CommandWorkload(command=("sh", "-c", script)))

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the container exited with code 3"
    assert len(trial.log_tail) == 50
    assert trial.log_tail[-1] == "line 80"


@pytest.mark.parametrize(
    ("workload", "why"),
    [
        (http(HttpRequests(path="/status/500", count=5)), "5 of 5 requests GET /status/500 failed: 5 x status 500"),
        (http(HttpRequests(path="/exit/4", count=1)), "the container exited with code 4 during its workload"),
        (
            http(ready=Readiness(tcp=9999, timeout="300ms")),
            "not ready within 0.3 s: port 9999: connection refused",
        ),
        (http(ready=Readiness(http="/status/503", timeout="800ms")), "GET /status/503 at port 8080: status 503"),
        (
            http(ready=Readiness(http="/sleep/60", timeout="800ms")),
            "GET /sleep/60 at port 8080: no answer came",
        ),
        (http(ready=Readiness(log="never said", timeout="300ms")), 'no line of the output contains "never said"'),
        (http(ready=Readiness(healthcheck=True)), "the image has no HEALTHCHECK"),
        (execute(("sh", "-c", "echo no luck; exit 9")), "exited with code 9"),
        (execute(("no-such-command",)), "no-such-command"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_way_a_workload_fails_has_its_words(
    service: Trials, images: PreparedImages, workload: Workload, why: str
) -> None:
    trial = service.run(images.service, workload)
    if isinstance(workload, HttpWorkload) and workload.ready is not None and why not in str(trial.reason):
        # on a busy machine the service takes seconds to listen
        patient = workload.ready.model_copy(update={"timeout": 20_000})
        trial = service.run(images.service, workload.model_copy(update={"ready": patient}))

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason is not None
    assert why in trial.reason
    assert trial.metrics[Metric.OOM_KILLS].value == 0


@pytest.mark.parametrize(
    "workload",
    [
        CommandWorkload(command=("sleep", "60")),
        http(HttpRequests(path="/sleep/60", count=1)),
        execute(("sleep", "60")),
    ],
    ids=["command", "http", "exec"],
)
def test_a_trial_ends_at_its_timeout(service: Trials, images: PreparedImages, workload: Workload) -> None:
    trial = service.run(images.service, workload, timeout_ms=1500)

    assert trial.outcome is Outcome.TIMED_OUT
    assert str(trial.reason).startswith("still running after 1.5 s")  # on a busy machine, before it is ready
    assert trial.duration_ms < 60_000


def test_memory_that_a_request_takes_over_the_limit_is_an_oom_kill_not_a_failure(
    service: Trials, images: PreparedImages
) -> None:
    trial = service.run(images.service, http(HttpRequests(path="/hold/100", count=1)), limit_mib=48)

    assert trial.outcome is Outcome.OOM_KILLED
    assert trial.reason == "the kernel killed 1 process for memory at its limit of 48.0 MiB"


def test_the_workload_gets_no_network_no_privilege_and_no_engine(service: Trials, images: PreparedImages) -> None:
    look_around = (
        "import os, socket\n"
        "assert os.listdir('/sys/class/net') == ['lo'], os.listdir('/sys/class/net')\n"
        "assert not os.path.exists('/var/run/docker.sock')\n"
        "status = open('/proc/self/status').read()\n"
        "assert 'NoNewPrivs:\\t1' in status, status\n"
        "assert not [key for key in os.environ if key.startswith(('GITHUB_', 'DOCKER_', 'INPUT_'))], os.environ\n"
    )
    trial = service.run(images.service, CommandWorkload(command=("python3", "-c", look_around)))

    assert trial.outcome is Outcome.COMPLETED, trial.log_tail


def test_an_image_that_vanished_is_an_environment_fault(service: Trials) -> None:
    with pytest.raises(EnvironmentFault):
        service.runner.run(TrialSpec("test", "sha256:" + "0" * 64, None, 1000, CommandWorkload()))
