"""Removes what a killed run of tests left on the private engine: containers, volumes and networks. They fail the next.

Never for a user's engine: all of them go, except those of builders, which are caches. Standard library only, like
tools/engine.py.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import debian

_BUILDERS = "buildx_buildkit_"
"""How the containers and volumes of buildx's builders begin."""
_OWN_NETWORKS = frozenset({"bridge", "host", "none"})
_ENGINES = ("dockerd", "containerd", "docker-proxy", "podman", "conmon")
"""Programs of engines. Those that tests started have the address of the first engine in their environment, too."""


def is_in_use(address: Path) -> bool:
    """Whether a process of this machine is told to use the engine behind a socket, by DOCKER_HOST.

    Runs by tools/engine.py claim it, and this finds the others: commands that were given the address by hand.
    """
    wanted = f"DOCKER_HOST=unix://{address}".encode()
    return any(wanted in environ.split(b"\0") for environ in _environments())


def _environments() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # it has just ended
            if not (process / "comm").read_text().startswith(_ENGINES):
                yield (process / "environ").read_bytes()


def sweep(address: Path) -> None:
    """Remove all containers, volumes and networks of the engine behind a socket, and say how many there were."""
    names = {kind: _left(address, kind, *listing) for kind, listing in _LISTINGS.items()}
    left = {kind: found for kind, found in names.items() if found}
    if left:
        told = ", ".join(f"{len(found)} {kind}{'s' if len(found) > 1 else ''}" for kind, found in left.items())
        debian.say(f"removing what an earlier run left on the private engine: {told}")
    for kind, found in left.items():
        _docker(address, *_REMOVALS[kind], *found)


_LISTINGS = {
    "container": ("ps", "--all", "--format={{.Names}}"),
    "volume": ("volume", "ls", "--format={{.Name}}"),
    "network": ("network", "ls", "--format={{.Name}}"),
}
"""In this order: a volume cannot be removed before its container."""
_REMOVALS = {
    "container": ("rm", "--force", "--volumes"),
    "volume": ("volume", "rm", "--force"),
    "network": ("network", "rm"),
}


def _left(address: Path, kind: str, *listing: str) -> Sequence[str]:
    """Return the names of one kind. Some may be gone when they are removed, such as a container's own volumes."""
    names = [name for name in _docker(address, *listing).split() if not name.startswith(_BUILDERS)]
    return [name for name in names if kind != "network" or name not in _OWN_NETWORKS]


def _docker(address: Path, *arguments: str) -> str:
    """Return what the client says. What cannot be removed stays, and what is gone already is no harm."""
    command = ["docker", "--host", f"unix://{address}", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
