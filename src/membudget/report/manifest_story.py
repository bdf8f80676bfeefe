"""What is told of manifests, and where in the story: problems with what to do, and a diff to apply."""

from collections.abc import Iterator

from membudget.core.untrusted_text import Quoted
from membudget.judge.manifests import ManifestFinding, ManifestJudgement
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding
from membudget.report.manifest_words import diff_lines, fault_words, finding_words
from membudget.report.story_parts import Item, Keep, Paste, Section, StoryProblem
from membudget.report.verdicts import verdict_mark

CHANGES_TITLE = "Suggested changes to the manifests"
_STEPS = {
    Verdict.FAIL: "write the suggested value, or change the rule in [manifest_rules]",
    Verdict.WARN: "the check passes; write the suggested value, or turn the rule off in [manifest_rules]",
}


def manifest_problems(judgement: ManifestJudgement) -> Iterator[StoryProblem]:
    """Yield the findings in manifests, failures first, and what could not be read."""
    yield from _of(judgement, Verdict.FAIL)
    if judgement.faults:
        step = "fix it, or remove it from `manifests`; a manifest that membudget cannot read is never a pass"
        items = tuple(Item(Finding(fault_words(fault))) for fault in judgement.faults)
        yield StoryProblem(verdict_mark(Verdict.INCONCLUSIVE, "manifests not read"), Finding.of(step), items,
                      Verdict.INCONCLUSIVE)  # fmt: skip
    yield from _of(judgement, Verdict.WARN)


def _of(judgement: ManifestJudgement, verdict: Verdict) -> Iterator[StoryProblem]:
    found = [one for one in judgement.findings if one.verdict is verdict]
    if found:
        yield StoryProblem(
            verdict_mark(verdict, "manifests"), Finding((_STEPS[verdict],)), tuple(map(_item, found)), verdict
        )


def _item(finding: ManifestFinding) -> Item:
    return Item(Finding(finding_words(finding)), (Finding(("rule ", Quoted(finding.rule.value))),), finding.image)


def changes_section(judgement: ManifestJudgement) -> Section:
    """Return the changes that silence findings, folded unless one fails the check. Empty if there are none."""
    lines = diff_lines(judgement)
    paste, title = Paste((lines,) if lines else (), "diff"), Finding.of(CHANGES_TITLE)
    return Section(Keep.ACCEPT, (paste,), title, is_open=judgement.verdict is Verdict.FAIL)
