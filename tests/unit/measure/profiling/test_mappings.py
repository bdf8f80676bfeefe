"""Which mappings hold the memory of a process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.probe.smaps import parse_smaps
from membudget.measure.profiling.heap_profile import Frame, ProfiledBy
from membudget.measure.profiling.mappings import ANONYMOUS, ARENAS, HEAP, STACK, capture, held_by, read
from tests.unit.measure.probe.recorded_smaps import SMAPS

RECORDED = Path(__file__).parent / "recorded"
KIB = 1024
ARENA = b"""\
7fee28000000-7fee2a000000 rw-p 00000000 00:00 0
Rss:               30000 kB
Pss:               30000 kB
Anonymous:         30000 kB
7fee2a000000-7fee2c000000 ---p 00000000 00:00 0
Rss:                   0 kB
Pss:                   0 kB
Anonymous:             0 kB
7fee30000000-7fee30400000 rw-p 00000000 00:00 0
Rss:                4000 kB
Pss:                4000 kB
Anonymous:          4000 kB
"""


def test_memory_is_told_apart_by_what_it_is_of() -> None:
    assert held_by(SMAPS + ARENA) == {
        HEAP: 3000 * KIB,
        "/usr/lib/libdata.so": 60 * KIB,
        "/dev/shm/segment": 32 * KIB,
        STACK: 12 * KIB,
        ARENAS: 30000 * KIB,
        ANONYMOUS: 4000 * KIB,
    }


def test_the_parts_add_up_to_the_process_s_part_of_rss() -> None:
    whole = parse_smaps(SMAPS + ARENA)
    assert sum(held_by(SMAPS + ARENA).values()) == whole.held_anon + whole.held_shmem


def test_files_of_a_tmpfs_are_memory() -> None:
    smaps = SMAPS.replace(b"08:01 43", b"00:5a 43")
    assert held_by(smaps, b"36 35 0:90 / /cache rw - tmpfs tmpfs rw\n")["/usr/lib/libdata.so"] == 100 * KIB


@pytest.mark.thorough
def test_a_process_is_read_from_outside() -> None:
    program = "kept = bytearray(64 << 20); print('ready', flush=True); import signal; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        handle, folder = os.pidfd_open(running.pid), os.open(f"/proc/{running.pid}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            process = RunningRuntime(AskableRuntime.PROGRAM, running.pid, 0, 0, frozenset(), folder, handle)
            profile = read(capture(process, time.monotonic() + 60))
        finally:
            running.send_signal(signal.SIGKILL)
            os.close(handle)
            os.close(folder)
    frames = [profile.frames[at] for at in profile.stacks[0].frames]
    assert frames[0] == Frame(ANONYMOUS, in_live_heap=False)
    assert frames[1].is_library
    assert profile.stacks[0].held_bytes > 64 << 20


def test_the_mapping_is_the_place_and_its_program_is_around_it() -> None:
    profile = read((RECORDED / "mappings.txt").read_bytes())
    assert profile.profiled_by is ProfiledBy.SMAPS
    assert [profile.frames[at] for at in profile.stacks[0].frames] == [
        Frame(ARENAS, in_live_heap=False),
        Frame("catalog", "/catalog", is_library=True, in_live_heap=False),
    ]
    assert profile.stacks[0].held_bytes == pytest.approx(40 << 20, rel=0.05)
