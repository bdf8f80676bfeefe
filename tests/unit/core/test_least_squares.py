"""Ours beside numpy's and scipy's."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.intervals import student
from membudget.core.least_squares import fitted

weights = st.floats(-1e6, 1e6)


@pytest.mark.thorough
@given(st.tuples(weights, weights, weights), st.integers(2, 5))
def test_exact_weights_are_recovered(planted: tuple[float, float, float], each: int) -> None:
    rows = [(1.0, x, z) for x in (-1.0, 1.0) for z in (-1.0, 0.2, 1.0)] * each
    values = [sum(w * x for w, x in zip(planted, row, strict=True)) for row in rows]
    model = fitted(rows, values)
    assert model is not None
    assert model.weights == pytest.approx(planted, abs=1e-6, rel=1e-9)
    assert model.degrees == 6 * each - 3
    assert model.margin((1.0, 3.0, 4.0)) == pytest.approx(0, abs=1e-5)


@pytest.mark.thorough
@given(st.integers(0, 2**32), st.floats(0.1, 100))
def test_weights_and_margins_are_those_of_numpy_and_scipy(seed: int, noise: float) -> None:
    import numpy as np
    from scipy.stats import linregress

    chance = random.Random(seed)
    rows = [(1.0, chance.uniform(-1, 1)) for _ in range(9)]
    values = [3 + 7 * x + chance.gauss(0, noise) for _, x in rows]
    model = fitted(rows, values)
    assert model is not None
    line = linregress([x for _, x in rows], values)
    assert model.weights == pytest.approx((line.intercept, line.slope))
    alike, unlike = model.covariances
    assert math.sqrt(alike[1][1]) == pytest.approx(line.stderr)
    table = np.array(rows)
    inverse = np.linalg.inv(table.T @ table)
    hat = np.diag(table @ inverse @ table.T)
    errors = np.array(values) - table @ np.array(model.weights)
    hc3 = inverse @ table.T @ np.diag((errors / (1 - hat)) ** 2) @ table @ inverse
    assert np.array(unlike) == pytest.approx(hc3)
    wider = max(alike[1][1], unlike[1][1])
    assert model.margin((0.0, 1.0)) == pytest.approx(student(7) * math.sqrt(wider))
    one_more = model.margin((0.0, 1.0), of_one_value=True)
    assert one_more == pytest.approx(student(7) * math.sqrt(wider + model.deviation**2))


def test_agreeing_values_prove_no_more_than_the_least_deviation() -> None:
    model = fitted([(1.0,)] * 4, [5.0] * 4, least_deviation=2.0)
    assert model is not None
    assert model.margin((1.0,)) == pytest.approx(student(3) * 1.0)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "there are no values"),
        ([(1.0, 2.0)] * 2, "no value is left to judge the others by"),
        ([(1.0, 2.0)] * 5, "one x tells no slope"),
    ],
)
def test_there_is_no_model(rows: list[tuple[float, ...]], why: str) -> None:
    assert fitted(rows, [1.0] * len(rows)) is None, why
