"""Programs that tools and tests start: each leads a group, which ends as a whole when the program takes too long.

Standard library only: tools/engine.py has nothing else yet.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_STOP_S = 10
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def run(
    command: list[str],
    timeout_s: float | None,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    with_errors: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program, without input, to its end: its output, and its errors among it where they are wanted there.

    Raises subprocess.TimeoutExpired, and kills the program with all that it started, when it takes longer.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if with_errors else subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except BaseException:
        end_group(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def end_group(process: "subprocess.Popen[Any]", patience_s: float = _STOP_S) -> None:
    """End a process that leads a group, and the group: in peace, and by force what does not go."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS does not permit it for what has ended
        os.killpg(group, number)


@contextlib.contextmanager
def default_signals() -> Iterator[None]:
    """What is started in here ends by signals that this process ignores, as it does SIGHUP under nohup.

    Only the main thread may change that; what another thread starts inherits what is ignored.
    """
    is_main = threading.current_thread() is threading.main_thread()
    ignored = [number for number in _SIGNALS if is_main and signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
