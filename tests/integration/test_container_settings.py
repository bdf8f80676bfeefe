"""What surrounds a measured container: environment, files, rights, CPUs, network; what its commands are given."""

from pathlib import Path

import pytest

from membudget.budgets.workload import CommandWorkload, ExecWorkload
from membudget.budgets.workload_parts import ExecCommand
from membudget.engine.connection import Engine
from membudget.measure.trial import Outcome, Trial, TrialInputs
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, trials


def python(code: str) -> CommandWorkload:
    """A one-shot container of the service's image; an assertion that fails is an exit code."""
    return CommandWorkload(command=("python3", "-c", code))


def run(engine: Engine, image: str, code: str, inputs: TrialInputs) -> Trial:
    with trials(engine) as running:
        return running.run(image, python(code), inputs=inputs)


def test_environment_reaches_it_and_secrets_reach_nobody_else(engine: Engine, images: PreparedImages) -> None:
    inputs = TrialInputs(environment={"LEVEL": "warning", "TOKEN": "s3cr3t-value"}, secrets=("s3cr3t-value",))
    code = "import os, time; print(os.environ['LEVEL'], os.environ['TOKEN']); time.sleep(0.3); raise SystemExit(3)"

    trial = run(engine, images.service, code, inputs)

    assert trial.log_tail == ("warning ***",)
    assert "s3cr3t-value" not in repr(trial)


def test_files_are_copied_and_only_volumes_and_tmpfs_can_be_written(
    engine: Engine, images: PreparedImages, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds"
    (seeds / "inner").mkdir(parents=True)
    (seeds / "inner/books.csv").write_text("Dune\n")
    (seeds / "link").symlink_to("/etc/hostname")
    inputs = TrialInputs(volumes={"/data": seeds}, tmpfs={"/scratch": 4 << 20}, read_only=True, user="0:0")
    code = """
import os
assert open("/data/inner/books.csv").read() == "Dune\\n"
assert os.stat("/data/inner/books.csv").st_uid == 0
assert os.readlink("/data/link") == "/etc/hostname"
open("/data/new", "w").write("x")
open("/scratch/new", "w").write("x")
assert os.statvfs("/scratch").f_blocks * os.statvfs("/scratch").f_frsize == 4 << 20
try:
    open("/new", "w")
except OSError as error:
    assert error.errno == 30, error
else:
    raise AssertionError("the root could be written")
"""
    trial = run(engine, images.service, code, inputs)

    assert (trial.outcome, trial.reason, trial.log_tail) == (Outcome.COMPLETED, None, ())
    assert not (seeds / "new").exists()


def test_it_is_who_it_is_told_and_sees_as_many_cpus(engine: Engine, images: PreparedImages) -> None:
    inputs = TrialInputs(user="1234:99", cpus=1)
    code = "import os; assert (os.getuid(), os.getgid(), len(os.sched_getaffinity(0))) == (1234, 99, 1)"

    assert run(engine, images.service, code, inputs).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(("is_open", "interfaces"), [(False, ["lo"]), (True, ["eth0", "lo"])])
def test_there_is_no_way_out_unless_it_is_opened(
    engine: Engine, images: PreparedImages, is_open: bool, interfaces: list[str]
) -> None:
    # Some kernels show tunnels that nobody made: what matters is what is up.
    code = f"""
import pathlib
up = [p.parent.name for p in pathlib.Path("/sys/class/net").glob("*/operstate") if p.read_text().strip() != "down"]
assert sorted(up) == {interfaces}, up
"""
    trial = run(engine, images.service, code, TrialInputs(is_network_open=is_open))

    assert (trial.outcome, trial.log_tail) == (Outcome.COMPLETED, ())


def test_a_one_shot_container_reads_its_input_to_the_end(
    engine: Engine, images: PreparedImages, tmp_path: Path
) -> None:
    (tmp_path / "books").write_bytes(b"Dune\n" * 1_000_000)
    code = "import os, sys; assert os.getcwd() == '/tmp'; assert len(sys.stdin.buffer.read()) == 5_000_000"
    workload = CommandWorkload(command=("python3", "-c", code), stdin="books", workdir="/tmp")
    with trials(engine) as running:
        trial = running.run(images.service, workload, inputs=TrialInputs(checkout=tmp_path))

    assert (trial.outcome, trial.log_tail) == (Outcome.COMPLETED, ())


def test_a_one_shot_container_without_input_sees_its_end(engine: Engine, images: PreparedImages) -> None:
    code = "import sys; assert sys.stdin.buffer.read() == b''"

    assert run(engine, images.service, code, TrialInputs()).outcome is Outcome.COMPLETED


@pytest.fixture(scope="module")
def running(engine: Engine) -> "Trials":  # type: ignore[misc] # a generator, as pytest wants it
    with trials(engine) as made:
        yield made


def execute(running: Trials, image: str, checkout: Path, *commands: ExecCommand) -> Trial:
    workload = ExecWorkload(kind="exec", commands=commands)
    return running.run(image, workload, inputs=TrialInputs(checkout=checkout))


def test_a_command_inside_has_input_environment_folder_and_user(
    running: Trials, images: PreparedImages, tmp_path: Path
) -> None:
    (tmp_path / "seed").write_bytes(b"x" * 3_000_000)
    code = (
        "import os, sys; data = sys.stdin.buffer.read(); assert len(data) == 3_000_000;"
        " assert (os.environ['MODE'], os.getcwd(), os.getuid()) == ('seed', '/tmp', 1234)"
    )
    command = ExecCommand(
        run=("python3", "-c", code), stdin="seed", env={"MODE": "seed"}, workdir="/tmp", user="1234"
    )  # fmt: skip
    trial = execute(running, images.service, tmp_path, command)

    assert (trial.outcome, trial.log_tail) == (Outcome.COMPLETED, ())


def test_a_command_that_does_not_read_its_input_is_no_problem(
    running: Trials, images: PreparedImages, tmp_path: Path
) -> None:
    (tmp_path / "seed").write_bytes(b"x" * 3_000_000)

    trial = execute(running, images.service, tmp_path, ExecCommand(run=("true",), stdin="seed"))

    assert trial.outcome is Outcome.COMPLETED


def test_exit_codes_of_commands_are_as_expected(running: Trials, images: PreparedImages, tmp_path: Path) -> None:
    good = ExecCommand(run=("sh", "-c", "exit 7"), expect=7)
    bad = ExecCommand(run=("sh", "-c", "echo oh; exit 1"), expect=7)

    assert execute(running, images.service, tmp_path, good).outcome is Outcome.COMPLETED
    trial = execute(running, images.service, tmp_path, good, bad)
    assert trial.reason == "the command sh -c echo oh; exit 1 exited with code 1 (expected 7)"
    assert trial.log_tail == ("oh",)


def test_a_command_has_a_time_of_its_own(running: Trials, images: PreparedImages, tmp_path: Path) -> None:
    slow = ExecCommand(run=("sh", "-c", "echo begun; sleep 60"), timeout="1s")

    trial = execute(running, images.service, tmp_path, slow)

    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the command sh -c echo begun; sleep 60 still ran after 1.0 s"
    assert trial.log_tail == ("begun",)
