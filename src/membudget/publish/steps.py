"""Use case: tell a proven step of the main branch, once.

This code holds the token. It takes only figures and quoted text from the report of the steps. The clone says which
commits there are and what their subjects are.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.publish.comment import CommentServer, CommentSettings, Draft, as_returned, keep_current
from membudget.publish.pull_request import NotPosted, Posted
from membudget.report.formats.markdown import LONGEST_COMMENT
from membudget.report.formats.steps import render_markdown
from membudget.report.report import LONGEST_SUBJECT, JudgedReport, RevisionReport
from membudget.report.step_words import Link, ToldStep
from membudget.report.steps_report import StepReport, proven


class TellWhere(StrEnum):
    """Where steps are told, beside standard output."""

    ISSUE = "issue"
    COMMIT = "commit"
    NOTHING = "nothing"


def told_step(
    step: StepReport, commits: Sequence[MainCommit], places: Mapping[str, int], link: Callable[[str], str | None]
) -> ToldStep | None:
    """Return a confirmed step as it is told. None if its figures do not prove it, or if its commits are not there.

    `commits` are those of the branch, oldest first, and `places` where each is.
    """
    since, until = places.get(step.since), places.get(step.until)
    proof = proven(step)
    if proof is None or since is None or until is None or since >= until:
        return None
    between = commits[since + 1 : until]
    there = {commit.sha for commit in between}
    skipped = tuple(one for one in step.skipped if one.sha in there)
    first, last = (Link(commits[place], link(commits[place].sha)) for place in (since, until))
    proof = replace(proof, result=_with_subjects(proof.result, first.commit, last.commit))
    return ToldStep(proof, first, last, step.growth, between, skipped)


def _with_subjects(result: JudgedReport, base: MainCommit, head: MainCommit) -> JudgedReport:
    """Return a comparison with the subjects of this clone, because a stranger may have written others."""
    names = {
        side: RevisionReport(sha=one.sha, subject=one.subject[:LONGEST_SUBJECT])
        for side, one in (("base", base), ("head", head))
    }
    comparison = result.report.comparison.model_copy(update=names)
    return replace(result, report=result.report.model_copy(update={"comparison": comparison}))


def tell(told: Sequence[ToldStep], server: CommentServer, pause: Callable[[], None]) -> Posted | NotPosted:
    """Open the issue of a commit, or create its comment, or add to what an earlier run wrote.

    `told` are steps of one image at one commit, each of another metric. Never raises errors of the server.
    """
    settings = CommentSettings(_key(told[0]))
    sections = {step.proof.row.metric: render_markdown(step) for step in told}

    def body(existing: str | None) -> str:
        whole = {**_sections(existing or ""), **sections}
        texts = [f"{_begin(metric)}\n{whole[metric]}" for metric in Metric if metric in whole]
        return "\n".join([settings.marker(None), *texts])[:LONGEST_COMMENT]

    draft = Draft(
        settings,
        None,
        is_worth_creating=True,
        body=body,
        is_same=lambda existing: as_returned(existing) == as_returned(body(existing)),
    )
    return keep_current(lambda: server, draft, pause)


def _key(told: ToldStep) -> str:
    """Return the key of an issue: there is one for each image and commit."""
    about = f"{told.proof.image.name} {told.until.commit.sha}"
    return f"step.{hashlib.sha256(about.encode()).hexdigest()[:32]}"


def _begin(metric: Metric) -> str:
    """Return the hidden line before the section of a metric."""
    return f"<!-- membudget-step {metric} -->"


def _sections(existing: str) -> dict[Metric, str]:
    """Return what an issue says about each metric. Quoted text is never a line of its own, so it begins no section."""
    found: dict[Metric, list[str]] = {}
    begins = {_begin(metric): metric for metric in Metric}
    current: list[str] = []
    for line in as_returned(existing).split("\n"):
        if line in begins:
            current = found.setdefault(begins[line], [])
        else:
            current.append(line)
    return {metric: "\n".join(lines).rstrip() + "\n" for metric, lines in found.items()}
