"""Removes membudget's cgroups. The engine does not: a parent cgroup outlives its containers.

With the cgroupfs driver, they are empty folders, on v1 one in the tree of each controller. `rmdir` removes them. With
the systemd driver, they are slices, which systemd keeps until it is told to stop them (D-Bus, `StopUnit`).

This module is also a helper program, `python -m membudget.engine.cgroup_removal`, for machines where only a container
may remove cgroups.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from membudget.engine.cgroups import CgroupDriver, run_of

SYSTEM_BUS = Path("/run/dbus/system_bus_socket")

_EMPTYING_S = 10.0
"""How long the kernel may take to release a cgroup after its last process was killed."""


class CgroupsRemain(Exception):
    """Some cgroups could not be removed. The message says which ones and why."""


def our_cgroups(root: Path) -> list[str]:
    """Return the names of the top-level cgroups of all membudget runs below the mount `root`."""
    return sorted({folder.name for tree in _trees(root) for folder in _folders(tree) if run_of(folder.name)})


def remove_cgroups(root: Path, names: Iterable[str], driver: CgroupDriver) -> None:
    """Remove top-level cgroups of membudget with everything below. Raises CgroupsRemain if any of them remain."""
    present = [name for name in names if any((tree / name).is_dir() for tree in _trees(root))]
    if not present:
        return
    if driver == "systemd":
        _stop_slices(present)
    remaining = [
        problem for name in present for tree in _trees(root) if (problem := _gone(tree / name, driver == "systemd"))
    ]
    if remaining:
        raise CgroupsRemain("; ".join(remaining))


def _trees(root: Path) -> list[Path]:
    """Return the cgroup trees: `root` itself on v2, and the mount of each controller on v1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return [folder for folder in _folders(root) if not folder.is_symlink()]


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def _gone(cgroup: Path, by_systemd: bool) -> str | None:
    """Wait until a cgroup is empty and removed. Return why it remains, or None."""
    deadline = time.monotonic() + _EMPTYING_S
    while True:
        problem = _awaited(cgroup) if by_systemd else _remove_tree(cgroup)
        if problem is None or time.monotonic() > deadline:
            return problem
        if not by_systemd:
            _kill_all(cgroup)  # the engine does this, unless it died
        time.sleep(0.02)


def _awaited(cgroup: Path) -> str | None:
    return f"{cgroup} is still there after systemd was asked to stop it" if cgroup.is_dir() else None


def _remove_tree(cgroup: Path) -> str | None:
    for folder in _folders(cgroup):
        problem = _remove_tree(folder)
        if problem is not None:
            return problem
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{cgroup}: {error.strerror}"
    return None


def _kill_all(cgroup: Path) -> None:
    """Kill the remaining processes in one of membudget's cgroups, as systemd does when it stops a slice."""
    for folder in _folders(cgroup):
        _kill_all(folder)
    with contextlib.suppress(OSError):  # the cgroup is gone by now, or its processes may not be killed from here
        for pid in (cgroup / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def _stop_slices(names: list[str]) -> None:
    """Stop slices over D-Bus (org.freedesktop.systemd1.Manager.StopUnit). Nested slices stop with their parent."""
    from jeepney import DBusAddress, DBusErrorResponse, new_method_call
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.wrappers import unwrap_msg

    manager = DBusAddress(
        "/org/freedesktop/systemd1",
        bus_name="org.freedesktop.systemd1",
        interface="org.freedesktop.systemd1.Manager",
    )
    try:
        connection = open_dbus_connection(f"unix:path={SYSTEM_BUS}")
    except OSError as error:
        raise CgroupsRemain(f"systemd does not answer at {SYSTEM_BUS}: {error}") from None
    with connection:
        for name in names:
            call = new_method_call(manager, "StopUnit", "ss", (name, "replace"))
            try:
                unwrap_msg(connection.send_and_get_reply(call, timeout=_EMPTYING_S))
            except (DBusErrorResponse, TimeoutError, OSError) as error:
                raise CgroupsRemain(f"systemd did not stop {name}: {error}") from None


def main() -> None:
    """Run orders from standard input: list membudget's cgroups, or remove some of them."""
    for line in sys.stdin:
        order = json.loads(line)
        root = Path(order["root"])
        answer: dict[str, object]
        if order["order"] == "list":
            answer = {"names": our_cgroups(root)}
        else:
            try:
                remove_cgroups(root, order["names"], order["driver"])
                answer = {"remaining": None}
            except CgroupsRemain as error:
                answer = {"remaining": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
