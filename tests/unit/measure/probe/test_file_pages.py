"""The page cache of a trial, from memory.stat."""

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.file_pages import FilePages, FilePageWatch


def stat(version: int, inactive: int, mapped: int = 0, dirty: int = 0, written: int = 0) -> bytes:
    """The lines of memory.stat, with values in MiB. On v1, those without `total_` leave descendants out."""
    if version == 2:
        values = {"inactive_file": inactive, "file_mapped": mapped, "file_dirty": dirty, "file_writeback": written}
    else:
        own = {"inactive_file": 1, "mapped_file": 2, "dirty": 3, "writeback": 4}
        found = (inactive, mapped, dirty, written)
        values = {**own, **{f"total_{name}": value for name, value in zip(own, found, strict=True)}}
    return "".join(f"{name} {value * MIB}\n" for name, value in values.items()).encode()


@pytest.mark.parametrize("version", [1, 2])
def test_clean_pages_are_those_of_the_largest_usage_and_dirty_ones_the_most(version: int) -> None:
    watch = FilePageWatch(version)
    watch.note(stat(version, 50, dirty=40, written=5), 80 * MIB)
    watch.note(stat(version, 100, mapped=10, dirty=2, written=1), 120 * MIB)
    watch.note(stat(version, 90), 110 * MIB)
    assert watch.found == FilePages(120 * MIB, 87 * MIB, 45 * MIB)


@pytest.mark.parametrize("version", [1, 2])
def test_mapped_and_dirty_pages_may_be_active(version: int) -> None:
    watch = FilePageWatch(version)
    watch.note(stat(version, 10, mapped=60, dirty=5), 80 * MIB)
    assert watch.found == FilePages(80 * MIB, 0, 5 * MIB)


@pytest.mark.parametrize("broken", [b"", b"inactive_file 1\n", b"inactive_file x\n"], ids=["empty", "less", "words"])
def test_a_kernel_that_lacks_a_value_proves_nothing(broken: bytes) -> None:
    watch = FilePageWatch(2)
    watch.note(broken, MIB)
    assert watch.found is None
