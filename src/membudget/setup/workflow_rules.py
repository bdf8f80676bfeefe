"""The rules for workflows that use membudget, which `doctor` and `validate` hold them against.

docs/pull-requests.md says what is right, and why.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.manifests.yaml_text import Text
from membudget.setup.doctor import CheckState
from membudget.setup.workflow_files import Permissions, Trigger, UseKind, WorkflowFile, Workflows, WorkflowUse

_MOST_NAMED = 3
_REPORT_ARTIFACT = "membudget-report"
RELEASE = re.compile(r"v\d+\.\d+\.\d+", re.ASCII)
"""The tag of one release, as `init` writes it. `v1` is none: it moves on with each release."""
LS_REMOTE = "git ls-remote https://github.com/membudget/membudget"
_USUAL_TYPES = ("opened", "synchronize", "reopened")
"""What starts a workflow on pull_request that names no types."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with a use of membudget."""

    path: str
    line: int
    column: int
    state: CheckState
    what: Parts
    fix: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A use of membudget, and its file."""

    file: WorkflowFile
    use: WorkflowUse

    def complaint(self, state: CheckState, *what: Part, fix: str, at: Text | Permissions | None = None) -> Complaint:
        place = at or self.use.what
        return Complaint(self.file.path, place.line, place.column, state, what, fix)

    @property
    def measures(self) -> bool:
        """Whether images are built and measured."""
        return self.use.kind is UseKind.CHECK or self.command in ("check", "action")

    @property
    def reports(self) -> bool:
        """Whether what another run measured is posted."""
        return self.use.kind is UseKind.REPORT or self.command == "report"

    @property
    def is_called(self) -> bool:
        """Whether another workflow calls this one, and decides when it starts, and with which rights."""
        return "workflow_call" in self.file.triggers

    @property
    def command(self) -> str | None:
        """The command: the action's input, or that of a command line."""
        if self.use.kind is UseKind.ACTION:
            return self.use.value("command") or "check"
        return self.use.command


def _triggers(found: _Found) -> Iterator[Complaint]:
    triggers = found.file.triggers
    if found.is_called:
        return
    if found.reports and "workflow_run" not in triggers:
        what = "posts the report of another run, but does not start on workflow_run"
        yield found.complaint(CheckState.FAILED, what, fix="start it on workflow_run (docs/pull-requests.md)")
    if not found.measures:
        return
    target, pull_request = triggers.get("pull_request_target"), triggers.get("pull_request")
    if target is not None:
        what = "pull_request_target gives a stranger's code a token that may write"
        fix = "measure on pull_request, and report on workflow_run (docs/pull-requests.md)"
        yield found.complaint(CheckState.FAILED, what, fix=fix, at=target.name)
    elif pull_request is None:
        yield found.complaint(CheckState.WARNING, "does not start on pull_request", fix="add `pull_request:` to `on:`")
    if pull_request is not None:
        yield from _pull_request(found, pull_request)


def _pull_request(found: _Found, trigger: Trigger) -> Iterator[Complaint]:
    at = trigger.name
    if "paths" in trigger.lists or "paths-ignore" in trigger.lists:
        what = "a path filter leaves a required check waiting forever"
        yield found.complaint(CheckState.WARNING, what, fix="leave the filter out; set `paths` in budgets.toml", at=at)
    given = tuple(text.text for text in trigger.lists.get("types", ()))
    lacking = [one for one in ("opened", "synchronize") if one not in (given or _USUAL_TYPES)]
    if lacking:
        what = f"pull requests are not checked when they are {' or '.join(lacking)}"
        yield found.complaint(CheckState.FAILED, what, fix=_TYPES, at=at)
    elif "labeled" not in given:
        what = "a label that approves looser budgets starts no run"
        yield found.complaint(CheckState.WARNING, what, fix=_TYPES, at=at)


_TYPES = "types: [opened, synchronize, reopened, edited, labeled, unlabeled]"


def _fetch_depth(found: _Found) -> Iterator[Complaint]:
    use, keeps = found.use, found.use.kind is UseKind.ACTION and found.command == "backfill"
    if use.kind is UseKind.CHECK or not (found.measures or keeps):
        return
    if not use.checkouts:
        yield found.complaint(
            CheckState.FAILED, "no step before it checks the repository out", fix="add actions/checkout"
        )
        return
    step = use.checkouts[-1]
    given = step.value("fetch-depth")
    if given is None and "fetch-depth" not in step.inputs:
        given = "1"
    if given is None or not given.strip().isdecimal():
        return  # an expression: only the runner knows
    depth, at = int(given), step.uses
    if keeps:
        if depth > 0:
            what = "the checkout lacks commits that the history is about"
            yield found.complaint(CheckState.FAILED, what, fix="give it `fetch-depth: 0`", at=at)
        return
    brings_several = {"push", "merge_group"} & set(found.file.triggers)
    has_ref = step.value("ref") is not None
    if depth == 1:
        wanted = 0 if brings_several or has_ref else 2
        what = "the checkout has one commit, and lacks the base"
        yield found.complaint(CheckState.FAILED, what, fix=f"give it `fetch-depth: {wanted}`", at=at)
    elif depth > 1 and (brings_several or has_ref):
        why = "a checkout with `ref`" if has_ref else f"on {' and '.join(sorted(brings_several))}, the base"
        what = f"{why} may need more than {depth} commits"
        yield found.complaint(CheckState.WARNING, what, fix="give it `fetch-depth: 0`", at=at)


def _permissions(found: _Found, around: "_Around") -> Iterator[Complaint]:
    needed = dict(_needed(found, has_reporter=around.has_reporter))
    permissions = found.use.job.permissions
    if not needed:
        return
    written = "; ".join(f"{scope}: {right}" for scope, right in needed.items())
    if permissions is None:
        if found.is_called:
            return
        fix = f"permissions: {written}"
        yield found.complaint(CheckState.WARNING, "no permissions are set, so the repository's setting counts", fix=fix)
        return
    if permissions.all == "write":
        what = "write-all gives the job more than it needs"
        yield found.complaint(CheckState.WARNING, what, fix=f"permissions: {written}", at=permissions)
        return
    lacking = [scope for scope, right in needed.items() if _rank(permissions.of(scope)) < _rank(right)]
    if lacking:
        # without the right to read, a private repository cannot be checked out; without others nothing is posted
        is_grave = "contents" in lacking or "actions" in lacking
        rights = ", ".join(f"{scope}: {needed[scope]}" for scope in lacking)
        state = CheckState.FAILED if is_grave else CheckState.WARNING
        yield found.complaint(state, f"the job lacks {rights}", fix=f"permissions: {written}", at=permissions)
    if found.use.kind is UseKind.CHECK:
        surplus = [scope for scope, right in permissions.scopes.items() if right.text == "write"]
        if surplus:
            what = "the job runs the pull request's code, and may write "
            scopes = Quoted(", ".join(surplus))
            yield found.complaint(CheckState.WARNING, what, scopes, fix="permissions: contents: read", at=permissions)


def _needed(found: _Found, *, has_reporter: bool) -> Iterator[tuple[str, str]]:
    """Yield the scopes that a job needs, and the right to each."""
    use = found.use
    if found.reports:
        yield "actions", "read"
    elif use.kind is UseKind.CHECK or use.checkouts or found.measures:
        yield "contents", "read"
    if use.value("record-history") == "true" or (use.kind is UseKind.ACTION and found.command == "backfill"):
        yield "contents", "write"  # the notes
    posts = found.reports or (found.command in ("check", "merge") and use.kind is UseKind.ACTION and not has_reporter)
    if not posts or use.value("shard"):
        return
    if use.value("comment") != "off":
        yield "pull-requests", "write"
    if use.value("status") in ("status", "check"):
        yield ("statuses" if use.value("status") == "status" else "checks"), "write"


def _rank(right: str) -> int:
    return {"read": 1, "write": 2}.get(right, 0)


def _pins(found: _Found) -> Iterator[Complaint]:
    use = found.use
    if use.ref is None or use.is_pinned or RELEASE.fullmatch(use.ref):
        return
    if not use.ref.strip("0"):
        what = "the zeros are a placeholder for a commit"
        fix = f"write the commit of a release: {LS_REMOTE} prints it"
        yield found.complaint(CheckState.FAILED, what, fix=fix)
        return
    fix = f"name a release's tag or commit: {LS_REMOTE} prints them"
    yield found.complaint(CheckState.WARNING, Quoted(f"@{use.ref}"), " is no release: what it names changes", fix=fix)


@dataclass(frozen=True, slots=True)
class _Around:
    """What all workflows of the repository have, for which each use is held against the others."""

    has_reporter: bool
    measuring: tuple[str, ...]
    """The names of the workflows that measure."""
    refs: frozenset[str | None]
    """The revisions of check.yml that are called."""
    artifacts: frozenset[str]
    """The names under which check.yml keeps reports."""

    @classmethod
    def of(cls, workflows: Workflows) -> "_Around":
        uses = list(_uses(workflows))
        measuring = [one.file for one in uses if one.measures]
        called = [one.use for one in uses if one.use.kind is UseKind.CHECK]
        return cls(
            any(one.reports for one in uses),
            tuple(dict.fromkeys(file.name.text if file.name is not None else file.path for file in measuring)),
            frozenset(use.ref for use in called),
            frozenset(use.value("artifact") or _REPORT_ARTIFACT for use in called),
        )


def _forks(found: _Found, around: _Around) -> Iterator[Complaint]:
    if found.reports:
        yield from _reporter(found, around)
    elif found.use.kind is UseKind.CHECK and not around.has_reporter:
        fix = "add the workflow that calls report.yml (docs/pull-requests.md)"
        yield found.complaint(CheckState.WARNING, "nothing posts what it measures", fix=fix)


def _reporter(found: _Found, around: _Around) -> Iterator[Complaint]:
    """Yield what is wrong with the half that posts. It has a token that may write, and must not run anything."""
    use = found.use
    if use.checkouts:
        what = "the job with the write token checks out code"
        at = use.checkouts[0].uses
        yield found.complaint(CheckState.FAILED, what, fix="remove the checkout: report needs none", at=at)
    trigger = found.file.triggers.get("workflow_run")
    if trigger is None:
        return  # the check of triggers says so
    at = trigger.name
    awaited = [text.text for text in trigger.lists.get("workflows", ())]
    names = around.measuring
    if not names:
        yield found.complaint(
            CheckState.FAILED, "no workflow measures what it would post", fix="add the one that measures"
        )
    elif not set(awaited).intersection(names):
        waits: Parts = ("it waits for ", Quoted(", ".join(awaited) or "no workflow"))
        measures: Parts = (", but the workflow that measures is called ", Quoted(names[0]))
        yield found.complaint(CheckState.FAILED, *waits, *measures, fix="name that workflow under workflow_run", at=at)
    if use.kind is UseKind.REPORT and around.refs and use.ref not in around.refs:
        what = "it is of another version than the workflow that measures"
        yield found.complaint(CheckState.WARNING, what, fix="name the same commit in both workflows")
    kept = around.artifacts
    wanted = use.value("artifact") or _REPORT_ARTIFACT
    if kept and wanted not in kept:
        reads: Parts = (
            "it reads the artifact ",
            Quoted(wanted),
            ", but the other workflow keeps ",
            Quoted(", ".join(sorted(kept))),
        )
        yield found.complaint(CheckState.FAILED, *reads, fix="give both the same `artifact`")


def triggers(workflows: Workflows) -> list[Complaint]:
    """Return what is wrong with the events that start workflows."""
    return _of_each(workflows, _triggers)


def fetch_depth(workflows: Workflows) -> list[Complaint]:
    """Return the checkouts that lack the commit to compare with."""
    return _of_each(workflows, _fetch_depth)


def permissions(workflows: Workflows) -> list[Complaint]:
    """Return the jobs that lack rights, or have more than they need."""
    return _of_each(workflows, partial(_permissions, around=_Around.of(workflows)))


def pins(workflows: Workflows) -> list[Complaint]:
    """Return the versions of membudget that may change."""
    return _of_each(workflows, _pins)


def forks(workflows: Workflows) -> list[Complaint]:
    """Return the workflows for pull requests from forks that do not fit each other."""
    return _of_each(workflows, partial(_forks, around=_Around.of(workflows)))


def complaints(workflows: Workflows) -> Iterator[Complaint]:
    """Yield what any of these finds wrong."""
    for rule in (triggers, fetch_depth, permissions, pins, forks):
        yield from rule(workflows)


def has_reporter(workflows: Workflows) -> bool:
    """Return whether a workflow posts what another one measures."""
    return any(found.reports for found in _uses(workflows))


def _of_each(workflows: Workflows, rule: Callable[["_Found"], Iterable[Complaint]]) -> list[Complaint]:
    return [complaint for found in _uses(workflows) for complaint in rule(found)]


def _uses(workflows: Workflows) -> Iterator[_Found]:
    for file in workflows.files:
        for use in file.uses:
            yield _Found(file, use)
