import io
import re

from rich.console import Console
from rich.text import Text

from membudget.report.formats.tables import TerminalTable

COMMA, BRACKET = re.compile(", "), re.compile(r" (?=\()")


def printed(width: int) -> list[str]:
    """A table of two columns that can be wrapped."""
    cells = [[Text("one, two, three, four"), Text("five, six (seven)")]]
    table = TerminalTable(("first", "second"), cells, frozenset(), (COMMA, BRACKET))
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_a_table_that_fits_is_not_wrapped() -> None:
    assert printed(40) == [
        "first                  second",
        "one, two, three, four  five, six (seven)",
    ]


def test_the_widest_column_is_wrapped_first_and_alone_if_that_is_enough() -> None:
    assert printed(24) == [
        "first  second",
        "one    five, six (seven)",
        "two",
        "three",
        "four",
    ]


def test_the_best_place_is_taken_in_every_column_before_the_next_best_in_any() -> None:
    assert printed(18) == [
        "first  second",
        "one    five",
        "two    six (seven)",
        "three",
        "four",
    ]


def test_what_still_does_not_fit_is_wrapped_anywhere() -> None:
    assert max(map(len, printed(9))) <= 9
