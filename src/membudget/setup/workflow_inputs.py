"""The inputs of the action, of check.yml and of report.yml: which there are, and what is wrong with given ones.

A test compares the names with `action.yml` and the workflows, and the values with what the action accepts.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses, dotted, similar
from membudget.build.history_place import PLACE_HINT, parse_place
from membudget.core.errors import ConfigurationError, Problem, shortened
from membudget.core.quantities import parse_whole
from membudget.core.sharding import MOST_SHARDS, Shard
from membudget.core.untrusted_text import raw
from membudget.core.work import parse_jobs
from membudget.judge.fitted import MOST_CONFIRMATIONS
from membudget.judge.whole import FailOn
from membudget.manifests.yaml_text import Text
from membudget.publish.comment import KEY_HINT, CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.setup.doctor import CheckState
from membudget.setup.finding import SetupFinding
from membudget.setup.workflow_files import Input, UnreadableWorkflow, UseKind, WorkflowFile, WorkflowUse
from membudget.setup.workflow_rules import Complaint


@dataclass(frozen=True, slots=True)
class InputValues:
    """The values that an input takes. By default any text."""

    choices: tuple[str, ...] = ()
    most: int | None = None
    is_jobs: bool = False
    is_shard: bool = False
    is_key: bool = False
    """Whether it is the key of a comment."""
    is_place: bool = False
    """Whether it is a place for the history."""

    def fault(self, value: str) -> tuple[str, str | None] | None:
        """Return what is allowed instead of `value`, and what was probably meant. None if the value is valid."""
        if self.choices and value not in self.choices:
            return ", ".join(self.choices), similar(value, self.choices)
        if self.is_place:
            return _place_fault(value)
        try:
            if self.most is not None:
                parse_whole(value, 1, self.most)
            if self.is_jobs:
                parse_jobs(value)
            if self.is_shard:
                Shard.parse(value)
            if self.is_key:
                CommentSettings(value)
        except ValueError as error:
            return str(error), None
        except ConfigurationError:
            return (
                f"a part and the number of parts, like 2/3, at most {MOST_SHARDS}" if self.is_shard else KEY_HINT,
                None,
            )
        return None


def _place_fault(value: str) -> tuple[str, str | None] | None:
    try:
        parse_place(value)
    except ConfigurationError:
        return PLACE_HINT, None
    return None


_ANY = InputValues()
_TRUTH = InputValues(("true", "false"))
_COMMENT = InputValues(tuple(CommentMode))
_STATUS = InputValues(tuple(StatusMode))
_FAIL_ON = InputValues(tuple(FailOn))

INPUTS: Mapping[UseKind, Mapping[str, InputValues]] = {
    UseKind.ACTION: {
        "budgets": _ANY,
        "base": _ANY,
        "report": _ANY,
        "key": InputValues(is_key=True),
        "github-token": _ANY,
        "comment": _COMMENT,
        "status": _STATUS,
        "jobs": InputValues(is_jobs=True),
        "approval-label": _ANY,
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "cache": _TRUTH,
        "command": InputValues(("check", "plan", "merge", "report", "fit", "plan-fit", "backfill")),
        "shards": InputValues(most=MOST_SHARDS),
        "shard": InputValues(is_shard=True),
        "images": _ANY,
        "reports": _ANY,
        "base-variants": _TRUTH,
        "profile": _TRUTH,
        "page": _ANY,
        "sarif": _ANY,
        "artifact": _ANY,
        "secrets": _ANY,
        "confirm": InputValues(most=MOST_CONFIRMATIONS),
        "write": _TRUTH,
        "record-history": _TRUTH,
        "history": InputValues(is_place=True),
        "stale": _ANY,
        "time-budget": _ANY,
    },
    UseKind.CHECK: {
        "budgets": _ANY,
        "runs-on": _ANY,
        "timeout-minutes": InputValues(most=10_000),
        "jobs": InputValues(is_jobs=True),
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "approval-label": _ANY,
        "history": InputValues(is_place=True),
        "creep": _TRUTH,
        "artifact": _ANY,
    },
    UseKind.REPORT: {
        "key": InputValues(is_key=True),
        "comment": _COMMENT,
        "status": _STATUS,
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "artifact": _ANY,
        "record-history": _TRUTH,
        "history": InputValues(is_place=True),
        "runs-on": _ANY,
    },
    UseKind.COMMAND: {},
}
"""The inputs by what is used."""


def known_value(given: Input) -> str | None:
    """Return the value of an input. None if it is empty, so that the default counts, or known to the runner alone."""
    value = given.value
    if value is None or value.has_expression or value.is_null:
        return None
    return value.text.strip() or None


ImagesOf = Callable[[str], tuple[str, ...] | None]
"""Returns the names of the images of a budgets file, by its path from the top of the repository.

None if the file is broken. Raises FileNotFoundError if there is no such file.
"""
_USUAL_BUDGETS = "budgets.toml"
_LONGEST_LIST, _MOST_LISTED = 200, 100


def of_unreadable(file: UnreadableWorkflow, name: str) -> SetupFinding:
    """Return the finding of a workflow that cannot be read."""
    return SetupFinding(Problem(name, "", f"cannot be read: {file.reason}", line=file.line, column=file.column))


def of_workflow(file: WorkflowFile, name: str, images_of: ImagesOf, guesses: Guesses) -> Iterator[SetupFinding]:
    """Yield what is wrong with a workflow's inputs. `name` is the file's name in messages."""
    for use in file.uses:
        for given in use.inputs.values():
            yield from _of_input(given, use, name, guesses)
        yield from _of_command(use, name)
        yield from _of_images(use, name, images_of, guesses)


def of_complaint(complaint: Complaint, name: str) -> SetupFinding:
    """Return what `doctor` says of a workflow, too."""
    problem = Problem(name, "", raw(complaint.what), line=complaint.line, column=complaint.column)
    return SetupFinding(problem, is_warning=complaint.state is not CheckState.FAILED, fix=complaint.fix)


def _of_input(given: Input, use: WorkflowUse, name: str, guesses: Guesses) -> Iterator[SetupFinding]:
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


def _of_command(use: WorkflowUse, name: str) -> Iterator[SetupFinding]:
    if use.kind is UseKind.ACTION and use.value("command") == "merge" and not use.value("reports"):
        allowed = "the folder that holds the reports of the shards"
        fault = Fault(("reports",), "is missing: merge needs it", None, allowed)
        yield _finding(use, name, use.inputs["command"].name, fault)


def _of_images(use: WorkflowUse, name: str, images_of: ImagesOf, guesses: Guesses) -> Iterator[SetupFinding]:
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


def _named(use: WorkflowUse) -> tuple[Text | None, list[Text]]:
    """Return the budgets file that is used, and the images that are named. Without a file if only the runner knows."""
    if use.kind is UseKind.COMMAND:
        return _named_in_command(use)
    if use.kind is UseKind.REPORT or use.value("command") in ("merge", "report") or use.value("reports"):
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


def _named_in_command(use: WorkflowUse) -> tuple[Text | None, list[Text]]:
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


def _finding(use: WorkflowUse, file: str, place: Text, fault: Fault, fix: str | None = None) -> SetupFinding:
    key = f"jobs.{use.job.name.text}: {dotted(fault.keys)}"
    at = place.line, place.column
    return SetupFinding(Problem(file, key, fault.what, fault.found, fault.allowed, fault.guess, *at), fix=fix)


def _called(use: WorkflowUse) -> str:
    return "the action" if use.kind is UseKind.ACTION else str(use.kind)
