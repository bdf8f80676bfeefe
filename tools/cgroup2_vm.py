"""The cgroup v2 machine: a small emulated Debian with systemd and Docker, for what this machine may lack.

Its tool lies beside a checkout of the project's own (shared/cgroup2-vm), beside the checkout that this one was cloned
from, or where MEMBUDGET_CGROUP2_VM says.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import debian

_TOP = Path(__file__).resolve().parent.parent
_BESIDE = "../shared/cgroup2-vm/cgroup2-vm"
_PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "mkfs.ext4": "e2fsprogs", "debootstrap": "debootstrap"}
_JOB_S = 3000
"""Emulated, it takes a quarter of an hour of CPU time, and tests run beside it."""


class Unavailable(Exception):
    """There is no such machine here; the message says why."""


def find() -> Path:
    """The tool. Raises Unavailable."""
    chosen = os.environ.get("MEMBUDGET_CGROUP2_VM")
    tools = [Path(chosen)] if chosen else [(folder / _BESIDE).resolve() for folder in (_TOP, *_cloned_from())]
    found = next((tool for tool in tools if tool.is_file()), None)
    if found is None:
        looked = ", ".join(map(str, tools))
        raise Unavailable(f"its tool is missing ({looked}): set MEMBUDGET_CGROUP2_VM to it")
    return found


def why_left_out() -> str | None:
    """Why the machine's tests are left out: somebody wants that, or its tool is missing. None: they are run."""
    if os.environ.get("MEMBUDGET_WITHOUT_CGROUP2_VM") == "1":
        return "MEMBUDGET_WITHOUT_CGROUP2_VM=1"
    try:
        find()
    except Unavailable as error:
        return str(error)
    return None


def _cloned_from() -> list[Path]:
    """The checkout on this machine that this one is a clone of, if it is one."""
    asked = ["git", "config", "--get", "remote.origin.url"]
    said = subprocess.run(asked, cwd=_TOP, capture_output=True, text=True, check=False).stdout.strip()
    folder = Path(said.removeprefix("file://"))
    return [folder.resolve()] if folder.is_absolute() and folder.is_dir() else []


def provide() -> Path:
    """The tool, with its machine's image made; that takes minutes the first time. Raises Unavailable."""
    tool = find()
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
