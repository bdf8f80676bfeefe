"""Python processes of this machine, started to be asked for what they keep."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from membudget.core.quantities import MIB
from membudget.measure.inputs import IN_PYTHON
from membudget.measure.live_heap import signalled
from membudget.measure.live_heap.confined import LiveHeapAnswer
from tests.support.python_processes import python

READY = "print('ready', flush=True); input()\n"
pytestmark = [
    pytest.mark.thorough,  # they start processes, and wait for some in vain
    pytest.mark.skipif(sys.platform != "linux", reason="pidfd and memfd are Linux's"),
]


def ask(program: str, *options: str, seconds: float = 60, path: str = str(IN_PYTHON)) -> LiveHeapAnswer:
    with python(program + READY, *options, path=path) as process:
        return signalled.ask(process, seconds)


def test_what_is_kept_counts_in_small_and_in_large_pieces() -> None:
    programs = ("", "kept = [bytes(200) for _ in range(40_000)]\n", "kept = [bytes(800_000) for _ in range(10)]\n")
    nothing, small, large = (ask(program).heap_bytes for program in programs)
    assert nothing is not None
    assert small is not None
    assert large is not None
    assert small - nothing == pytest.approx(40_000 * (233 + 15 + 8), rel=0.1)
    assert large - nothing == pytest.approx(8_000_000, rel=0.1)


def test_garbage_does_not_count() -> None:
    cycles = "import gc; gc.disable()\nfor _ in range(100):\n    one = [bytes(100_000)]; one.append(one)\n"
    nothing, garbage = ask("").heap_bytes, ask(cycles).heap_bytes
    assert nothing is not None
    assert garbage is not None
    assert garbage - nothing < MIB


def test_the_images_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own = __file__\n")
    (tmp_path / "helper.py").write_text("")
    checks = f"""
import sys, sitecustomize, helper
assert own == sitecustomize.__file__ == {str(tmp_path / "sitecustomize.py")!r}
assert not any("in_python" in folder for folder in sys.path)
"""
    assert ask(checks, path=f"{IN_PYTHON}:{tmp_path}").heap_bytes is not None


def test_python_starts_without_a_word_and_without_what_answering_needs() -> None:
    """The module may not take memory for it, and an image may have no `sitecustomize` of its own."""
    environ = {**os.environ, "PYTHONPATH": str(IN_PYTHON), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [f"{sys.base_prefix}/bin/python3", "-c", "import sys; print('ctypes' in sys.modules)"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_signal_that_is_lost_is_sent_again() -> None:
    lost = f"""
import signal
answer = signal.getsignal({signalled.ASKED_BY})
signal.signal({signalled.ASKED_BY}, lambda *_: signal.signal({signalled.ASKED_BY}, answer))
"""
    assert ask(lost).heap_bytes is not None


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_a_python_that_ignores_its_environment_cannot_be_asked(option: str) -> None:
    assert "-I, -E or -S" in str(ask("", option).reason)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("pass", "did not answer in time"),
        ("os.write(os.memfd_create('membudget-live-heap'), b'x' * 5_000_000)", "did not answer in time"),
        ("os.write(os.memfd_create('membudget-live-heap'), b'bytes=' + b'9' * 30 + b'\\n')", "did not answer in time"),
        ("os.write(os.memfd_create('membudget-live-heap'), b'error=no\\x1b[2J\\n')", "no\x1b[2J"),
        ("signal.signal(63, signal.SIG_DFL); os.kill(os.getpid(), 63)", "did not answer in time"),
    ],
)
def test_a_handler_of_its_own_harms_nothing(program: str, reason: str) -> None:
    own = f"import os, signal\ndef answer(*_):\n    {program}\nsignal.signal({signalled.ASKED_BY}, answer)\n"
    assert reason in str(ask(own, seconds=1).reason)


def test_the_signal_is_the_last_but_one() -> None:
    assert signal.SIGRTMAX - 1 == signalled.ASKED_BY
