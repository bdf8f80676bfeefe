"""What an argument's value may be. Imports nothing heavy before a value is parsed."""

import argparse
from collections.abc import Callable
from datetime import timedelta

_MOST_NUMBERS = 8


def limit(text: str) -> int:
    """Parse a memory limit and return it in bytes. Raises ArgumentTypeError."""
    from membudget.budgets.fields import LARGEST_SIZE, LARGEST_SIZE_BYTES
    from membudget.budgets.possible import SMALLEST_LIMIT_BYTES

    limit = _quantity(text, "parse_size")
    if limit > LARGEST_SIZE_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is too large: use {LARGEST_SIZE} or less")
    if limit < SMALLEST_LIMIT_BYTES:
        why = "the container runtime needs 4 to 7 MiB to start"
        raise argparse.ArgumentTypeError(f"{text!r} is too small: {why}. Use 8MiB or more")
    return limit


def duration(text: str) -> int:
    """Parse a duration and return it in milliseconds. Raises ArgumentTypeError."""
    from membudget.budgets.fields import LONGEST_DURATION, LONGEST_DURATION_MS

    duration = _quantity(text, "parse_duration")
    if duration > LONGEST_DURATION_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is too long: use {LONGEST_DURATION} or less")
    return duration


def days(text: str) -> timedelta:
    """Parse a number of days such as "7d". Raises ArgumentTypeError."""
    from membudget.budgets.creep import days_of

    found = days_of(text)
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of days like "7d"')
    return timedelta(days=found)


def _quantity(text: str, parser: str) -> int:
    from membudget.core import quantities

    parse: Callable[[str], int] = getattr(quantities, parser)
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number_up_to(most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 1 to `most`. It raises ArgumentTypeError."""

    def parse(text: str) -> int:
        from membudget.core.quantities import parse_whole

        try:
            return parse_whole(text, 1, most)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None

    return parse


def numbers(most: int) -> Callable[[str], tuple[int, ...]]:
    """Return a parser of different whole numbers from 1 to `most`, separated by commas. It raises ArgumentTypeError."""
    parse_one = number_up_to(most)

    def parse(text: str) -> tuple[int, ...]:
        found = sorted(parse_one(part.strip()) for part in text.split(","))
        if len(set(found)) < len(found) or len(found) > _MOST_NUMBERS:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of up to {_MOST_NUMBERS} different numbers")
        return tuple(found)

    return parse


def jobs(text: str) -> int | None:
    """Parse how many trials may run at once. None stands for auto. Raises ArgumentTypeError."""
    from membudget.core.work import parse_jobs

    try:
        return parse_jobs(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None
