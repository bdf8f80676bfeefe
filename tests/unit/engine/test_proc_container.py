from pathlib import Path

import pytest

from membudget.engine.helper import own_container_id

ID = "587ce6a0c813f1460da125b54efc3c459d7233f9da4ac44624b1d6146d00defd"
DOCKER = f"""\
72 61 0:56 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X
90 72 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
"""
PODMAN = f"""\
90 72 0:25 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw,nosuid - tmpfs tmpfs rw
"""
HOST = f"""\
29 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 29 254:0 /var/lib/docker/containers/{ID}/mounts/shm /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw
"""


@pytest.mark.parametrize(("mounts", "expected"), [(DOCKER, ID), (PODMAN, ID), (HOST, None), ("", None)])
def test_the_container_we_are_in_is_told_by_its_mounts(tmp_path: Path, mounts: str, expected: str | None) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(mounts)
    assert own_container_id(mountinfo) == expected


def test_without_proc_there_is_no_container(tmp_path: Path) -> None:
    assert own_container_id(tmp_path / "none") is None
