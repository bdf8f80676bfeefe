"""Programs of another processor, run by qemu: the kernel is told of it for as long as a block takes.

Debian's qemu-user-static has the emulator, and a line for the kernel's binfmt_misc (docs.kernel.org, admin-guide). With
the flag F in that line, the kernel opens the emulator at once: it works in containers and in other root folders.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import debian

_MACHINES = {"arm64": "aarch64"}
_KERNEL = Path("/proc/sys/fs/binfmt_misc")
_LINES = Path("/usr/lib/binfmt.d")


def why_none(architecture: str) -> str | None:
    """Why this machine's kernel cannot be told of an architecture. None if it can."""
    try:
        with of(architecture):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the kernel does not take the programs of {architecture}: {error}"


@contextlib.contextmanager
def of(architecture: str) -> Iterator[None]:
    """Let this machine's kernel run programs of an architecture, as Debian names it. What was there before stays."""
    machine = _MACHINES[architecture]
    if shutil.which(f"qemu-{machine}-static") is None:
        if not debian.is_usable():
            raise SystemExit(f"qemu-{machine}-static is missing: programs of {architecture} cannot be run")
        debian.install("qemu-user-static")
    entry = _KERNEL / f"qemu-{machine}"
    mounted = not (_KERNEL / "register").exists()
    if mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "none", str(_KERNEL)], check=True)
    try:
        added = not entry.exists()
        if added:
            line = (_LINES / f"qemu-{machine}.conf").read_text().splitlines()[0]
            (_KERNEL / "register").write_text(line)
        try:
            yield
        finally:
            if added:
                entry.write_text("-1")  # forgets it
    finally:
        if mounted:
            subprocess.run(["umount", str(_KERNEL)], check=True)
