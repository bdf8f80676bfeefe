"""Settings of the machine that move memory figures, as the kernel tells them. Standard library only: the probe's."""

import re
from pathlib import Path

from membudget.measure.probe.messages import HostSettings

_CHOSEN = re.compile(r"\[(\w+)\]")
_KIB = 1024


def host_settings(root: Path = Path("/")) -> HostSettings:
    """What the machine is set to now. Containers see the same files as their host."""
    huge_pages = _CHOSEN.search(_text(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    swappiness = _text(root / "proc/sys/vm/swappiness")
    return HostSettings(
        transparent_huge_pages=huge_pages[1] if huge_pages else None,
        swap_bytes=_meminfo(root, "SwapTotal"),
        swappiness=int(swappiness) if swappiness and swappiness.isdecimal() else None,
        numa_nodes=_text(root / "sys/devices/system/node/online"),
    )


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that can be used without swapping, by the kernel's own estimate (proc(5), MemAvailable)."""
    return _meminfo(root, "MemAvailable")


def cpu_model(root: Path = Path("/")) -> str:
    """What this machine's processor calls itself; "unknown" where it does not (proc(5), /proc/cpuinfo)."""
    found = re.search(r"^(?:model name|CPU part)\s*:\s*(.+)$", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return found[1] if found else "unknown"


def sees_itself(memory_root: Path, own: Path = Path("/proc/self/cgroup")) -> bool:
    """Whether this process's own cgroup is where the memory controller's tree is said to be (cgroups(7)).

    If not, what is mounted there is another tree, and no container's cgroup will be found in it.
    """
    for line in (_text(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") or (not controllers and (memory_root / "cgroup.controllers").exists()):
            return (memory_root / path.lstrip("/")).is_dir()
    return False


def _meminfo(root: Path, key: str) -> int | None:
    found = re.search(rf"^{key}:\s+(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * _KIB if found else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
