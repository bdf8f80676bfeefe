"""What tests and tools start ends with them, with all that it started itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import processes
from tests.support import membudget_process, started
from tests.support.awaited import until
from tests.support.missing import skip_for_want_of

OF_A_GRANDCHILD = 'sleep 600 & echo $! > "$0.new" && mv "$0.new" "$0" && '


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where a shell tells its child's pid."""
    return tmp_path / "pid"


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.thorough
def test_a_program_that_takes_too_long_ends_with_what_it_started(told: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run(["sh", "-c", OF_A_GRANDCHILD + "wait", str(told)], 2)
    until(lambda: not runs(int(told.read_text())), "the end of the grandchild")


def test_a_program_in_time_gives_its_output_and_its_exit_code(tmp_path: Path) -> None:
    script = ["sh", "-c", "pwd; echo $SAID >&2; exit 3"]
    done = processes.run(script, 60, cwd=tmp_path, env={**os.environ, "SAID": "so"})
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "so\n")
    mixed = processes.run(script, 60, cwd=tmp_path, env={**os.environ, "SAID": "so"}, with_errors=True)
    assert mixed.stdout == f"{tmp_path}\nso\n"


@pytest.mark.thorough
def test_what_does_not_end_in_peace_ends_by_force(told: Path) -> None:
    script = "trap '' TERM; " + OF_A_GRANDCHILD + "while true; do wait; done"
    process = subprocess.Popen(["sh", "-c", script, str(told)], start_new_session=True)
    until(told.exists, "the grandchild")
    processes.end_group(process, patience_s=0.1)
    assert process.returncode == -signal.SIGKILL
    until(lambda: not runs(int(told.read_text())), "the end of the grandchild")


@pytest.fixture
def under_nohup() -> Iterator[None]:
    """As a process that nohup started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, "what is ignored stays ignored"
    signal.signal(signal.SIGHUP, before)


def test_what_is_started_obeys_signals_also_under_nohup(under_nohup: None) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('lives')"
    with processes.default_signals():
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGHUP, "")


@pytest.mark.thorough
def test_membudget_starts_with_the_signals_that_a_terminal_gives_it(under_nohup: None) -> None:
    process = membudget_process.start("--help")
    ignored = Path(f"/proc/{process.pid}/status")
    masks = [line.split()[1] for line in ignored.read_text().splitlines() if line.startswith("SigIgn")]
    assert membudget_process.finish(process).exit_code == 0
    assert [int(mask, 16) >> (signal.SIGHUP - 1) & 1 for mask in masks] == [0]


@pytest.mark.thorough
def test_membudget_that_a_test_waits_for_in_vain_is_ended(told: Path) -> None:
    script = told.with_name("program")
    script.write_text(f"set -- {told}\n" + OF_A_GRANDCHILD.replace("$0", "$1") + "wait\n")
    process = started.started(subprocess.Popen(["sh", script], text=True, start_new_session=True))
    until(told.exists, "the grandchild")
    with pytest.raises(subprocess.TimeoutExpired):
        membudget_process.finish(process, 0.1)
    assert process.returncode == -signal.SIGTERM
    until(lambda: not runs(int(told.read_text())), "the end of the grandchild")


def test_what_a_test_left_at_work_is_ended_after_it() -> None:
    process = started.started(subprocess.Popen(["sleep", "600"], start_new_session=True))
    started.end_started()
    assert process.returncode == -signal.SIGTERM
    assert process.pid in started.started_pids()


@pytest.mark.thorough
def test_what_a_thread_started_goes_on_after_a_test_of_another(under_nohup: None) -> None:
    with ThreadPoolExecutor(1) as thread:
        process = thread.submit(membudget_process.start, "--help").result()
        started.end_started()
        finished = thread.submit(membudget_process.finish, process).result()
    assert finished.exit_code == 0
    assert "usage: membudget" in finished.stdout


def test_what_a_machine_lacks_skips_a_test_and_fails_it_where_all_have_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMBUDGET_TEST_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        skip_for_want_of("no such thing")
    monkeypatch.setenv("MEMBUDGET_TEST_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="MEMBUDGET_TEST_ALL=1, and no such thing"):
        skip_for_want_of("no such thing")
