"""Use case: publish a report to the workflow, the pull request and its head commit.

This code holds the token. It takes only figures and quoted text from the report, and judges and renders them itself.
The event, not the file, says which pull request this is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from membudget.budgets.lines import KeyLines
from membudget.budgets.loosening import Approval
from membudget.core.definition import Unit
from membudget.core.metrics import HEADLINES
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import printable
from membudget.judge.measurement import Presence
from membudget.judge.metric import Row, Verdict, worst
from membudget.judge.whole import ExitPolicy, Judgement
from membudget.publish.approval_label import approval_line
from membudget.publish.comment import (
    COMMENTS_ARE_OFF,
    Commenter,
    CommentMode,
    CommentSettings,
    Draft,
    as_returned,
    hidden_lines,
)
from membudget.publish.commit_state import CommitState, CommitStates, annotations, state_of
from membudget.publish.pull_request import LinesOfFile, NotPosted, Posted, PullRequest, WorkflowRun
from membudget.publish.server import Capabilities
from membudget.publish.suggestions import Suggested, SuggestionServer, keep_suggestions
from membudget.report.formats import past_runs
from membudget.report.formats.markdown import LONGEST_SUMMARY, Told
from membudget.report.formats.suggestions import suggestions
from membudget.report.headline import verdict_line
from membudget.report.report import JudgedReport, Report

_LEAST_SHARE = 0.01
_LEAST_BYTES = MIB


def has_changes(result: JudgedReport) -> bool:
    """Return whether there is something to say.

    There is if the check does not simply pass, if an image or a budget was added, removed or loosened, or if a figure
    changed by more than its noise.
    """
    if result.judgement.verdict is not Verdict.PASS or result.report.loosened:
        return True
    if any(image.presence in (Presence.NEW, Presence.REMOVED) for image in result.report.images):
        return True
    rows = [row for image in result.judgement.images for row in image.rows]
    return any(_moved(row) for row in rows + [row for group in result.judgement.groups for row in group.rows])


def _moved(row: Row) -> bool:
    """Return whether a figure changed by more than noise, and by 1 % or 1 MiB. Every build differs in some bytes."""
    if row.metric not in HEADLINES and not row.budget.is_set:
        return False
    if row.delta is None or row.base is None or row.base.value is None:
        return False
    change = abs(row.delta)
    is_much = change >= _LEAST_SHARE * row.base.value
    is_much = is_much or (row.metric.definition.unit is Unit.BYTES and change >= _LEAST_BYTES)
    return change > (row.margin or 0) and is_much


RunLink = Callable[[WorkflowRun], str]
"""Returns the address of a workflow run."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to publish, in addition to the workflow. None if that is not possible."""

    pull_request: PullRequest | None
    commenter: Commenter | None
    """None without a token."""
    settings: CommentSettings
    run: WorkflowRun | None = None
    """The run that measured."""
    run_link: RunLink = lambda run: f"../actions/runs/{run.id}"
    commit: CommitStates | None = None
    """None if no state of the commit is wanted, or if it cannot be set."""
    capabilities: Capabilities = Capabilities()
    """The server's."""
    policy: ExitPolicy = ExitPolicy()
    """Decides the commit's state in the same way as the exit code."""
    records_approval: bool = True
    """Whether this run wrote the report itself, so that the comment may record what was approved."""
    lines: KeyLines | None = None
    """The lines of the head's budgets file, if that is available."""
    suggestions: SuggestionServer | None = None
    """Where changes to manifests are suggested. None if the server has no such place."""


@dataclass(frozen=True, slots=True)
class Published:
    """The results of publishing."""

    comment: Posted | NotPosted
    commit: Posted | NotPosted | None
    suggestions: Suggested | NotPosted | None = None
    """None if there is nothing to suggest, or no comment."""


class Workflow(Protocol):
    """The workflow step that runs membudget: its summary, outputs and annotations."""

    def summary(self, markdown: str) -> None:
        """Append to the step summary."""

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set step outputs."""

    def annotate(self, title: str, message: str, place: LinesOfFile | None = None) -> None:
        """Add an error annotation, at lines of a file if they are known."""


def run(result: JudgedReport, report_path: str, workflow: Workflow, destination: Destination) -> Published:
    """Publish everywhere. A failure in one place does not affect the others."""
    told = Told.of(result)
    workflow.summary(told.text(LONGEST_SUMMARY))
    workflow.outputs(_outputs(result.judgement, report_path))
    remarks = annotations(result, destination.lines)
    for remark in remarks:
        workflow.annotate(remark.title, remark.message, remark.place)
    commit = None
    if destination.commit is not None:
        commit = destination.commit.tell(
            CommitState(
                state_of(destination.policy.exit_code(result.judgement)),
                verdict_line(result),
                told.within_bytes(destination.capabilities.longest_check_summary_bytes),
                remarks,
            )
        )
    comment = _comment(result, told, destination)
    return Published(comment, commit, _suggest(result, destination, comment))


def _comment(result: JudgedReport, told: Told, destination: Destination) -> Posted | NotPosted:
    if destination.pull_request is None:
        return NotPosted("this run is not for a pull request", is_wanted=True)
    if destination.settings.mode is CommentMode.OFF:
        return COMMENTS_ARE_OFF
    if destination.commenter is None:
        return NotPosted("there is no token")
    return destination.commenter.post(destination.pull_request, _draft(result, told, destination))


def _suggest(
    result: JudgedReport, destination: Destination, comment: Posted | NotPosted
) -> Suggested | NotPosted | None:
    """Suggest changes to manifests at lines of the diff, if there is a comment, which shows all of them."""
    server, run, settings = destination.suggestions, destination.run, destination.settings
    if server is None or run is None or result.report.manifests is None or isinstance(comment, NotPosted):
        return None
    wanted = suggestions(result.judgement.manifests)
    may_create = _is_worth_creating(result, settings.mode)
    return keep_suggestions(server, wanted, settings.key, run.head_sha, may_create=may_create)


def _draft(result: JudgedReport, told: Told, destination: Destination) -> Draft:
    settings, run = destination.settings, destination.run
    approved = _approved(result.report) if destination.records_approval else None

    def link(one: past_runs.PastRun) -> str:
        return destination.run_link(WorkflowRun(one.id, one.number, one.attempt, one.head))

    def page(marker: str, runs: tuple[past_runs.PastRun, ...]) -> str:
        """Return the comment: hidden lines, then the report with its earlier runs."""
        hidden = "".join(
            f"{line}\n" for line in (marker, past_runs.encode(runs) if runs else None, approved) if line is not None
        )
        written_by = settings.written_by(marker)
        shown = told.text(
            destination.capabilities.longest_comment - len(hidden),
            run_url=destination.run_link(written_by) if written_by is not None else None,
            history=past_runs.render(runs, link),
        )
        return hidden + shown

    def body(existing: str | None) -> str:
        earlier = _recorded(existing)
        if run is None:
            return page(settings.marker(None), earlier)
        now = past_runs.PastRun(
            head=run.head_sha[: past_runs.HEAD_CHARACTERS],
            verdict=result.judgement.verdict,
            result=printable(verdict_line(result), past_runs.LONGEST_RESULT),
            id=run.id,
            number=run.number,
            attempt=run.attempt,
        )
        return page(settings.marker(run), past_runs.carried_on(earlier, now))

    def is_same(existing: str) -> bool:
        return as_returned(page(existing.partition("\n")[0], _recorded(existing))) == as_returned(existing)

    return Draft(settings, run, _is_worth_creating(result, settings.mode), body, is_same)


def _approved(report: Report) -> str | None:
    """Return the hidden line that records what was approved."""
    if report.approval is not Approval.GIVEN or report.approval_digest is None:
        return None
    return approval_line(report.approval_digest)


def _recorded(existing: str | None) -> tuple[past_runs.PastRun, ...]:
    lines = hidden_lines(existing or "")
    return past_runs.decode(lines[1]) if len(lines) > 1 else ()


def _is_worth_creating(result: JudgedReport, mode: CommentMode) -> bool:
    match mode:
        case CommentMode.CHANGES:
            return has_changes(result)
        case CommentMode.FAILURES:
            return not result.judgement.verdict.passes
        case _:
            return mode is CommentMode.ALWAYS


def _outputs(judgement: Judgement, report_path: str) -> dict[str, str]:
    images = {f"verdict-{image.name}": image.verdict.value for image in judgement.images}
    for gap in judgement.gaps:
        if gap.image is not None:
            of_image = [image.verdict for image in judgement.images if image.name == gap.image]
            images[f"verdict-{gap.image}"] = worst([*of_image, Verdict.INCONCLUSIVE]).value
    why = judgement.inconclusive.value if judgement.inconclusive is not None else ""
    return {"verdict": judgement.verdict.value, "inconclusive": why, "report": report_path, **images}
