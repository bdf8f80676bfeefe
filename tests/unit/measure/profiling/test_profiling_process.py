"""Which processes are profiled."""

import pytest

from membudget.measure.live_heap.messages import Runtime
from membudget.measure.profiling.messages import ProfileOrder
from membudget.measure.profiling.profiling_process import wanted


@pytest.mark.parametrize(
    ("runtime", "program", "seen", "libraries", "is_wanted"),
    [
        (Runtime.CPYTHON, "gunicorn", "python3.12", (), True),
        (Runtime.CPYTHON, None, "uwsgi", ("libpython3.11.so.1.0",), True),
        (Runtime.CPYTHON, None, "sh", (), False),
        (Runtime.GO, "server", "server", (), True),
        (Runtime.GO, "server", "sh", (), False),
        (Runtime.GO, None, "server", (), False),
        (Runtime.PROGRAM, None, "anything", (), True),
        (Runtime.PROGRAM, "nginx", "nginx", (), True),
        (Runtime.PROGRAM, "nginx", "sh", (), False),
    ],
)
def test_processes_are_wanted_by_their_runtime_or_their_program(
    runtime: Runtime, program: str | None, seen: str, libraries: tuple[str, ...], *, is_wanted: bool
) -> None:
    found = wanted(ProfileOrder(runtime, program, None, 1.0), seen, frozenset(libraries))
    assert found is (runtime if is_wanted else None)
