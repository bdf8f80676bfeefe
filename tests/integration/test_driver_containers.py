"""A container as the load: in the service's network, not in its memory, and its exit code decides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.budgets.workload import DriverWorkload
from membudget.budgets.workload_parts import Readiness
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.trial import Outcome, PhaseName, Trial, TrialInputs
from tests.support.leftovers import nothing_stays
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, trials

GET = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080{}').read()"


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Trials]:
    with nothing_stays(engine), trials(engine) as made:
        yield made


def drive(
    running: Trials, image: str, code: str, *, files: dict[str, str] | None = None, checkout: Path | None = None,
    expect: int = 0, timeout_ms: int = 30_000,
) -> Trial:  # fmt: skip
    """The service driven by Python in a container of its own image."""
    workload = DriverWorkload(
        kind="driver",
        image=image,
        command=("python3", "-c", code),
        files=files or {},
        env={"WHO": "driver"},
        expect=expect,
        ready=Readiness(http="/"),
    )
    return running.run(image, workload, timeout_ms=timeout_ms, inputs=TrialInputs(checkout=checkout))


def test_its_requests_reach_the_service_and_its_memory_does_not_count(running: Trials, images: PreparedImages) -> None:
    trial = drive(running, images.service, f"ballast = bytearray(80 << 20); {GET.format('/hold/20')}")

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    peak = trial.metrics[Metric.PEAK_RSS].value
    assert peak is not None
    assert 20 * MIB < peak < 60 * MIB
    assert [phase.name for phase in trial.phases] == [PhaseName.START_UP, PhaseName.STEADY]
    assert trial.ran_inside == ()


def test_it_has_its_files_and_its_environment(running: Trials, images: PreparedImages, tmp_path: Path) -> None:
    (tmp_path / "load").mkdir()
    (tmp_path / "load/script.py").write_text(f"{GET.format('/')}\nimport os; assert os.environ['WHO'] == 'driver'\n")
    (tmp_path / "data.txt").write_text("data")
    code = "exec(open('/a/deep/folder/script.py').read()); assert open('/etc/data').read() == 'data'"
    files = {"/a/deep/folder": "load", "/etc/data": "data.txt"}

    trial = drive(running, images.service, code, files=files, checkout=tmp_path)

    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())


def test_its_exit_code_decides(running: Trials, images: PreparedImages) -> None:
    assert drive(running, images.service, "exit(99)", expect=99).outcome is Outcome.COMPLETED
    trial = drive(running, images.service, "print('2 of 10 checks failed'); exit(99)")
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == f"the driver {images.service} exited with code 99"
    assert trial.log_tail == ("2 of 10 checks failed",)


def test_one_that_never_ends_is_ended_in_time(running: Trials, images: PreparedImages) -> None:
    for timeout_ms in (2000, 20_000, 100_000):  # on a busy machine the driver takes seconds to begin
        code = "import time; print('on', flush=True); time.sleep(600)"
        trial = drive(running, images.service, code, timeout_ms=timeout_ms)
        if trial.log_tail == ("on",):
            break

    assert trial.outcome is Outcome.TIMED_OUT
    assert trial.log_tail == ("on",)
    assert trial.duration_ms < 600_000


def test_a_service_that_dies_meanwhile_is_what_is_said(running: Trials, images: PreparedImages) -> None:
    trial = drive(running, images.service, f"{GET.format('/exit/3')}; import time; time.sleep(600)")

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason is not None
    assert trial.reason.startswith("the container exited with code 3 during its workload")


def test_a_command_that_is_not_there_is_the_drivers_fault(running: Trials, images: PreparedImages) -> None:
    workload = DriverWorkload(kind="driver", image=images.service, command=("no-such-program",))

    trial = running.run(images.service, workload)

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason is not None
    assert trial.reason.startswith(f"the driver {images.service} cannot start: ")
    assert "no-such-program" in trial.reason


def test_an_image_that_nobody_has_is_said_before_anything_runs(running: Trials, images: PreparedImages) -> None:
    workload = DriverWorkload(kind="driver", image="localhost:1/no/such:image")

    with pytest.raises(EnvironmentFault, match="does not have the image localhost:1/no/such:image and cannot pull it"):
        running.run(images.service, workload)
