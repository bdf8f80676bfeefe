import signal
import subprocess
import sys

import pytest

import processes

BEGIN = """
import os, signal
from membudget.core.errors import Interrupted
from membudget.core.work import install_signal_handlers, shielded
install_signal_handlers()
"""
SEND = "os.kill(os.getpid(), signal.SIG{})"


def outcome(code: str) -> str:
    with processes.default_signals():
        done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.thorough
def test_each_signal_unwinds_and_the_next_ones_change_nothing() -> None:
    for name in ("INT", "TERM", "HUP"):
        assert signal.Signals[f"SIG{name}"]
        code = f"""
try:
    {SEND.format(name)}
    print("not reached")
except Interrupted:
    {SEND.format("INT")}
    {SEND.format("TERM")}
    print("cleaned up")
"""
        assert outcome(code) == "cleaned up\n"


@pytest.mark.thorough
def test_a_shield_holds_a_signal_back_until_it_is_done() -> None:
    code = f"""
try:
    with shielded():
        with shielded():
            {SEND.format("TERM")}
            print("inner")
        print("outer")
    print("not reached")
except Interrupted:
    print("then")
"""
    assert outcome(code) == "inner\nouter\nthen\n"


@pytest.mark.thorough
def test_under_nohup_the_end_of_the_terminal_is_none_of_ours() -> None:
    code = f"""
signal.signal(signal.SIGHUP, signal.SIG_IGN)
install_signal_handlers()
{SEND.format("HUP")}
print("goes on")
"""
    assert outcome(code) == "goes on\n"


@pytest.mark.thorough
def test_clean_up_that_fails_does_not_lose_the_signal() -> None:
    code = f"""
try:
    with shielded():
        {SEND.format("TERM")}
        raise OSError("disk")
except Interrupted:
    print("interrupted")
"""
    assert outcome(code) == "interrupted\n"


@pytest.mark.thorough
def test_without_a_signal_a_shield_is_nothing() -> None:
    assert outcome("with shielded():\n    print('in')\nprint('after')") == "in\nafter\n"
