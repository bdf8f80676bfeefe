"""Holds a budgets file to its format, and saves what is valid of a broken one.

The valid part can then be searched for further faults, so that one run names all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from membudget.budgets.entries import BudgetsFile
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses, KeyPath, locate
from membudget.budgets.lines import Keys
from membudget.budgets.workload import KIND_NAMES
from membudget.core.metrics import OF_REQUESTS, Metric

_MOST_ROUNDS = 8
"""How often something may be taken out of a broken file. Each round may uncover errors of tables around it."""
_KINDS = ", ".join(KIND_NAMES)

Tables = dict[str, object]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The faults of a file against its format, and what remains of it without them."""

    faults: tuple[Fault, ...]
    file: BudgetsFile | None
    """The valid part of the file. None if nothing is left."""
    lost: frozenset[Keys] = frozenset()
    """The paths of what is wrong or was taken out, and of keys that were probably meant by unknown ones."""

    def doubts(self, *keys: str) -> bool:
        """Whether something at, above or below a key path was lost, so that its value is not known."""
        return any(keys[: len(path)] == path[: len(keys)] for path in self.lost)


def salvage(raw: Tables) -> Salvaged:
    """Hold a parsed file to the format, and return its faults and its valid part."""
    try:
        return Salvaged((), BudgetsFile.model_validate(raw))
    except ValidationError as error:
        unknown = [detail for detail in error.errors() if detail["type"] == "extra_forbidden"]
        details = _relevant(error)
    of_keys, of_values = Guesses(), Guesses()
    faults = [_fault(detail, of_keys) for detail in unknown]
    meant = {(*fault.keys[:-1], fault.guess) for fault in faults if fault.guess is not None}
    if unknown:  # unknown keys hide other errors of their tables, and taking them out causes none
        raw = _without(raw, [fault.keys for fault in faults])
        try:
            return Salvaged(tuple(faults), BudgetsFile.model_validate(raw), frozenset(meant))
        except ValidationError as error:
            details = _relevant(error)
    others = [_fault(detail, of_values) for detail in details if detail["type"] != "extra_forbidden"]
    faults += [fault for fault in others if fault.what != _MISSING or fault.keys not in meant]
    lost = meant | {fault.keys for fault in others}
    file, taken_out = _valid_part(raw, [fault.keys for fault in others])
    return Salvaged(tuple(faults), file, frozenset(lost | taken_out))


def _valid_part(raw: Tables, broken: list[Keys]) -> tuple[BudgetsFile | None, set[Keys]]:
    """Take out what is broken until the rest is valid. Return the rest and all that was broken."""
    lost: set[Keys] = set()
    for _ in range(_MOST_ROUNDS):
        lost |= set(broken)
        raw = {**_without(raw, broken), "version": 1}
        try:
            return BudgetsFile.model_validate(raw), lost
        except ValidationError as error:
            broken = [locate(detail["loc"]).keys for detail in error.errors()]
    return None, lost


def _without(raw: Tables, paths: Iterable[Keys]) -> Tables:
    """Return the file without what is at `paths`. An item takes its whole array along, a missing key its table.

    Only the tables on the way are copied: others may be nested more deeply than a recursive copy can follow.
    """
    rest = dict(raw)
    copies = {id(rest)}
    for path in paths:
        table, last = rest, None
        for key in path:
            if key not in table:
                break
            last = (table, str(key))
            below = table[str(key)]
            if not isinstance(below, dict):
                break
            if id(below) not in copies:
                below = table[str(key)] = dict(below)
                copies.add(id(below))
            table = below
        if last is not None:
            del last[0][last[1]]
    return rest


def _relevant(error: ValidationError) -> list[ErrorDetails]:
    details = error.errors()
    # pydantic then calls a list without its broken items too short. Report only the broken items.
    broken = {detail["loc"] for detail in details if detail["type"] != "too_short"}
    return [
        detail
        for detail in details
        if not (detail["type"] == "too_short" and any(loc[: len(detail["loc"])] == detail["loc"] for loc in broken))
    ]


_MISSING = "is missing"


def _fault(detail: ErrorDetails, guesses: Guesses) -> Fault:
    """Return one pydantic error in the user's words."""
    path = locate(detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(path, guesses)
        case "missing":
            return Fault(path.keys, _MISSING, None, path.description)
        case "union_tag_not_found":
            return Fault((*path.keys, "kind"), _MISSING, None, _KINDS)
        case "union_tag_invalid":
            kind = str(context.get("tag"))
            guess = guesses.similar(kind, lambda: KIND_NAMES)
            return Fault((*path.keys, "kind"), "unknown kind of workload", kind, _KINDS, guess)
        case "literal_error" | "enum":
            choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            found = detail["input"]
            guess = guesses.similar(found, lambda: choices) if isinstance(found, str) else None
            return Fault(path.keys, "invalid value", _shown(found), ", ".join(choices), guess)
        case _:
            is_of_key = detail["loc"][-1:] == ("[key]",)
            what = "invalid name" if is_of_key else "invalid value"
            found = str(context["found"]) if "found" in context else _shown(detail["input"])
            if detail["type"] == "too_long":
                found = str(len(detail["input"]))
            allowed = _ALLOWED[detail["type"]].format(**context) if detail["type"] in _ALLOWED else detail["msg"]
            return Fault(path.keys, what, found, allowed, None, is_of_key)


def _unknown(path: KeyPath, guesses: Guesses) -> Fault:
    keys, allowed = path.keys, ", ".join(path.siblings)
    if keys[:1] == ("images",) and keys[2:3] == ("phases",) and len(keys) == 5 and keys[4] in list(Metric):
        allowed += "; budgets of other metrics are for the whole trial: `budgets`"
        if keys[4] in OF_REQUESTS:
            allowed += ". To judge the requests of one phase alone, set `judged = false` for the others"
        return Fault(keys, "is no budget of a single phase", None, allowed, is_of_key=True)
    guess = guesses.similar(str(keys[-1]), lambda: path.siblings) if keys else None
    return Fault(keys, "unknown key", None, allowed, guess, is_of_key=True)


_ALLOWED = {
    "bool_type": "true or false",
    "date_from_datetime_parsing": "a date: 2026-12-31",
    "date_type": "a date: 2026-12-31",
    "dict_type": "a table",
    "greater_than_equal": "{ge} or more",
    "int_type": "a whole number",
    "less_than_equal": "{le} or less",
    "list_type": "a list: [ … ]",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_too_long": "{max_length} characters or fewer",
    "string_too_short": "a text that is not empty",
    "string_type": 'a text in quotes: "…"',
    "too_long": "{max_length} at most",
    "too_short": "at least {min_length}",
    "tuple_type": "a list: [ … ]",
}
"""What is allowed, in our words, by pydantic's type of error. Our own errors say it themselves."""


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not print numbers of more than 4300 digits
        return "a number that is too long to show"
