"""The benchmark of steps finds what is there, and nothing else."""

import random
from itertools import pairwise

import pytest

from benchmarks import recorded_noise
from benchmarks.steps import FIRST_LOOK, METRIC, Told, Year

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


@pytest.mark.parametrize("name", ["threads", "node", "prefork", "uploads"])
def test_no_growth_of_a_slow_ramp_is_told_twice(name: str) -> None:
    """A job looks each night while twelve commits add half, in real noise. What is told are parts of the ramp."""
    (noise,) = [one.values(METRIC) for one in recorded_noise.read().workloads if one.name == name]
    for seed in range(3):
        told = looked_at(Year(noise, random.Random(f"{name} {seed}"), 25, 0.5, spread_over=12), 60)
        assert told, "the growth is far above the noise"
        parts = sorted((one.since, one.until) for one in told)
        assert all(before[1] <= after[0] for before, after in pairwise(parts)), parts
