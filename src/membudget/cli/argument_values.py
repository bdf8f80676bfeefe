"""Values on the command line: parsed, bounded, and told what is allowed. Nothing heavy is imported for them."""

import argparse
from collections.abc import Callable


def limit(text: str) -> int:
    """A memory limit. Raises ArgumentTypeError."""
    from membudget.budgets.fields import LARGEST_SIZE, LARGEST_SIZE_BYTES
    from membudget.budgets.possible import SMALLEST_LIMIT_BYTES

    limit = _quantity(text, "parse_size")
    if limit > LARGEST_SIZE_BYTES:
        raise argparse.ArgumentTypeError(f"{LARGEST_SIZE} or less")
    if limit < SMALLEST_LIMIT_BYTES:
        raise argparse.ArgumentTypeError("at least 8MiB: the container runtime itself needs 4 to 7 MiB to start")
    return limit


def duration(text: str) -> int:
    """A time, in milliseconds. Raises ArgumentTypeError."""
    from membudget.budgets.fields import LONGEST_DURATION, LONGEST_DURATION_MS

    duration = _quantity(text, "parse_duration")
    if duration > LONGEST_DURATION_MS:
        raise argparse.ArgumentTypeError(f"{LONGEST_DURATION} or less")
    return duration


def _quantity(text: str, parser: str) -> int:
    from membudget.core import quantities

    parse: Callable[[str], int] = getattr(quantities, parser)
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def trials(text: str) -> int:
    """How many trials. Raises ArgumentTypeError."""
    return _whole_number(text, 1, 1000)


def jobs(text: str) -> int:
    """How many images at a time. Raises ArgumentTypeError."""
    return _whole_number(text, 1, 64)


def shards(text: str) -> int:
    """How many parts. Raises ArgumentTypeError."""
    return _whole_number(text, 1, 256)


def rate(text: str) -> int:
    """Looks a second. Raises ArgumentTypeError."""
    return _whole_number(text, 1, 1000)


def _whole_number(text: str, least: int, most: int) -> int:
    from membudget.core.quantities import parse_whole

    try:
        return parse_whole(text, least, most)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
