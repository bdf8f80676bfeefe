"""Reads the workflow files of a repository, and finds the steps and jobs that use membudget.

It is pure reading: nothing is judged here. `validate` and `doctor` say what is wrong with what was found.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path

from yaml.nodes import Node

from membudget.core.files import read_plain
from membudget.manifests.yaml_text import InvalidYaml, Text, documents, entries, get, items, place, scalar

FOLDERS = (".github/workflows", ".forgejo/workflows", ".gitea/workflows")
"""Where runners look for workflows, from the top of the repository."""

LARGEST_WORKFLOW_BYTES = 256 * 1024
_MOST_FILES, _MOST_USES, _MOST_INPUTS = 500, 200, 100
"""Files of a repository, uses of membudget in a file, and inputs of a step."""
_MOST_BYTES = 4 << 20
"""Of all files together. Reading a mebibyte of YAML takes about ten seconds."""
_MOST_STEPS = 2000
"""Jobs, steps, and kilobytes of scripts. With aliases, a small file may have more than anybody wants to look at."""

_NAME = b"membudget"
_USES = re.compile(
    r"(?:https?://[^/]+/)?(?P<owner>[\w.-]+)/(?P<repository>[\w.-]+)(?:/(?P<path>[^@]*))?@(?P<ref>\S+)", re.ASCII
)
_COMMAND = re.compile(
    r"(?:^|[;&|(]|\b(?:uvx|uv run|pipx run|poetry run|python3? -m|sudo|exec|time)[ \t])[ \t]*"
    r"membudget[ \t]+(?P<command>[a-z]+)\b(?P<arguments>[^;&|)\n]*)",
    re.ASCII | re.MULTILINE,
)


class UseKind(StrEnum):
    """How a workflow uses membudget."""

    ACTION = "action"
    """A step with `uses: OWNER/membudget@REF`."""
    CHECK = "check.yml"
    """A job that calls our workflow check.yml."""
    REPORT = "report.yml"
    """A job that calls our workflow report.yml."""
    COMMAND = "command"
    """A step that runs the command line."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a step or of a called workflow."""

    name: Text
    value: Text | None
    """None if the value is no scalar."""


@dataclass(frozen=True, slots=True)
class UsesStep:
    """A step with `uses`."""

    uses: Text
    inputs: Mapping[str, Input]

    def value(self, name: str) -> str | None:
        """Return an input's value. None if it is absent or no scalar."""
        found = self.inputs.get(name)
        return found.value.text if found is not None and found.value is not None else None


@dataclass(frozen=True, slots=True)
class Permissions:
    """The `permissions` of a workflow or a job. A scope that is not named has no right."""

    line: int
    column: int
    all: str | None = None
    """ "read" or "write", if written as `read-all` or `write-all`."""
    scopes: Mapping[str, Text] = field(default_factory=dict)
    """The right per scope: read, write or none."""

    def of(self, scope: str) -> str:
        """Return "read", "write" or "none"."""
        if self.all is not None:
            return self.all
        found = self.scopes.get(scope)
        return found.text if found is not None else "none"


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event that starts the workflow."""

    name: Text
    lists: Mapping[str, tuple[Text, ...]] = field(default_factory=dict)
    """What restricts it: branches, types, paths, and for workflow_run the names of workflows."""


@dataclass(frozen=True, slots=True)
class Job:
    """The job around a use of membudget."""

    name: Text
    runs_on: Text | None
    """None if absent or no scalar."""
    permissions: Permissions | None
    """The job's own permissions, or else the workflow's. None if neither has any: the repository's setting counts."""


@dataclass(frozen=True, slots=True)
class WorkflowUse:
    """A step or job that uses membudget."""

    kind: UseKind
    what: Text
    """The text of `uses`, or the command line."""
    job: Job
    inputs: Mapping[str, Input] = field(default_factory=dict)
    checkouts: tuple[UsesStep, ...] = ()
    """The steps before it, in the same job, that use `checkout`."""
    ref: str | None = None
    """The revision behind the @. None for a command."""
    version_comment: str | None = None
    """The comment behind `uses`, such as "v0.1.0"."""
    command: str | None = None
    """For a command line, the command: "check". For others, None."""

    def value(self, name: str) -> str | None:
        """Return an input's value. None if it is absent or no scalar."""
        found = self.inputs.get(name)
        return found.value.text if found is not None and found.value is not None else None

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit: 40 hexadecimal digits, and not the zeros of our documentation."""
        return self.ref is not None and re.fullmatch(r"(?!0{40})[0-9a-f]{40}", self.ref) is not None


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A workflow file that uses membudget."""

    path: str
    """The path from the top of the repository."""
    name: Text | None
    triggers: Mapping[str, Trigger]
    permissions: Permissions | None
    uses: tuple[WorkflowUse, ...]


@dataclass(frozen=True, slots=True)
class UnreadableWorkflow:
    """A workflow file that cannot be read."""

    path: str
    reason: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Workflows:
    """What was found in a repository."""

    files: tuple[WorkflowFile, ...] = ()
    """Only files that use membudget."""
    unreadable: tuple[UnreadableWorkflow, ...] = ()
    """Only files that mention membudget, or that are too large or unreadable to tell."""


def read_workflows(top: Path) -> Workflows:
    """Return the workflows below `top` that use membudget. Never raises for what a file contains."""
    paths = [str(path.relative_to(top)) for folder in FOLDERS for path in _workflow_paths(top, folder)]
    found: list[WorkflowFile | UnreadableWorkflow | None] = []
    left = _MOST_BYTES
    for path in paths[:_MOST_FILES]:
        data = _content(top, path)
        if isinstance(data, bytes) and _NAME in data.lower():
            left -= len(data)
        if left < 0:
            found.append(UnreadableWorkflow(path, f"more than {_MOST_BYTES >> 20} MiB of workflows were read before"))
            break
        found.append(_parsed(data, path))
    return Workflows(
        tuple(file for file in found if isinstance(file, WorkflowFile) and file.uses),
        tuple(file for file in found if isinstance(file, UnreadableWorkflow)),
    )


def is_workflow(path: str) -> bool:
    """Whether a path from the top of a repository is where runners look for workflows."""
    folder, _, name = path.rpartition("/")
    return folder in FOLDERS and name.endswith((".yml", ".yaml"))


def read_workflow(top: Path, path: str) -> WorkflowFile | UnreadableWorkflow | None:
    """Return one workflow file, or why it cannot be read. None if it does not mention membudget."""
    return _parsed(_content(top, path), path)


def _content(top: Path, path: str) -> bytes | UnreadableWorkflow:
    try:
        real = (top / path).resolve(strict=True)
        if not real.is_relative_to(top.resolve()):
            return UnreadableWorkflow(path, "it is a link that leads out of the repository")
        data = read_plain(real, LARGEST_WORKFLOW_BYTES)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        return UnreadableWorkflow(path, reason or "the path is invalid")
    if len(data) > LARGEST_WORKFLOW_BYTES:
        return UnreadableWorkflow(path, f"it is larger than {LARGEST_WORKFLOW_BYTES // 1024} KiB")
    return data


def _parsed(data: bytes | UnreadableWorkflow, path: str) -> WorkflowFile | UnreadableWorkflow | None:
    if isinstance(data, UnreadableWorkflow):
        return data
    if _NAME not in data.lower():
        return None
    try:
        return parse_workflow(data.decode(), path)
    except UnicodeDecodeError as error:
        return UnreadableWorkflow(path, f"it is not UTF-8 text: {error.reason} at byte {error.start}")
    except InvalidYaml as error:
        return UnreadableWorkflow(path, error.reason, error.line, error.column)


def parse_workflow(text: str, path: str) -> WorkflowFile:
    """Return what a workflow does with membudget. Raises InvalidYaml."""
    root = next(iter(documents(text)), None)
    permissions = _permissions(get(root, "permissions"))
    uses = tuple(islice(_uses(root, permissions, text.split("\n")), _MOST_USES + 1))
    if len(uses) > _MOST_USES:
        place_of = uses[-1].what
        raise InvalidYaml(f"it uses membudget more than {_MOST_USES} times", place_of.line, place_of.column)
    return WorkflowFile(
        path,
        scalar(get(root, "name")),
        {trigger.name.text: trigger for trigger in _triggers(get(root, "on"))},
        permissions,
        uses,
    )


def _workflow_paths(top: Path, folder: str) -> list[Path]:
    try:
        return sorted(path for path in (top / folder).iterdir() if path.suffix in (".yml", ".yaml"))
    except OSError:
        return []


def _uses(root: Node | None, of_workflow: Permissions | None, lines: list[str]) -> Iterator[WorkflowUse]:
    seen = 0
    for name, node in entries(get(root, "jobs")):
        seen += 1
        own = _permissions(get(node, "permissions"))
        job = Job(name, scalar(get(node, "runs-on")), own if own is not None else of_workflow)
        called = _use(node, job, (), lines)
        if called is not None:
            yield called
        checkouts: tuple[UsesStep, ...] = ()
        for step in items(get(node, "steps")):
            run = scalar(get(step, "run"))
            seen += 1 + (len(run.text) // 1000 if run is not None else 0)
            if seen > _MOST_STEPS:
                raise InvalidYaml(f"it has more than {_MOST_STEPS:,} jobs and steps", *place(step))
            found = _use(step, job, checkouts, lines)
            if found is not None:
                yield found
            if run is not None and "membudget" in run.text:
                yield from _commands(run, job, checkouts)
            checkouts += tuple(_checkout(step))


def _use(node: Node, job: Job, checkouts: tuple[UsesStep, ...], lines: list[str]) -> WorkflowUse | None:
    uses = scalar(get(node, "uses"))
    matched = _USES.fullmatch(uses.text.strip()) if uses is not None else None
    if uses is None or matched is None or matched["repository"].lower() != "membudget":
        return None
    kind = UseKind.ACTION
    if (path := matched["path"]) is not None and path.startswith(".github/workflows/"):
        called = path.rpartition("/")[2]
        if called not in (UseKind.CHECK, UseKind.REPORT):
            return None
        kind = UseKind(called)
    comment = re.search(r"\s#\s*(\S+)", lines[uses.line - 1][uses.column - 1 :]) if uses.line <= len(lines) else None
    return WorkflowUse(
        kind,
        uses,
        job,
        _inputs(get(node, "with")),
        checkouts,
        matched["ref"],
        comment[1] if comment is not None else None,
    )


def _checkout(step: Node) -> Iterator[UsesStep]:
    uses = scalar(get(step, "uses"))
    matched = _USES.fullmatch(uses.text.strip()) if uses is not None else None
    if uses is not None and matched is not None and matched["repository"] == "checkout":
        yield UsesStep(uses, _inputs(get(step, "with")))


def _commands(run: Text, job: Job, checkouts: tuple[UsesStep, ...]) -> Iterator[WorkflowUse]:
    """Yield each call of the command line in a script."""
    script = run.text.replace("\\\n", "  ")  # as long as before, so that lines can be counted
    for matched in _COMMAND.finditer(script):
        before = run.text[: matched.start("command")]
        line = run.line + before.count("\n") + (1 if run.is_block else 0)
        words = f"membudget {matched['command']}{matched['arguments']}"
        what = Text(" ".join(words.split()), line, run.column if line == run.line else 1)
        yield WorkflowUse(UseKind.COMMAND, what, job, checkouts=checkouts, command=matched["command"])


def _inputs(node: Node | None) -> dict[str, Input]:
    return {name.text: Input(name, scalar(value)) for name, value in islice(entries(node), _MOST_INPUTS)}


def _permissions(node: Node | None) -> Permissions | None:
    if node is None:
        return None
    whole = scalar(node)
    if whole is not None:
        right = {"read-all": "read", "write-all": "write"}.get(whole.text)
        return Permissions(*place(node), all=right) if right is not None else None
    given = ((name.text, scalar(value)) for name, value in islice(entries(node), _MOST_INPUTS))
    scopes = {name: right for name, right in given if right is not None}
    return Permissions(*place(node), scopes=scopes)


def _triggers(node: Node | None) -> Iterator[Trigger]:
    """Yield the triggers of `on`, which is a name, a list of names, or a mapping."""
    for one in [node, *items(node)]:
        name = scalar(one)
        if name is not None and not name.is_null:
            yield Trigger(name)
    for name, settings in islice(entries(node), _MOST_INPUTS):
        lists = {}
        for key, value in islice(entries(settings), _MOST_INPUTS):
            single = scalar(value)
            given = [single] if single is not None else [scalar(item) for item in items(value)[:_MOST_INPUTS]]
            lists[key.text] = tuple(text for text in given if text is not None)
        yield Trigger(name, lists)
