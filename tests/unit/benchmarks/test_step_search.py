"""The benchmark of steps finds what is there, and nothing else."""

import random

import pytest

from benchmarks.step_search import Machine, told

pytestmark = pytest.mark.thorough  # Otava takes half a second to import
QUIET = [40_000_000 + 4096 * number for number in range(12)]


def test_a_step_above_the_noise_is_told_of_its_commit() -> None:
    assert told(Machine(QUIET, random.Random(1), 0.05, 40)) == (1, [(39, 40)])


def test_nothing_is_told_without_a_step() -> None:
    assert [told(Machine(QUIET, random.Random(seed)))[1] for seed in range(5)] == [[]] * 5
