"""Which container this process runs in, if any: what the kernel lists as mounted here says so."""

import re
from pathlib import Path

# The engine mounts /etc/hosts, /etc/hostname and /etc/resolv.conf from its folder of the container: Docker's is
# .../containers/ID/hostname, Podman's .../overlay-containers/ID/userdata/hostname.
_ENGINE_FOLDER = re.compile(r"containers/([0-9a-f]{64})/\S* /etc/(?:hostname|hosts|resolv\.conf) ")


def own_container_id(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The id of our own container; None outside of one (proc(5), /proc/pid/mountinfo)."""
    try:
        found = _ENGINE_FOLDER.search(mountinfo.read_text())
    except OSError:
        return None
    return found[1] if found else None
