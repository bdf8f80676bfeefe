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


def anonymous(start: int, end: int, rss_kib: int, permissions: str = "rw-p", name: str = "") -> bytes:
    first = f"{start:x}-{end:x} {permissions} 00000000 00:00 0 {name}".rstrip() + "\n"
    return (first + f"Rss: {rss_kib} kB\nPss: {rss_kib} kB\nAnonymous: {rss_kib} kB\n").encode()


def test_huge_pages_are_added_up() -> None:
    plain, huge = anonymous(0x7F0000000000, 0x7F0001000000, 16384), b"AnonHugePages: 8192 kB\n"
    memory = parse_smaps(plain + huge + anonymous(0x7F0002000000, 0x7F0003000000, 16384) + huge)
    assert memory.huge == 16384 * KIB
    assert memory.rss == 32768 * KIB
    assert parse_smaps(plain).huge == 0


ARENA = 0x7F5C00000000


def test_large_anonymous_mappings_are_kept_with_their_place_largest_first() -> None:
    maps = anonymous(0xF8000000, 0xF8800000, 8192) + anonymous(0xFF000000, 0xFF100000, 512)
    memory = parse_smaps(maps + anonymous(0x7F0000000000, 0x7F0001000000, 16384))
    assert [(area.start, area.size_bytes, area.rss_bytes) for area in memory.areas] == [
        (0x7F0000000000, 0x1000000, 16384 * KIB), (0xF8000000, 0x800000, 8192 * KIB),
    ]  # fmt: skip


def test_an_arena_is_its_used_part_and_the_rest_of_64_mib() -> None:
    used = anonymous(ARENA, ARENA + 0x200000, 1500)
    rest = anonymous(ARENA + 0x200000, ARENA + 0x4000000, 0, "---p")
    memory = parse_smaps(used + rest)
    assert (memory.arenas, memory.arena_bytes) == (1, 1500 * KIB)


def test_what_only_looks_like_an_arena_is_none() -> None:
    rest = anonymous(ARENA + 0x200000, ARENA + 0x3000000, 0, "---p")
    assert parse_smaps(anonymous(ARENA, ARENA + 0x200000, 1500) + rest).arenas == 0, "another size"
    go = anonymous(0xC000000000, 0xC000400000, 1500) + anonymous(0xC000400000, 0xC004000000, 0, "---p")
    assert parse_smaps(go).arenas == 0, "the heap of a Go program"


def test_mapped_files_are_named_also_if_they_hold_nothing() -> None:
    memory = parse_smaps(
        b"7f0000000000-7f0000200000 r-xp 00000000 08:01 42  /usr/lib/libjvm.so\nRss: 0 kB\nPss: 0 kB\n"
    )
    assert memory.paths == {"/usr/lib/libjvm.so"}
    assert memory.files == {}
