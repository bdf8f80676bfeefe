"""Planted growth is found, its intervals hold, and bends are told from noise."""

import random
from collections.abc import Callable, Sequence
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.judge.plane import Plane, plane
from membudget.judge.scaled import Bend, Estimate, NoSize, TrialScale

Truth = Callable[[TrialScale], float]
"""The peak in MiB."""
Noise = Callable[[random.Random], float]
PRODUCTION = TrialScale(8, 200)


def grows(fixed: float = 30, per_cpu: float = 8, per_connection: float = 0.5) -> Truth:
    return lambda place: fixed + per_cpu * place.cpus + per_connection * (place.connections or 0)


def places(cpus: Sequence[int], loads: Sequence[int | None]) -> list[TrialScale]:
    return [TrialScale(count, load) for count in cpus for load in loads]


def quiet(_: random.Random) -> float:
    return 0.0


def measured(where: Sequence[TrialScale], truth: Truth, noise: Noise = quiet, seed: int = 1, trials: int = 5) -> Plane:
    chance = random.Random(seed)
    peaks = {place: [round(MIB * (truth(place) + noise(chance))) for _ in range(trials)] for place in where}
    found = plane(peaks)
    assert found is not None
    return found


def holds(estimate: Estimate | NoSize | None, mib: float) -> bool:
    assert isinstance(estimate, Estimate)
    return estimate.low_bytes <= mib * MIB <= estimate.high_bytes


@pytest.mark.thorough
@given(st.integers(0, 500), st.integers(-3, 64), st.floats(0, 4), st.sampled_from([(1, 2), (1, 2, 4), (2, 3, 6)]))
def test_planted_growth_is_recovered(fixed: int, per_cpu: int, per_connection: float, cpus: tuple[int, ...]) -> None:
    truth = grows(fixed + 20, per_cpu, per_connection)
    found = measured(places(cpus, [20, 40]), truth)
    assert found.per_cpu is not None
    assert found.per_connection is not None
    assert found.per_cpu.value_bytes == pytest.approx(per_cpu * MIB, abs=8)
    assert found.per_connection.value_bytes == pytest.approx(per_connection * MIB, abs=8)
    assert found.fixed is not None
    assert found.fixed.value_bytes == pytest.approx((fixed + 20) * MIB, abs=64)
    assert found.bends == ()
    grows_on = TrialScale(8 if per_cpu > 0 else cpus[-1], 200)
    assert holds(found.expected(grows_on), truth(grows_on))


def test_trials_that_agree_do_not_make_the_figures_exact() -> None:
    found = measured(places((1, 2), (20, 40)), grows())
    assert found.per_cpu is not None
    assert found.per_cpu.low_bytes < 8 * MIB < found.per_cpu.high_bytes


def test_the_interval_widens_with_the_distance_from_what_was_measured() -> None:
    found = measured(places((1, 2), (20, 40)), grows(), lambda chance: chance.gauss(0, 0.5))
    widths = []
    for place in (TrialScale(2, 40), TrialScale(4, 40), TrialScale(4, 100), TrialScale(8, 200), TrialScale(64, 200)):
        expected = found.expected(place)
        assert isinstance(expected, Estimate)
        widths.append(expected.high_bytes - expected.low_bytes)
    assert widths == sorted(widths)
    assert widths[-1] > 5 * widths[0]


def test_cpus_alone_can_vary() -> None:
    found = measured(places((1, 2), [None]), grows())
    assert found.per_connection is None
    assert found.per_cpu is not None
    assert holds(found.expected(TrialScale(8)), 30 + 64)
    assert found.expected(TrialScale(8, 200)) is NoSize.CONNECTIONS_NOT_VARIED


def test_connections_alone_can_vary() -> None:
    found = measured(places((2,), (20, 40)), grows())
    assert found.per_cpu is None
    assert holds(found.expected(TrialScale(2, 200)), 30 + 16 + 100)
    assert found.expected(PRODUCTION) is NoSize.CPUS_NOT_VARIED


@pytest.mark.parametrize("where", [places((2,), (20,)), places((2,), [None])])
def test_there_is_no_plane_if_nothing_varies(where: list[TrialScale]) -> None:
    assert plane({place: [MIB, MIB, MIB] for place in where}) is None


def test_one_trial_in_each_of_two_places_proves_nothing() -> None:
    assert plane({place: [MIB] for place in places((1, 2), [None])}) is None


@pytest.mark.parametrize(
    ("truth", "mib"),
    [(grows(100, -20, 0), 60), (grows(100, 8, -0.5), 144), (grows(100, -20, 0.5), 160), (grows(100, -20, -0.5), 40)],
)
def test_a_fall_is_not_continued(truth: Truth, mib: float) -> None:
    found = measured(places((1, 2), (20, 40)), truth)
    assert found.per_cpu is not None
    assert found.per_cpu.is_certain
    assert holds(found.expected(PRODUCTION), mib)


def test_fewer_cpus_than_were_measured_are_on_the_line() -> None:
    found = measured(places((2, 4), (20, 40)), grows(100, 20, 0))
    assert holds(found.expected(TrialScale(1, 20)), 120)


def test_a_size_is_never_negative() -> None:
    found = measured(places((2, 4), (20, 40)), grows(0, 20, 0))
    expected = found.expected(TrialScale(1, 1))
    assert isinstance(expected, Estimate)
    assert 0 <= expected.low_bytes <= expected.value_bytes


@pytest.mark.parametrize(
    ("where", "truth", "bend"),
    [
        (places((1, 2, 4), (20,)), lambda place: 30 + 4 * place.cpus**2, Bend.CPUS),
        (places((1, 2), (20, 40, 80)), lambda place: 30 + 0.02 * place.connections**2, Bend.CONNECTIONS),
    ],
)
def test_a_curve_is_told_and_not_continued(where: list[TrialScale], truth: Truth, bend: Bend) -> None:
    found = measured(where, truth, lambda chance: chance.gauss(0, 0.3))
    assert found.bends == (bend,)
    assert found.fixed is None
    assert found.expected(PRODUCTION) is NoSize.BENT or bend is Bend.CPUS
    assert holds(found.expected(TrialScale(2, 20)), truth(TrialScale(2, 20)))


def test_connections_that_cost_more_with_more_cpus_are_told_and_continued() -> None:
    def truth(place: TrialScale) -> float:
        return 30 + 8 * place.cpus + 0.2 * place.cpus * (place.connections or 0)

    found = measured(places((1, 2), (20, 40)), truth, lambda chance: chance.gauss(0, 0.2))
    assert found.bends == (Bend.BOTH,)
    assert holds(found.expected(PRODUCTION), truth(PRODUCTION))


def test_a_bend_too_small_to_matter_is_not_told() -> None:
    found = measured(places((1, 2, 4), (20,)), lambda place: 100 + 8 * place.cpus + 0.3 * (place.cpus == 2))
    assert found.bends == ()


@pytest.mark.parametrize(
    ("cpus", "loads", "untested"),
    [
        ((1, 2), (20, 40), (Bend.CPUS, Bend.CONNECTIONS)),
        ((1, 2, 4), (20, 40), (Bend.CONNECTIONS,)),
        ((1, 2, 4), (20, 40, 80), ()),
        ((1, 2), (None,), (Bend.CPUS,)),
    ],
)
def test_two_numbers_cannot_show_a_bend(
    cpus: tuple[int, ...], loads: tuple[int | None, ...], untested: tuple[Bend, ...]
) -> None:
    assert measured(places(cpus, loads), grows()).untested == untested


NOISES: dict[str, Noise] = {
    "normal": lambda chance: chance.gauss(0, 1),
    "uniform": lambda chance: chance.uniform(-2, 2),
    "skewed": lambda chance: chance.expovariate(0.7) - 1 / 0.7,
}
DESIGNS = [((1, 2), (10, 20)), ((1, 2, 4), (10, 20)), ((1, 2), (10, 20, 40))]
ROUNDS = 400
LEAST = 0.93
"""95 % less two standard errors of a share of 400."""


@pytest.mark.thorough
@pytest.mark.parametrize("noise", NOISES.values(), ids=list(NOISES))
@pytest.mark.parametrize(("cpus", "loads"), DESIGNS)
def test_intervals_hold_in_95_of_100_runs(cpus: tuple[int, ...], loads: tuple[int, ...], noise: Noise) -> None:
    truth, missed_sizes = grows(), 0
    held: list[tuple[bool, bool, bool, bool]] = []
    for seed in range(ROUNDS):
        found = measured(places(cpus, loads), truth, noise, seed)
        expected = found.expected(PRODUCTION)
        if isinstance(expected, NoSize):
            missed_sizes += 1
            continue
        another_run = truth(PRODUCTION) + noise(random.Random(10**6 + seed))
        held.append((
            holds(found.per_cpu, 8), holds(found.per_connection, 0.5), holds(expected, truth(PRODUCTION)),
            holds(expected, another_run),
        ))  # fmt: skip
    shares = [fmean(column) for column in zip(*held, strict=True)]
    assert min(shares) >= LEAST, shares
    assert missed_sizes <= 0.02 * ROUNDS


@pytest.mark.thorough
@pytest.mark.parametrize("noise", NOISES.values(), ids=list(NOISES))
def test_intervals_hold_where_memory_does_not_grow(noise: Noise) -> None:
    truth = grows(100, 0, 0)
    held = []
    for seed in range(ROUNDS):
        found = measured(places((1, 2), (10, 20)), truth, noise, seed).expected(PRODUCTION)
        if not isinstance(found, NoSize):
            held.append((holds(found, 100), holds(found, 100 + noise(random.Random(10**6 + seed)))))
    assert min(fmean(column) for column in zip(*held, strict=True)) >= LEAST


@pytest.mark.thorough
def test_intervals_hold_where_more_cpus_make_more_noise() -> None:
    truth = grows()
    held = []
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        where = places((1, 2, 4), (10, 20))
        peaks = {
            place: [round(MIB * (truth(place) + chance.gauss(0, place.cpus))) for _ in range(5)] for place in where
        }
        found = plane(peaks)
        assert found is not None
        held.append((holds(found.per_cpu, 8), holds(found.per_connection, 0.5)))
    assert min(fmean(column) for column in zip(*held, strict=True)) >= LEAST
