"""Reads `budgets.toml` and reports every problem of the file in one error."""

import os
import re
import tomllib
from pathlib import Path

from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.faults import placed
from membudget.budgets.key_path import Guesses
from membudget.budgets.named_files import missing_files, missing_manifests
from membudget.budgets.possible import conflicts, impossible, too_many_members, unknown_images
from membudget.budgets.salvage import salvage
from membudget.core.errors import BudgetsFileError, ConfigurationError, Problem
from membudget.core.files import read_plain

LARGEST_FILE_BYTES = 1_000_000

_TOML_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def read(path: Path) -> str:
    """Return the text of a budgets file. Raises ConfigurationError if it cannot be read."""
    try:
        data = read_plain(path, LARGEST_FILE_BYTES)
    except FileNotFoundError:
        raise ConfigurationError("the budgets file was not found", where=str(path), fix=_instead_of(path)) from None
    except OSError as error:
        raise ConfigurationError(f"the budgets file cannot be read: {error.strerror}", where=str(path)) from None
    if len(data) > LARGEST_FILE_BYTES:
        raise ConfigurationError(
            "the budgets file is too large",
            where=str(path),
            fix=f"use a file of {LARGEST_FILE_BYTES:,} bytes or fewer",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the budgets file is not UTF-8 text: {error.reason} at byte {error.start}",
            where=str(path),
            fix="save the file as UTF-8",
        ) from None


def _instead_of(path: Path) -> str:
    """Return what to do about a file that is not there. It may be in a folder above, within the repository."""
    folder = Path.cwd()
    while not path.is_absolute() and not (folder / ".git").exists() and folder != folder.parent:
        folder = folder.parent
        if (folder / path).is_file():
            return f"pass --budgets {os.path.relpath(folder / path)}, or run membudget in {folder}"
    return "run `membudget init` to create one, or pass another file with --budgets FILE"


def parse(text: str, name: str, checkout: Path | None = None) -> dict[str, ImageSpec]:
    """Return the images of a budgets file, with defaults applied. See `parse_budgets`, which returns the whole file."""
    return dict(parse_budgets(text, name, checkout).images)


def parse_budgets(text: str, name: str, checkout: Path | None = None) -> Budgets:
    """Return the content of a budgets file, with defaults applied.

    `name` is the file's name in messages. With `checkout`, the files and folders that the budgets file names must exist
    below it. Raises BudgetsFileError with all problems of the file.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BudgetsFileError([_not_toml(str(error), text, name)]) from None
    except (ValueError, RecursionError):  # tomllib lets these through
        what = "cannot be parsed: tables are nested too deeply, or a number is too long"
        raise BudgetsFileError([Problem(name, "", what)]) from None
    salvaged = salvage(raw)
    faults = list(salvaged.faults)
    known = {fault.keys for fault in faults}
    guesses = Guesses()
    faults += [fault for fault in unknown_images(raw, guesses) if fault.keys not in known]
    budgets = Budgets()
    if salvaged.file is not None:
        too_many = too_many_members(salvaged.file)
        file = salvaged.file.model_copy(update={"groups": {}}) if too_many else salvaged.file
        budgets = file.resolved()
        faults += too_many + conflicts(budgets)
    for image_name, image in budgets.images.items():
        faults += impossible(image, image_name, salvaged)
        if checkout is not None:
            faults += missing_files(image, image_name, checkout, salvaged, guesses)
    if checkout is not None:
        faults += missing_manifests(budgets.manifests, checkout, guesses)
    if faults:
        raise BudgetsFileError(placed(faults, text, name))
    return budgets


def _not_toml(message: str, text: str, name: str) -> Problem:
    """Return the problem for an error of tomllib, which ends with the place."""
    place = _TOML_PLACE.search(message)
    what = f"is not valid TOML: {_TOML_PLACE.sub('', message)}"
    if place is None:
        return Problem(name, "", what)
    if place["line"] is not None:
        return Problem(name, "", what, line=int(place["line"]), column=int(place["column"]))
    lines = text.split("\n")
    return Problem(name, "", f"{what}, at the end of the file", line=len(lines), column=len(lines[-1]) + 1)
