"""Least squares: a linear model fitted to values, with the margins of what it predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from membudget.core.intervals import student

MatrixRow = tuple[float, ...]
"""What each weight of the model is multiplied with."""


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A fitted model: a value is the sum of its row's figures, each times a weight."""

    weights: MatrixRow
    deviation: float
    """The standard deviation of one value around the model."""
    covariances: tuple[tuple[MatrixRow, ...], tuple[MatrixRow, ...]]
    """Two estimates of how the weights vary: if all values vary alike, and if some vary more than others (HC3,
    MacKinnon and White 1985). The larger one counts.
    """
    degrees: int
    """How many values there are more than weights."""

    def value(self, row: MatrixRow) -> float:
        """Return the value that the model gives."""
        return sum(weight * x for weight, x in zip(self.weights, row, strict=True))

    def margin(self, row: MatrixRow, confidence: float = 0.95, *, of_one_value: bool = False) -> float:
        """Return half the interval of `value(row)`, or with `of_one_value` of one more value that is measured there."""
        variance = max(_product(row, covariance) for covariance in self.covariances)
        if of_one_value:
            variance += self.deviation**2
        return student(self.degrees, confidence) * math.sqrt(variance)


def fitted(rows: Sequence[MatrixRow], values: Sequence[float], least_deviation: float = 0.0) -> LinearModel | None:
    """Return the model whose squared distances from the values add up to the least.

    The deviation is `least_deviation` or more. None if the values do not exceed the weights in number, or if they
    cannot tell the weights apart.
    """
    size = len(rows[0]) if rows else 0
    degrees = len(values) - size
    if degrees < 1:
        return None
    squares = [[sum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    inverse = _inverse(squares)
    if inverse is None:
        return None
    sums = [sum(row[i] * value for row, value in zip(rows, values, strict=True)) for i in range(size)]
    weights = tuple(sum(a * b for a, b in zip(line, sums, strict=True)) for line in inverse)
    errors = [
        value - sum(weight * x for weight, x in zip(weights, row, strict=True))
        for row, value in zip(rows, values, strict=True)
    ]
    deviation = max(least_deviation, math.sqrt(sum(error**2 for error in errors) / degrees))
    alike = tuple(tuple(deviation**2 * value for value in line) for line in inverse)
    return LinearModel(weights, deviation, (alike, _unlike(rows, errors, inverse)), degrees)


def _unlike(rows: Sequence[MatrixRow], errors: Sequence[float], inverse: Sequence[MatrixRow]) -> tuple[MatrixRow, ...]:
    """Return how the weights vary if some values vary more than others."""
    pulls = [tuple(sum(a * x for a, x in zip(line, row, strict=True)) for line in inverse) for row in rows]
    far = [error / max(_SINGULAR, 1 - _product(row, inverse)) for row, error in zip(rows, errors, strict=True)]
    size = range(len(inverse))
    return tuple(
        tuple(sum((error**2) * pull[i] * pull[j] for error, pull in zip(far, pulls, strict=True)) for j in size)
        for i in size
    )


def _product(row: MatrixRow, matrix: Sequence[MatrixRow]) -> float:
    return max(0.0, sum(x * y * matrix[i][j] for i, x in enumerate(row) for j, y in enumerate(row)))


_SINGULAR = 1e-9


def _inverse(matrix: Sequence[Sequence[float]]) -> tuple[MatrixRow, ...] | None:
    """Return the inverse of a small matrix, by Gauss and Jordan. None if it has none."""
    size = len(matrix)
    lines = [[*line, *(float(i == j) for j in range(size))] for i, line in enumerate(matrix)]
    for column in range(size):
        best = max(range(column, size), key=lambda line: abs(lines[line][column]))
        lines[column], lines[best] = lines[best], lines[column]
        pivot = lines[column][column]
        if abs(pivot) < _SINGULAR:
            return None
        lines[column] = [value / pivot for value in lines[column]]
        for line in range(size):
            if line != column and (factor := lines[line][column]):
                lines[line] = [a - factor * b for a, b in zip(lines[line], lines[column], strict=True)]
    return tuple(tuple(line[size:]) for line in lines)
