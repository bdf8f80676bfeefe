"""Finds what is wrong with the steps and jobs of workflows that use membudget."""

import shlex
from collections.abc import Callable, Iterator

from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses, dotted
from membudget.core.errors import Problem, shortened
from membudget.core.untrusted_text import raw
from membudget.setup.action_inputs import INPUTS, known_value
from membudget.setup.doctor import State
from membudget.setup.finding import Finding
from membudget.setup.workflow_files import Input, Kind, UnreadableWorkflow, Use, WorkflowFile
from membudget.setup.workflow_rules import Complaint
from membudget.setup.yaml_text import Text

ImagesOf = Callable[[str], tuple[str, ...] | None]
"""Returns the names of the images of a budgets file, by its path from the top of the repository.

None if the file is broken. Raises FileNotFoundError if there is no such file.
"""
_USUAL_BUDGETS = "budgets.toml"
_LONGEST_LIST, _MOST_LISTED = 200, 100


def of_unreadable(file: UnreadableWorkflow, name: str) -> Finding:
    """Return the finding of a workflow that cannot be read."""
    return Finding(Problem(name, "", f"cannot be read: {file.reason}", line=file.line, column=file.column))


def of_workflow(file: WorkflowFile, name: str, images_of: ImagesOf, guesses: Guesses) -> Iterator[Finding]:
    """Yield what is wrong with a workflow's inputs. `name` is the file's name in messages."""
    for use in file.uses:
        for given in use.inputs.values():
            yield from _of_input(given, use, name, guesses)
        yield from _of_command(use, name)
        yield from _of_images(use, name, images_of, guesses)


def of_complaint(complaint: Complaint, name: str) -> Finding:
    """Return what `doctor` says of a workflow, too."""
    problem = Problem(name, "", raw(complaint.what), line=complaint.line, column=complaint.column)
    return Finding(problem, is_warning=complaint.state is not State.FAILED, fix=complaint.fix)


def _of_input(given: Input, use: Use, name: str, guesses: Guesses) -> Iterator[Finding]:
    known = INPUTS[use.kind]
    values = known.get(given.name.text)
    if values is None:
        what = f"unknown input of {_called(use)}"
        guess = guesses.similar(given.name.text, known.keys)
        yield _finding(use, name, given.name, Fault((given.name.text,), what, None, ", ".join(known), guess))
    elif given.value is not None and (value := known_value(given)) is not None:
        fault = values.fault(value)
        if fault is not None:
            yield _finding(use, name, given.value, Fault((given.name.text,), "invalid value", value, *fault))


def _of_command(use: Use, name: str) -> Iterator[Finding]:
    if use.kind is Kind.ACTION and use.value("command") == "merge" and not use.value("reports"):
        allowed = "the folder that holds the reports of the shards"
        fault = Fault(("reports",), "is missing: merge needs it", None, allowed)
        yield _finding(use, name, use.inputs["command"].name, fault)


def _of_images(use: Use, name: str, images_of: ImagesOf, guesses: Guesses) -> Iterator[Finding]:
    """Yield budgets files that are not there, and images that their budgets file does not define."""
    budgets, wanted = _named(use)
    if budgets is None:
        return
    try:
        images = images_of(budgets.text)
    except FileNotFoundError:
        fault = Fault(("budgets",), "names no file in the repository", budgets.text)
        yield _finding(use, name, budgets, fault, "run `membudget init` to create one")
        return
    if images is None:
        return
    known, listed = frozenset(images), shortened(", ".join(images[:_MOST_LISTED]), _LONGEST_LIST)
    for image in wanted:
        if image.text not in known:
            what = f"names an image that {budgets.text} does not define"
            guess = guesses.similar(image.text, lambda: images)
            yield _finding(use, name, image, Fault(("images",), what, image.text, listed, guess))


def _named(use: Use) -> tuple[Text | None, list[Text]]:
    """Return the budgets file that is used, and the images that are named. Without a file if only the runner knows."""
    if use.kind is Kind.COMMAND:
        return _named_in_command(use)
    if use.kind is Kind.REPORT or use.value("command") in ("merge", "report"):
        return None, []
    given = use.inputs.get("budgets")
    budgets = Text(_USUAL_BUDGETS, use.what.line, use.what.column)
    if given is not None and given.value is not None and given.value.text.strip():
        if given.value.has_expression:
            return None, []
        budgets = given.value
    listed = use.inputs.get("images")
    images = known_value(listed) if listed is not None else None
    if listed is None or listed.value is None or images is None:
        return budgets, []
    place = listed.value
    return budgets, [Text(image, place.line, place.column) for image in images.replace(",", " ").split()]


def _named_in_command(use: Use) -> tuple[Text | None, list[Text]]:
    if use.command not in ("check", "plan"):
        return None, []
    try:
        words = shlex.split(use.what.text)
    except ValueError:  # a quotation that goes on below
        return None, []
    options = {"--budgets": [_USUAL_BUDGETS], "--image": []}
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in options:
            options[option] += [value] if equals else words[number + 1 : number + 2]
    budgets = options["--budgets"][-1]
    if any("$" in word for word in words):
        return None, []
    place = use.what.line, use.what.column
    return Text(budgets, *place), [Text(image, *place) for image in options["--image"]]


def _finding(use: Use, file: str, place: Text, fault: Fault, fix: str | None = None) -> Finding:
    key = f"jobs.{use.job.name.text}: {dotted(fault.keys)}"
    at = place.line, place.column
    return Finding(Problem(file, key, fault.what, fault.found, fault.allowed, fault.guess, *at), fix=fix)


def _called(use: Use) -> str:
    return "the action" if use.kind is Kind.ACTION else str(use.kind)
