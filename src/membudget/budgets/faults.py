"""Faults of a budgets file, and their places in its text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from membudget.budgets.key_path import dotted
from membudget.budgets.lines import Keys, KeySpot, Position, positions
from membudget.core.errors import Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a budgets file, without its place."""

    keys: Keys
    """The path of the key. Empty if the fault is about the whole file."""
    what: str
    found: str | None = None
    allowed: str | None = None
    guess: str | None = None
    """What the user probably meant."""
    is_of_key: bool = False
    """Whether the key itself is wrong, not its value."""


def placed(faults: Iterable[Fault], text: str, name: str) -> list[Problem]:
    """Return the faults of a file as problems, in the order of the file. `name` is the file's name."""
    spots = positions(text)
    found = []
    for fault in dict.fromkeys(faults):
        place = _place(fault, spots)
        problem = Problem(
            name,
            dotted(fault.keys),
            fault.what,
            fault.found,
            fault.allowed,
            fault.guess,
            place.line,
            place.column,
        )
        found.append((place.line, place.column, problem))
    return [problem for *_, problem in sorted(found, key=lambda one: one[:2])]


def _place(fault: Fault, spots: Mapping[Keys, KeySpot]) -> Position:
    """Return where the key or value is, or else where an image inherits it from, or else the table around it."""
    spot = next((spots[keys] for keys in (fault.keys, *_inherited(fault.keys, spots)) if keys in spots), None)
    if spot is not None:
        return spot.key if fault.is_of_key else spot.value
    around = (fault.keys[:length] for length in range(len(fault.keys) - 1, 0, -1))
    return next((spots[keys].key for keys in around if keys in spots), Position(1, 1))


def _inherited(keys: Keys, spots: Mapping[Keys, KeySpot]) -> Iterable[Keys]:
    """Yield where a setting of an image may come from: its groups, then the defaults."""
    if keys[:1] != ("images",) or len(keys) < 3:
        return
    if keys[2] == "budgets":
        yield from (
            above
            for table in spots
            if table[:1] == ("groups",) and len(table) == 2 and (above := table + keys[2:]) in spots
        )
    yield ("defaults", *keys[2:])
