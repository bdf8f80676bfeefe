"""Keeps the figures of a push to the default branch. Only the job that holds the token does this.

The event says which commit was pushed. The report may come from another run, and its figures are read as those of a
stranger: see `lines_of_report`.
"""

from pathlib import Path

from membudget.build.git import GitRepository
from membudget.cli.action import ActionInputs
from membudget.cli.history_store import keep, lines_of_report, store_of, text_of
from membudget.core.errors import MembudgetError
from membudget.publish.server import Server
from membudget.publish.workflow import warn
from membudget.report.report import Report


def keep_pushed(report: Report, inputs: ActionInputs, server: Server) -> None:
    """Keep the figures of a report, if the event is a push to the default branch and the workflow wants that.

    Failing to keep them changes no verdict. It is a warning.
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
