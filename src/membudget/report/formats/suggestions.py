"""Changes to manifests as comments of a review, each with a block that GitHub offers to commit (a suggestion)."""

import re
from dataclasses import dataclass

from membudget.core.untrusted_text import in_markdown
from membudget.judge.manifests import ManifestFinding, ManifestJudgement, Patch
from membudget.report.manifest_words import LABELS, patches, words_at_its_place
from membudget.report.verdicts import verdict_mark

_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A comment at a line of a file, which replaces that line."""

    path: str
    line: int
    before: str
    """The line as it must be for the suggestion to hold."""
    body: str
    """The text of the comment, without its marker."""


def suggestions(judgement: ManifestJudgement) -> tuple[Suggestion, ...]:
    """Return a suggestion for each line that a change replaces, failures first."""
    found = patches(judgement)
    graver_first = sorted(found, key=judgement.findings.index)
    return tuple(_suggestion(finding, found[finding]) for finding in graver_first if _is_plain(found[finding]))


def _suggestion(finding: ManifestFinding, patch: Patch) -> Suggestion:
    title = verdict_mark(finding.verdict, LABELS[finding.rule])
    said = "".join(map(in_markdown, words_at_its_place(finding)))
    body = f"**{title}** {said}\n\n{_block(patch.after)}\n\n<sub>membudget, rule `{finding.rule}`</sub>"
    return Suggestion(patch.path, patch.line, patch.before, body)


def _block(lines: tuple[str, ...]) -> str:
    """Return the lines as they are. The fence is longer than any within them, so that they cannot end the block."""
    longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}suggestion", *lines, fence])


def _is_plain(patch: Patch) -> bool:
    """Return whether people see everything that they would commit: no control, format or direction characters."""
    return all(line.replace("\t", " ").isprintable() for line in (patch.before, *patch.after))
