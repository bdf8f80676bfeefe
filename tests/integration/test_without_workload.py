"""What a newcomer meets: no workload, no port, a wrong port, a service for a one-shot, missing variables and images."""

import json
from collections.abc import Iterator

import pytest

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.workload import CommandWorkload, HttpWorkload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.core.files import DEFAULT_REPORT
from membudget.core.metrics import Metric
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from membudget.measure.assumed import AutoEnd
from membudget.measure.equipment import MeasuringOptions
from membudget.measure.listening import Listening
from membudget.measure.trial import Outcome
from membudget.version import VERSION
from tests.support.leftovers import nothing_stays
from tests.support.membudget_process import run
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository
from tests.support.trials import Trials, trials

BRIEF = AutoWorkload.model_validate({"kind": "auto", "idle": "500ms"})
AT_8080 = (Listening(8080, "127.0.0.1"),)
BUDGETS = """\
version = 1
[images.api]
limit = "64MiB"
trials = 1
settle = "100ms"
"""


@pytest.fixture(scope="module", params=["host", "container"])
def running(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Trials]:
    """Both places from which the service's ports may be looked at."""
    if request.param == "container":
        request.getfixturevalue("helper_image")
    elif not vantage_on(engine).acts_alone:
        skip_for_want_of("this process does not see the engine's cgroups, or is not root")
    with nothing_stays(engine):
        with trials(engine, MeasuringOptions(VERSION, request.param)) as made:
            yield made
        assert made.warnings == []


def test_a_service_that_declares_nothing_is_left_idle(running: Trials, images: PreparedImages) -> None:
    trial = running.run(images.service, BRIEF, settle_ms=200)

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert trial.assumed is not None
    assert (trial.assumed.end, trial.assumed.listening) == (AutoEnd.RESTED, AT_8080)
    assert [phase.name for phase in trial.phases] == ["steady", "settle"]
    assert trial.metrics[Metric.SETTLED_RSS].value is not None


def test_a_healthcheck_says_when_a_service_is_ready(running: Trials, images: PreparedImages) -> None:
    trial = running.run(images.healthy, BRIEF, settle_ms=200)

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    assert trial.assumed is not None
    assert trial.assumed.end is AutoEnd.HEALTHY
    assert [phase.name for phase in trial.phases] == ["start-up", "steady", "settle"]
    assert trial.metrics[Metric.STARTUP_TIME].value is not None


def test_a_one_shot_runs_to_its_end(running: Trials, images: PreparedImages) -> None:
    trial = running.run(images.truth, BRIEF, settle_ms=200)

    assert (trial.outcome, trial.exit_code) == (Outcome.COMPLETED, 0)
    assert trial.assumed is not None
    assert trial.assumed.end is AutoEnd.ENDED
    assert [phase.name for phase in trial.phases] == ["steady"]


def test_requests_find_the_port_by_themselves(running: Trials, images: PreparedImages) -> None:
    requests = (HttpRequests(path="/", count=20),)
    for ready in (None, Readiness(http="/"), Readiness(log="listening on")):
        trial = running.run(images.service, HttpWorkload(kind="http", requests=requests, ready=ready))

        assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
        assert trial.load[0].requests == 20
        assert trial.assumed is not None
        assert trial.assumed.port == 8080


def test_a_wrong_port_is_told_with_the_right_one(running: Trials, images: PreparedImages) -> None:
    requests = (HttpRequests(path="/"),)
    for timeout_ms in (2500, 10_000, 40_000):  # on a busy machine the service takes seconds to listen
        trial = running.run(
            images.service, HttpWorkload(kind="http", port=80, requests=requests), timeout_ms=timeout_ms
        )
        if trial.reason is None or "; the service listens" in trial.reason:
            break

    assert trial.outcome is Outcome.TIMED_OUT
    assert trial.reason is not None
    assert trial.reason.startswith(f"still running after {timeout_ms / 1000:.1f} s: not ready: ")
    assert "port 80: connection refused; the service listens on 127.0.0.1:8080" in trial.reason
    assert trial.reason.endswith("fix: set port = 8080 in images.NAME.workload")


def test_a_one_shot_that_is_a_service_is_told_with_the_workload_to_paste(
    running: Trials, images: PreparedImages
) -> None:
    for timeout_ms in (2000, 10_000, 40_000):  # on a busy machine the service takes seconds to listen
        trial = running.run(images.service, CommandWorkload(), timeout_ms=timeout_ms)
        if trial.reason is None or "it listens" in trial.reason:
            break

    assert trial.outcome is Outcome.TIMED_OUT
    assert trial.reason is not None
    end = f"still running after {timeout_ms / 1000:.1f} s"
    assert trial.reason.startswith(f"{end}: it listens on 127.0.0.1:8080, so it is a service")
    assert 'workload = { kind = "http", port = 8080, requests = [{ path = "/" }] }' in trial.reason


def test_a_check_without_a_workload_measures_a_service_and_says_so(
    repository: Repository, images: PreparedImages
) -> None:
    dockerfile = f"FROM {images.service}\nEXPOSE 8080\n"
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": dockerfile})

    done = run("check", "--no-base", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    assert "no workload: the service listened on 127.0.0.1:8080, and was left idle" in " ".join(done.stdout.split())
    report = json.loads((repository.folder / DEFAULT_REPORT).read_text())
    assert report["images"][0]["head"]["metrics"]["startup_time"]["value"] is not None


def test_variables_that_only_the_compose_file_sets_are_named(repository: Repository, images: PreparedImages) -> None:
    needy = "import os; os.environ['DATABASE_URL']"
    files = {
        "budgets.toml": BUDGETS,
        "Dockerfile": f'FROM {images.service}\nENV LOG=1\nCMD ["python3", "-c", "{needy}"]\n',
        "compose.yaml": "services: {api: {build: ., environment: {LOG: 2, DATABASE_URL: postgres://db}}}\n",
    }
    repository.commit("First", files)

    done = run("check", "--no-base", folder=repository.folder)

    assert done.exit_code == 3
    said = " ".join(done.stdout.split())
    assert "the container exited with code 1" in said
    assert "compose.yaml sets DATABASE_URL for api: set them in container.env, or add compose = {}" in said


def test_an_image_that_nobody_has_is_told_with_what_to_do(repository: Repository, images: PreparedImages) -> None:
    workload = 'workload = { kind = "driver", image = "localhost:1/nobody/has-it:1" }\n'
    files = {"budgets.toml": BUDGETS + workload, "Dockerfile": f"FROM {images.service}\n"}
    repository.commit("First", files)

    done = run("check", "--no-base", folder=repository.folder)

    assert done.exit_code == 3
    said = " ".join(done.stdout.split())
    assert "the engine does not have the image localhost:1/nobody/has-it:1 and cannot pull it" in said
    assert "the registry does not answer" in said


def test_uncommitted_files_are_named_with_the_version_that_was_used(
    repository: Repository, images: PreparedImages
) -> None:
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": f"FROM {images.truth}\n"})
    repository.write({"budgets.toml": BUDGETS + "timeout = '50s'\n", "Dockerfile": "FROM nothing-at-all\n"})

    done = run("check", "--no-base", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    assert "budgets.toml has uncommitted changes, which count" in done.stderr
    assert "Dockerfile has uncommitted changes, but membudget built the version of HEAD" in done.stderr
