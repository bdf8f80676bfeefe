"""What a snapshot says of the moment at which it was taken."""

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.proc_reader import Moment
from membudget.measure.probe.snapshots import of_the_later
from tests.support.builders import snapshot


@pytest.mark.parametrize(
    ("after", "rss"),
    [
        (Moment(950_000, 77 * MIB, 76 * MIB), 77),  # it grew while processes were read: they show that
        (Moment(950_000, 20 * MIB, 19 * MIB), 40),  # it fell, after they were read or before: what fell is said apart
        (Moment(950_000, 40 * MIB, 40 * MIB), 40),
        (None, 40),
    ],
)
def test_memory_that_grew_while_processes_were_read_is_of_the_end(after: Moment | None, rss: int) -> None:
    taken = of_the_later(snapshot(rss=40), after)
    assert taken.rss_bytes == rss * MIB
    assert taken.time_us == (950_000 if rss == 77 else 900_000)
