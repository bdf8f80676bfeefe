"""The bench of real services: what it runs, and what its tables say."""

from collections import Counter

import pytest

from benchmarks.fit_services import BUDGETS, FOLDER, Tryout, repeated
from membudget.advise.rung import Ended
from membudget.budgets.entries import ImageSpec
from membudget.budgets.file import parse, read
from membudget.core.quantities import MIB


@pytest.fixture(scope="module")
def specs() -> dict[str, ImageSpec]:
    return parse(read(BUDGETS), str(BUDGETS), FOLDER)


def test_each_service_can_be_run_again_and_again_in_one_container(specs: dict[str, ImageSpec]) -> None:
    for spec in specs.values():
        again = repeated(spec.workload, 3)
        assert [(part.phase, part.does, part.repeat) for part in again.parts] in (
            [(part.phase, part.does, 3) for part in spec.workload.parts],
            [(part.phase, part.does, 1) for part in spec.workload.parts * 3],
        )


def test_each_service_does_a_fixed_amount_of_work(specs: dict[str, ImageSpec]) -> None:
    for spec in specs.values():
        assert '"duration"' not in spec.workload.model_dump_json(exclude_none=True)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({Ended.PASSED: 20}, "40.0 MiB: 20 of 20 pass"),
        ({Ended.PASSED: 17, Ended.KILLED: 3}, "40.0 MiB: 3 of 20 OOM-killed"),
        ({Ended.KILLED: 18, Ended.FAILED: 2}, "40.0 MiB: 18 of 20 OOM-killed and 2 failed otherwise"),
        ({Ended.PASSED: 19, Ended.TIMED_OUT: 1}, "40.0 MiB: 1 of 20 failed otherwise"),
    ],
)
def test_a_tryout_tells_kills_from_other_failures(ended: dict[Ended, int], words: str) -> None:
    assert Tryout(40 * MIB, Counter(ended)).in_words == words
