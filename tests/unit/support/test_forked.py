"""What tests start as membudget behaves like a program that was started, though it is a clone of a process."""

import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import fork_server, forked, membudget_process
from tests.support.missing import skip_for_want_of
from tests.support.started import started

pytestmark = pytest.mark.thorough

PLAN = ("plan", "--shards=2", "--budgets")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["clone", "program"])
def start(request: pytest.FixtureRequest) -> Start:
    """Starts membudget in either way, with these arguments, folder and environment."""
    if request.param == "program":
        return membudget_process.start_program
    if (reason := fork_server.why_none()) is not None:
        skip_for_want_of(reason)
    return lambda *arguments, folder, environ: started(forked.Forked(arguments, folder, environ))


def outcome(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    done = membudget_process.finish(process)
    return done.exit_code, done.stdout, done.stderr


def test_it_has_arguments_a_folder_and_an_exit_code(start: Start, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("version = 2\n")
    code, said, errors = outcome(start(*PLAN, "wrong.toml", folder=tmp_path, environ=os.environ))
    assert (code, said) == (2, "")
    assert "wrong.toml:1:11: version: invalid value (found: 2)" in errors


def test_it_has_this_environment_and_no_other(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBUDGET_TEST_NOT_HANDED_ON", "1")
    environ = {"PATH": os.defpath, "INPUT_COMMAND": "plän", "TMPDIR": str(tmp_path)}
    environ |= {name: text for name, text in os.environ.items() if name.startswith(("LANG", "LC_", "PYTHON"))}
    code, _, errors = outcome(start("action", folder=tmp_path, environ=environ))
    assert (code, "plän" in errors) == (2, True), errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_it_leads_a_session_and_ends_by_signals(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start("schema", folder=tmp_path, environ=os.environ)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    os.killpg(process.pid, number)
    if number == signal.SIGSTOP:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.kill()
    assert outcome(process)[0] == -signal.SIGKILL


def test_it_is_a_child_of_this_process_and_has_only_its_own_files(start: Start, tmp_path: Path) -> None:
    process = start("schema", folder=tmp_path, environ=os.environ)
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # of a child alone
    files = [str(file.readlink()) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
    os.kill(process.pid, signal.SIGCONT)
    assert outcome(process)[0] == 0
    assert not [name for name in files if name.startswith(("net:", "/memfd:"))]


def test_a_folder_that_is_not_there_is_an_error(start: Start, tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, ChildProcessError)):
        start("schema", folder=tmp_path / "none", environ=os.environ)
    assert outcome(start("schema", folder=tmp_path, environ=os.environ))[0] == 0


def test_starts_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    def told(number: int) -> bool:
        done = membudget_process.run(*PLAN, f"{number}.toml", folder=tmp_path)
        return done.exit_code == 2 and f"{number}.toml" in done.stderr

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(told, range(8)))


def test_an_environment_that_python_reads_at_its_start_needs_a_program() -> None:
    assert forked.is_possible({**os.environ, "HOME": "/nowhere"}) == (fork_server.why_none() is None)
    for name in ("PYTHONPATH", "LC_ALL", "LANG", "LD_PRELOAD"):
        assert not forked.is_possible({**os.environ, name: "other"}), name
