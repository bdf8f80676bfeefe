"""Runs `membudget history steps --tell`: reports steps that another job has measured again."""

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.cli.history_store import HistoryStore, keep
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.history.step_line import StepLine, StepOutcome, places_of
from membudget.publish.comment import IssueServer
from membudget.publish.pull_request import NotPosted
from membudget.publish.server import Server
from membudget.publish.servers import registry
from membudget.publish.steps import TellWhere, tell, told_step
from membudget.publish.steps_file import read_steps
from membudget.publish.workflow import show_lines, warn
from membudget.report.formats.steps import render_text
from membudget.report.step_words import ToldStep, step_title
from membudget.report.steps_report import StepReport
from membudget.version import VERSION

_SKEW_S = 86_400
"""How wrong the clock of whoever commits may be."""
_PAUSE_S = 2.0
"""How long a server may take to show what it did not confirm."""


def tell_steps(
    options: argparse.Namespace, repository: GitRepository, store: HistoryStore, token: SecretStr
) -> ExitCode:
    """Report the confirmed steps of a file, and keep what came of all of them.

    A step that could not be reported is not kept, so that the next run measures and reports it.
    """
    where, path = TellWhere(options.tell), Path(options.results)
    server = registry.server(os.environ, token)
    _check(server, where)
    report = read_steps(path)
    commits = main_commits(repository, options.revision)[::-1]
    places = places_of([commit.sha for commit in commits])
    there: list[StepReport] = []
    lost = 0
    proven: dict[tuple[str, str], list[ToldStep]] = {}
    for step in report.steps:
        if step.until not in places or places.get(step.since, len(places)) >= places[step.until]:
            warn(f"a step of {step.image} is skipped: its commits are not on the branch of {options.revision}")
            lost += step.outcome is StepOutcome.CONFIRMED
            continue
        if step.outcome is StepOutcome.CONFIRMED:
            told = told_step(step, commits, places, server.commit_link if server.has_token else lambda _: None)
            if told is None:
                warn(f"a step of {step.image} is not told: the figures do not prove it")
                continue
            show_lines(render_text(told))
            proven.setdefault((step.image, step.until), []).append(told)
        there.append(step)
    issues = server.issues(_oldest(proven.values())) if where is TellWhere.ISSUE else None
    failed = {about for about, told_of_it in proven.items() if not _told(told_of_it, server, issues, where)}
    lines: dict[str, bytes] = {}
    for step in there:
        if (step.image, step.until) not in failed or step.outcome is not StepOutcome.CONFIRMED:
            lines[step.until] = lines.get(step.until, b"") + step_line(step, report.machine).text() + b"\n"
    if lines:
        keep(store, lines, pushes=options.push)
    if failed:
        raise EnvironmentFault(f"{len(failed)} reports were not written; the warnings above say why")
    if lost:
        raise EnvironmentFault(
            f"confirmed steps that were not told: {lost}; the warnings above say why",
            fix="measure and tell with a clone of the same branch",
        )
    return ExitCode.WITHIN_BUDGET


def _check(server: Server, where: TellWhere) -> None:
    """Raise ConfigurationError if the server cannot be told in this way."""
    if where is TellWhere.NOTHING:
        return
    if not server.has_token:
        raise ConfigurationError(f"--tell {where} needs a token", fix="set GITHUB_TOKEN")
    if (server.issues(None) if where is TellWhere.ISSUE else server.commit_comments("0" * 40)) is None:
        other = TellWhere.ISSUE if where is TellWhere.COMMIT else TellWhere.NOTHING
        what = "comments on commits" if where is TellWhere.COMMIT else "issues"
        raise ConfigurationError(f"{server.name} has no {what} that membudget can write", fix=f"use --tell {other}")


def _oldest(told: Iterable[Sequence[ToldStep]]) -> datetime | None:
    """Return a time before which no issue about these commits can be. None if the times of commits do not say.

    Whoever commits sets the time, so the commit before the step counts as well, and one in the future says nothing.
    """
    times = [min(one.since.commit.time_s, one.until.commit.time_s) for steps in told for one in steps]
    latest = max((one.until.commit.time_s for steps in told for one in steps), default=0)
    if not times or not 0 <= min(times) - _SKEW_S <= latest <= time.time():
        return None
    return datetime.fromtimestamp(min(times) - _SKEW_S, UTC)


def _told(told: Sequence[ToldStep], server: Server, issues: IssueServer | None, where: TellWhere) -> bool:
    """Report the steps of an image at one commit. Return whether the report is there now."""
    if where is TellWhere.NOTHING:
        return True
    sha = told[0].until.commit.sha
    connected = issues.titled(step_title(told)) if issues is not None else server.commit_comments(sha)
    if connected is None:
        return False
    outcome = tell(told, connected, lambda: time.sleep(_PAUSE_S))
    what = "issue" if where is TellWhere.ISSUE else "comment"
    if isinstance(outcome, NotPosted):
        warn(f"no {what} was written: {outcome.reason}")
        return outcome.is_wanted
    done = "created" if outcome.created else "updated" if outcome.written else "is current"
    print(f"{what} {done}: {outcome.url}")
    return True


def step_line(step: StepReport, machine: str) -> StepLine:
    """Return the line of the history about a search. `machine` is the class of the one that measured."""
    return StepLine(
        image=step.image,
        metric=step.metric,
        commit=step.until,
        since=step.since,
        outcome=step.outcome,
        time=datetime.now(UTC),
        machine=machine,
        membudget=VERSION,
        skipped=tuple(one.sha for one in step.skipped),
        whole=step.whole if step.whole != (step.since, step.until) else None,
        is_spread=step.is_spread,
    )
