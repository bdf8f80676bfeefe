"""The benchmark of steps finds what is there, and nothing else."""

import random

import pytest

from benchmarks.steps import FIRST_LOOK, Told, Year

pytestmark = pytest.mark.thorough  # Otava takes half a second to import
QUIET = [40_000_000 + 4096 * number for number in range(12)]


def looked_at(year: Year, commits: int) -> list[Told]:
    """What is told in so many commits."""
    year.grow(FIRST_LOOK)
    for _ in range(commits - FIRST_LOOK):
        year.grow(1)
        year.look()
    return year.told


def test_a_step_above_the_noise_is_told_once_of_its_commit() -> None:
    assert looked_at(Year(QUIET, random.Random("planted"), 40, 0.05), 60) == [Told(39, 40, 40)]


def test_nothing_is_told_without_a_step() -> None:
    assert [looked_at(Year(QUIET, random.Random(str(seed))), 60) for seed in range(3)] == [[]] * 3
