"""The cgroup v2 machine: a small emulated Debian with systemd and Docker, for what this machine may lack.

Its tool lies beside a checkout of the project's own (shared/cgroup2-vm), or where MEMBUDGET_CGROUP2_VM says.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import debian

_BESIDE = Path(__file__).resolve().parents[2] / "shared/cgroup2-vm/cgroup2-vm"
_PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "mkfs.ext4": "e2fsprogs", "debootstrap": "debootstrap"}
_JOB_S = 1200


class Unavailable(Exception):
    """There is no such machine here; the message says why."""


def provide() -> Path:
    """The tool, with its machine's image made; that takes minutes the first time. Raises Unavailable."""
    tool = Path(os.environ.get("MEMBUDGET_CGROUP2_VM") or _BESIDE)
    if not tool.is_file():
        raise Unavailable(f"there is no {tool.name} beside this checkout, and MEMBUDGET_CGROUP2_VM names none")
    if not debian.is_usable():
        raise Unavailable("the cgroup v2 machine needs root and apt")
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        debian.install(*missing)
    debian.say("the cgroup v2 machine: its image is made where it is not in the cache")
    subprocess.run([tool, "build"], check=True)
    return tool


@contextmanager
def running(tool: Path, job: Path, results: Path, command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The machine at work: its tool's process, which prints to the file `log`.

    `command` sees the folder `job` as /job/in/NAME, and leaves results in /job/out, which become `results`.
    """
    options = ["--in", str(job), "--out", str(results), "--timeout", str(_JOB_S)]
    with log.open("wb") as output:
        process = subprocess.Popen([str(tool), "run", *options, "--", command], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            # not kill(): the tool would end without stopping its emulator
            process.terminate()
            process.wait()
