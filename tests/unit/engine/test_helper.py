"""What helpers send: lines, each with a limit."""

import sys
from pathlib import Path

import pytest

from membudget.engine.helper import HelperFailed, LineBuffer, SubprocessHelper, own_container_id


def test_lines_are_put_together_from_pieces() -> None:
    lines = LineBuffer()
    lines.feed(b"one\ntw")
    assert (lines.next(), lines.next()) == ("one", None)
    lines.feed(b"o\n\nthree\n")
    assert [lines.next() for _ in range(4)] == ["two", "", "three", None]


def test_a_line_without_an_end_fails() -> None:
    lines = LineBuffer(longest_bytes=1 << 20)
    for _ in range(16):
        lines.feed(b"x" * (1 << 16))
    with pytest.raises(HelperFailed, match="a line of more than 1 MiB"):
        lines.feed(b"x")


def test_whole_lines_may_be_more_than_one_line_may() -> None:
    lines = LineBuffer(longest_bytes=100)
    lines.feed(b"x" * 90 + b"\n" + b"y" * 90 + b"\n")
    assert (lines.next(), lines.next()) == ("x" * 90, "y" * 90)


def test_a_helper_that_floods_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flooding_helper.py").write_text("import os\nwhile True:\n    os.write(1, b'x' * 65536)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    helper = SubprocessHelper("flooding_helper")
    try:
        with pytest.raises(HelperFailed, match="a line of more than 1 MiB"):
            helper.receive(60.0)
    finally:
        helper.close(grace_s=0.0)


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
