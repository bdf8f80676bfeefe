"""Wires the history: where it is kept, with which token, and how the figures of a report get there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.git_remote import Credentials
from membudget.build.history_folder import FolderHistory
from membudget.build.history_place import DEFAULT_PLACE, HistoryPlace
from membudget.cli.action import ActionInputs
from membudget.core.errors import ConfigurationError, MembudgetError
from membudget.history.line import LARGEST_NOTE_BYTES, HistoryLine, SkippedLines, read_lines
from membudget.history.record import MeasuredCommit, lines_of, machine_class
from membudget.publish.server import Server
from membudget.publish.workflow import warn
from membudget.report.report import Environment, Report

HistoryStore = GitHistory | FolderHistory

_GITHUB = "https://github.com"


@dataclass(frozen=True, slots=True)
class HistorySource:
    """Where the history is read."""

    place: HistoryPlace = DEFAULT_PLACE
    token: SecretStr = SecretStr("")
    is_offline: bool = False
    """Whether only this clone's own lines are read."""


def credentials_of(token: SecretStr) -> Credentials:
    """Return the credentials that only the server of the job gets."""
    return Credentials((os.environ.get("GITHUB_SERVER_URL") or _GITHUB).rstrip("/"), token)


def store_of(repository: GitRepository, place: HistoryPlace, token: SecretStr) -> HistoryStore:
    """Return the store of a place. Only the server of the job gets the token."""
    if not place.is_ref:
        return FolderHistory(Path(place.name))
    return GitHistory(repository, place, credentials_of(token))


def need_all_commits(repository: GitRepository, where: str, lack: str) -> None:
    """Raise ConfigurationError if the clone is shallow. `lack` says what is then not known."""
    if repository.is_shallow():
        raise ConfigurationError(
            f"this clone is shallow, so {lack}", where=where, fix="give actions/checkout the line `fetch-depth: 0`"
        )


def machine_of(environment: Environment) -> str:
    """Return the class of the machine that measured."""
    return machine_class(environment.platform, environment.cgroup_version, environment.cpus)


def lines_of_report(report: Report, where: str) -> list[HistoryLine]:
    """Return the lines of a report, which a stranger may have written.

    Raises ConfigurationError if no check can have found its figures. Nobody could read them again.
    """
    environment, head = report.environment, report.comparison.head.sha
    measured = MeasuredCommit(head, report.started_at, machine_of(environment), report.membudget_version)
    try:
        lines = lines_of(measured, report.images)
    except ValueError as error:
        raise ConfigurationError(f"no check can have found its figures: {error}", where=where) from None
    skipped = SkippedLines()
    usable = read_lines(head, text_of(lines), datetime.now(UTC), skipped)
    if len(usable) < len(lines):
        raise ConfigurationError("its figures contradict each other, or its time is in the future", where=where)
    return lines


def text_of(lines: list[HistoryLine]) -> bytes:
    """Return lines as they are kept. Raises ConfigurationError if they are more than one commit may have."""
    text = b"".join(line.text() + b"\n" for line in lines)
    if len(text) > LARGEST_NOTE_BYTES:
        raise ConfigurationError(f"the history keeps at most {LARGEST_NOTE_BYTES:,} bytes of one commit")
    return text


def keep(store: HistoryStore, lines: Mapping[str, bytes], *, pushes: bool) -> None:
    """Add lines to a store, by commit. Raises EnvironmentFault, and ConfigurationError if nothing can be pushed."""
    if pushes:
        pushable(store).push(lines)
    else:
        store.append(lines)


def pushable(store: HistoryStore) -> GitHistory:
    """Return a store that can push. Raises ConfigurationError."""
    if not isinstance(store, GitHistory):
        raise ConfigurationError("--push is for notes and branches", fix="leave it out: the folder has the lines")
    if not store.has_remote:
        raise ConfigurationError("there is no remote `origin` to push to", fix="leave out --push")
    return store


def keep_pushed(report: Report, inputs: ActionInputs, server: Server) -> None:
    """Keep the figures of a report, if the event is a push to the default branch and the workflow wants that.

    The event says which commit was pushed, not the report, which may come from another run. Failing to keep the
    figures changes no verdict. It is a warning.
    """
    commit = server.event().main_commit
    if not inputs.records_history or commit is None:
        return
    if not server.has_token:
        warn("the figures of this push are not kept: record-history needs a token")
        return
    if report.comparison.head.sha != commit:
        warn(f"the figures of this push are not kept: the report is about another commit than {commit[:12]}")
        return
    try:
        lines = lines_of_report(report, inputs.report)
        if lines:
            repository, place = GitRepository(Path.cwd()), inputs.history_place
            keep(store_of(repository, place, inputs.github_token), {commit: text_of(lines)}, pushes=place.is_ref)
    except MembudgetError as error:
        warn(f"the figures of this push are not kept: {error}")
