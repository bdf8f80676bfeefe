"""Memory maps: what each mapping counts as."""

from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import KIB
from membudget.measure.probe.smaps import parse_smaps, tmpfs_devices
from tests.unit.measure.probe.recorded_smaps import SMAPS


def test_memory_is_told_apart_by_kind() -> None:
    memory = parse_smaps(SMAPS)
    assert memory.rss == (4000 + 2000 + 100 + 64 + 12) * KIB
    assert memory.kinds == {
        "heap": 3000 * KIB, "file": 540 * KIB, "anonymous": 60 * KIB, "shared_memory": 32 * KIB, "stack": 12 * KIB,
    }  # fmt: skip
    assert sum(memory.kinds.values()) == memory.pss
    assert memory.files == {"/usr/lib/lib with\nnewline.so": 500 * KIB, "/usr/lib/libdata.so": 40 * KIB}
    assert memory.dirty_file == 20 * KIB


@given(st.integers(0, len(SMAPS)))
def test_smaps_cut_anywhere_are_read_as_far_as_they_go(cut: int) -> None:
    memory = parse_smaps(SMAPS[:cut])
    assert 0 <= memory.pss <= parse_smaps(SMAPS).pss


@given(st.binary(max_size=400))
def test_anything_else_is_no_crash(data: bytes) -> None:
    memory = parse_smaps(data)
    assert sum(memory.kinds.values()) == memory.pss


def test_what_is_not_file_backed_is_anonymous_or_shared() -> None:
    memory = parse_smaps(SMAPS)
    assert (memory.held_anon, memory.held_shmem) == ((3000 + 60 + 12) * KIB, 32 * KIB)
    assert memory.held_anon + memory.held_shmem + memory.kinds["file"] == memory.pss
    assert memory.shmem_rss == 64 * KIB


def test_files_on_a_tmpfs_are_shared_memory() -> None:
    memory = parse_smaps(SMAPS, frozenset({b"08:01"}))
    assert (memory.held_shmem, memory.kinds["file"], memory.files) == ((32 + 540) * KIB, 0, {})
    assert memory.held_anon == (3000 + 60 + 12) * KIB, "what was written to a private mapping stays anonymous"
    assert memory.shmem_rss == (64 + 2000 + 40) * KIB
    assert memory.pss == parse_smaps(SMAPS).pss


def test_mounts_of_a_tmpfs_are_named_as_in_memory_maps() -> None:
    mounts = b"""\
21 20 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
22 21 0:23 / /dev/shm rw,nosuid,nodev shared:3 - tmpfs tmpfs rw,size=65536k
23 20 254:16 / /data\\040-\\040tmpfs\\040 rw - ext4 /dev/vdb rw
24 20 0:300 / /run rw - tmpfs none rw
"""
    assert tmpfs_devices(mounts) == {b"00:17", b"00:12c"}


@given(st.binary(max_size=200))
def test_other_texts_are_no_mounts(data: bytes) -> None:
    assert isinstance(tmpfs_devices(data), frozenset)
