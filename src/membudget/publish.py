"""Use case 2: tell the workflow and the pull request what a report says.

Privileged: it holds the token. It takes nothing from the report but figures and quoted text, judges and renders
them itself, and learns from the event, not from the file, which pull request this is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from membudget.analysis.measurement import ImageMeasurement
from membudget.analysis.verdict import ImageJudgement, Judgement
from membudget.errors import ConfigurationError
from membudget.publishing.pull_request import Commenter, NotPosted, Place, Posted, PullRequest
from membudget.report.allowances import allowances
from membudget.report.comment import LONGEST_COMMENT, LONGEST_SUMMARY, render
from membudget.report.image_findings import cause_findings, causes, size_is_in_trouble
from membudget.report.report import Report

_KEY = re.compile(r"(?=.{1,100}$)[A-Za-z0-9]+([-_./][A-Za-z0-9]+)*", re.ASCII)
"""It is part of an HTML comment, which two dashes would end."""


@dataclass(frozen=True, slots=True)
class CommentSettings:
    """Which comment is ours."""

    key: str = "default"
    """Two workflows with different keys keep two comments. Raises ConfigurationError for what cannot be one."""

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            allowed = "letters, digits and single - _ . / between them, 100 at the most"
            raise ConfigurationError(f"{self.key!r} cannot be the key of a comment: {allowed}", where="key")

    @property
    def marker(self) -> str:
        """The hidden first line of the comment."""
        return f"<!-- membudget:{self.key} -->"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the comment goes, if anywhere."""

    pull_request: PullRequest | None
    commenter: Commenter | None
    """None without a token."""
    settings: CommentSettings


class Workflow(Protocol):
    """The step that runs us: its summary, outputs and annotations."""

    def summary(self, markdown: str) -> None:
        """Append to the step summary."""

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set step outputs."""

    def annotate(self, title: str, message: str, place: Place | None = None) -> None:
        """Annotate an error, at lines of a file if they are known."""


def run(report: Report, report_path: str, workflow: Workflow, destination: Destination) -> Posted | NotPosted:
    """Publish everywhere it can. That a comment cannot be posted costs the comment, not the rest."""
    judgement = report.judged()
    workflow.summary(render(report, judgement, LONGEST_SUMMARY))
    workflow.outputs(_outputs(judgement, report_path))
    measured = {image.name: image for image in report.images}
    for image in judgement.images:
        if not image.verdict.passes:
            workflow.annotate(f"{image.name}: {image.status}", _annotation(image))
            if size_is_in_trouble(image):
                _annotate_lines(measured[image.name], workflow)
    for finding in allowances(report, judgement):
        if finding.is_grave:
            workflow.annotate("budgets.toml", finding.as_text())
    if destination.pull_request is None:
        return NotPosted("this run is for no pull request")
    if destination.commenter is None:
        return NotPosted("there is no token")
    marker = destination.settings.marker
    body = f"{marker}\n{render(report, judgement, LONGEST_COMMENT)}"
    return destination.commenter.post(destination.pull_request, marker, body)


def _outputs(judgement: Judgement, report_path: str) -> dict[str, str]:
    images = {f"verdict-{image.name}": image.verdict.value for image in judgement.images}
    return {"verdict": judgement.verdict.value, "report": report_path, **images}


def _annotate_lines(image: ImageMeasurement, workflow: Workflow) -> None:
    """Say at the Dockerfile's own lines what they added."""
    for change, finding in zip(causes(image), cause_findings(image), strict=True):
        if image.dockerfile is not None and change.dockerfile_lines is not None and change.delta_bytes > 0:
            place = Place(image.dockerfile, *change.dockerfile_lines)
            workflow.annotate(f"{image.name}: image size", finding.as_text(), place)


def _annotation(image: ImageJudgement) -> str:
    reasons = "; ".join(map(str, image.reasons)) or image.status.value
    return f"{reasons}. Next: {image.next_step}" if image.next_step else reasons
