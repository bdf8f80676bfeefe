from membudget.measure.probe.pace import Pace


def test_it_looks_fast_while_memory_moves_and_slows_down_in_two_steps() -> None:
    pace = Pace(100)
    pace.looked(moved=True)
    assert pace.interval_s == 1 / 400
    for _ in range(13):
        pace.looked(moved=False)
    assert pace.interval_s == 1 / 100
    for _ in range(100):
        pace.looked(moved=False)
    assert pace.interval_s == 1.5 / 100


def test_nothing_is_faster_than_a_kilohertz() -> None:
    pace = Pace(1000)
    pace.looked(moved=True)
    assert pace.interval_s == 1 / 1000
    for _ in range(1000):
        pace.looked(moved=False)
    assert pace.interval_s == 1 / 1000


def test_above_its_share_of_a_core_it_is_no_faster_than_asked_for() -> None:
    pace = Pace(100)
    pace.looked(moved=True)
    pace.spent(0, 0)
    pace.spent(1_000_000_000, 30_000_000)
    assert pace.interval_s == 1 / 100
    pace.spent(2_000_000_000, 30_000_000 + 20_000_000)  # less, but not little
    assert pace.interval_s == 1 / 100
    pace.spent(3_000_000_000, 50_000_000 + 10_000_000)
    assert pace.interval_s == 1 / 400
