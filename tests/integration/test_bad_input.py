"""What makes measuring hard: each case has an honest outcome, and costs nobody else a result."""

import contextlib
import json
import os
import re
import threading
import time

import pytest
from docker.errors import NotFound

from membudget.budgets.workload import Workload
from membudget.budgets.workload_parts import HttpRequests
from membudget.core.errors import EnvironmentFault
from membudget.core.files import DEFAULT_REPORT
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.trial import Outcome
from tests.support.awaited import running_trials, until
from tests.support.membudget_process import finish, run, start
from tests.support.prepared_images import PreparedImages
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository
from tests.support.trials import Trials, command, http

_CONTROLS = [chr(code) for code in (*range(9), *range(11, 32), 127)]  # all but tab and newline


def test_a_container_that_returns_at_once_is_measured_or_says_why_not(
    from_host: Trials, images: PreparedImages
) -> None:
    trial = from_host.run(images.truth, command(0, 0, 0, 0, 0))

    assert trial.outcome is Outcome.COMPLETED
    assert trial.metrics[Metric.OOM_KILLS].value == 0
    mark = trial.metrics[Metric.PEAK_MEMORY].value
    assert mark is not None
    assert 0 < mark < 16 * MIB  # the container runtime's own start
    rss = trial.metrics[Metric.PEAK_RSS]
    assert rss.value != 0
    assert (rss.value is None) == (rss.reason is not None)
    assert trial.certificate is not None
    assert trial.certificate.missed_bytes == 0  # the runtime's start is nobody's spike


def test_a_child_that_outlives_pid_1_ends_with_it_and_was_measured(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.trouble, command("orphan", 50, 300))

    assert (trial.outcome, trial.exit_code) == (Outcome.COMPLETED, 0)
    assert trial.metrics[Metric.PEAK_RSS].value == pytest.approx(50 * MIB, rel=0.03)
    assert trial.metrics[Metric.OOM_KILLS].value == 0  # its child was killed, but not for memory


def test_five_thousand_processes_are_as_many_as_the_pids_limit_lets(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.trouble, command("many", 5000, 3000), limit_mib=1024)

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the container exited with code 3"
    assert trial.log_tail == ("no more than 4095 children: Resource temporarily unavailable",)
    peak, mark = trial.metrics[Metric.PEAK_RSS].value, trial.metrics[Metric.PEAK_MEMORY].value
    assert peak is not None
    assert mark is not None
    assert 20 * MIB < peak < mark  # page tables and stacks of the kernel are most of it


def test_of_thousands_of_processes_the_snapshot_shows_the_largest_in_bounded_time(
    from_host: Trials, images: PreparedImages
) -> None:
    trial = from_host.run(images.trouble, command("many", 2000, 2500), limit_mib=1024)

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    snapshot = trial.snapshot
    assert snapshot is not None, trial.snapshot_reason
    assert 0 < len(snapshot.processes) <= 40 < snapshot.process_count
    assert {process.name for process in snapshot.processes} == {"trouble"}
    assert snapshot.detail is not None
    assert "were not read whole" in snapshot.detail
    assert trial.certificate is not None
    assert trial.certificate.effort is not None  # sampling went on meanwhile


def test_a_process_with_an_impossible_name_breaks_no_output(images: PreparedImages) -> None:
    hostile = ("named", "20", "400", "x\ny\x1b[2J\x07z|`")

    machine = run("measure", "--json", "--trials", "1", images.trouble, "--", *hostile)
    people = run("measure", "--trials", "1", images.trouble, "--", *hostile)

    assert machine.exit_code == people.exit_code == 0, machine.stderr + people.stderr
    (process,) = machine.json["trials"][0]["snapshot"]["processes"]
    assert process["name"] == 'a\nb\t|`\x1b[31m"\\\ufffd'
    assert process["arguments"][1:] == list(hostile)
    assert not [control for control in _CONTROLS if control in people.stdout]
    assert "trouble" in people.stdout


@pytest.mark.parametrize(
    "workload", [command("sleep", 60), http(HttpRequests(path="/sleep/60", count=1))], ids=["command", "http"]
)
def test_a_container_that_somebody_removes_says_so_and_the_next_trial_works(
    engine: Engine, from_host: Trials, images: PreparedImages, workload: Workload
) -> None:
    def ours() -> list[str]:
        return running_trials(engine, os.getpid())

    def remove() -> None:
        until(lambda: bool(ours()), "a running trial")
        time.sleep(0.2)  # into its sampling
        engine.client.api.remove_container(ours()[0], force=True)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        trial = from_host.run(images.service, workload)
    except EnvironmentFault as error:
        said = str(error)
    else:  # the engine told of its end, but not yet of its removal
        assert trial.outcome is Outcome.WORKLOAD_FAILED
        said = str(trial.reason)
    remover.join()
    assert re.search("the engine says: (No such container|can not get logs)|SIGKILL, but not by the OOM killer", said)

    again = from_host.run(images.truth, command(20, 0, 100, 1, 0))
    assert (again.outcome, again.reason) == (Outcome.COMPLETED, None)
    assert again.metrics[Metric.PEAK_RSS].value == pytest.approx(20 * MIB, rel=0.03)


def test_an_engine_that_dies_and_comes_back_costs_only_the_image_at_hand(
    private_engine: PrivateEngine, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    image = '[images.%s]\nlimit = "64MiB"\ntrials = 1\ntimeout = "10m"\nbuild = { context = "%s" }\n'
    repository.commit(
        "First",
        {
            "budgets.toml": "version = 1\n" + image % ("quick", "quick") + image % ("long", "long"),
            "quick/Dockerfile": f"FROM {images.truth}\n",
            "long/Dockerfile": f'FROM {images.truth}\nCMD ["40", "0", "600000", "1", "0"]\n',
        },
    )
    process = start("check", folder=repository.folder, environ={"DOCKER_HOST": private_engine.address})
    connected = private_engine.connect()
    until(lambda: _runs_with(connected, "600000"), "a trial of the second image")
    connected.close()

    private_engine.kill()
    private_engine.start().close()
    done = finish(process)

    assert done.exit_code == 3, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((repository.folder / DEFAULT_REPORT).read_text())
    quick, long = report["images"]
    assert quick["head"]["failure"] is None
    assert quick["head"]["metrics"]["peak_rss"]["value"] == pytest.approx(20 * MIB, rel=0.03)
    assert long["head"]["failure"]["stage"] == "environment"
    assert "engine" in long["head"]["failure"]["reason"]
    assert report["verdict"] == "inconclusive"


def _runs_with(engine: Engine, word: str) -> bool:
    for one in running_trials(engine):
        with contextlib.suppress(NotFound):  # its trial has ended meanwhile
            if word in engine.client.api.inspect_container(one)["Config"]["Cmd"]:
                return True
    return False
