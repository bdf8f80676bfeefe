"""What was found in manifests, in words: each finding with its place, its sum, and what to write."""

from collections.abc import Mapping, Sequence

from membudget.budgets.manifests import ManifestRule
from membudget.core.quantities import format_percent, format_size_delta
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.manifests import Addition, Basis, CannotScaleDown, ManifestFinding, ManifestJudgement, Patch
from membudget.manifests.deployed import ManifestFault, Place
from membudget.report.row_words import size_or_dash

_BASIS = {
    Basis.COMFORTABLE: "the smallest comfortable limit of its last fit",
    Basis.SURVIVES: "the smallest limit of its last fit without an OOM kill",
    Basis.PEAK: "its measured peak RSS",
    Basis.KILLED: "at which the head is OOM-killed",
}
LABELS = {
    ManifestRule.LIMIT_BELOW_NEED: "limit too low",
    ManifestRule.LIMIT_LOWERED: "limit lowered too far",
    ManifestRule.POD_BELOW_SUM: "pod's limit too low",
    ManifestRule.REQUEST_ABOVE_LIMIT: "request above limit",
    ManifestRule.NO_LIMIT: "no limit",
    ManifestRule.NO_REQUEST: "no request",
    ManifestRule.REQUEST_BELOW_SETTLED: "request below use at rest",
    ManifestRule.LIMIT_FAR_ABOVE_NEED: "limit far above need",
    ManifestRule.INIT_RESERVES_MORE: "init container reserves more",
    ManifestRule.MEMORY_VOLUME: "volume in memory",
    ManifestRule.HPA_CANNOT_SCALE_DOWN: "HPA cannot scale down",
    ManifestRule.HPA_AND_VPA: "HPA and VPA on memory",
    ManifestRule.VPA_BELOW_NEED: "VPA's maximum too low",
    ManifestRule.NO_CONTAINER: "no known container",
}
"""Each rule in a few words."""
_LEAST = frozenset({ManifestRule.LIMIT_BELOW_NEED, ManifestRule.LIMIT_LOWERED, ManifestRule.POD_BELOW_SUM})
"""The rules about amounts that are too small."""


def place_words(place: Place) -> Quoted:
    """Return a place as people write it. Without a line if only the file is known."""
    return Quoted(f"{place.path}:{place.line}" if place.is_exact else place.path)


def finding_words(finding: ManifestFinding) -> Parts:
    """Return a finding as a sentence: the place, who, what is wrong, and what to write."""
    return (place_words(finding.place), ": ", *words_at_its_place(finding))


def words_at_its_place(finding: ManifestFinding) -> Parts:
    """Return a finding as a sentence that is shown at its line: who, what is wrong, and what to write."""
    who: Parts = (*subject(finding), ": ") if finding.rule is not ManifestRule.NO_CONTAINER else ()
    return (*who, *_what(finding), *_instead(finding))


def subject(finding: ManifestFinding) -> Parts:
    """Return the workload, the container and the image that a finding is about."""
    container: Parts = (" container ", Quoted(finding.container)) if finding.container is not None else ()
    is_named = finding.image is not None and finding.image != finding.container
    image: Parts = (" (image ", Quoted(finding.image or ""), ")") if is_named else ()
    return (Quoted(finding.workload), *container, *image)


def fault_words(fault: ManifestFault) -> Parts:
    """Return what could not be read as a sentence."""
    key: Parts = (Quoted(fault.key), ": ") if fault.key else ()
    return (place_words(fault.place), ": ", *key, Quoted(fault.reason))


def _what(finding: ManifestFinding) -> Parts:  # noqa: C901, PLR0911, PLR0912 - one for each rule
    """Return what is wrong, with the sum."""
    found, other = size_or_dash(finding.found_bytes), size_or_dash(finding.other_bytes)
    before = size_or_dash(finding.before_bytes)
    basis = _BASIS[finding.basis] if finding.basis is not None else ""
    match finding.rule:
        case ManifestRule.LIMIT_BELOW_NEED if finding.basis is Basis.KILLED:
            return (f"the limit is {found}, and the head is OOM-killed at {other}",)
        case ManifestRule.LIMIT_BELOW_NEED:
            return (f"the limit of {found} is below {other}, {basis}",)
        case ManifestRule.LIMIT_LOWERED:
            return (f"this change lowers the limit from {before} to {found}, below {other}, {basis}",)
        case ManifestRule.POD_BELOW_SUM:
            return (f"the limit of all containers together, {found}, is below {other}, the sum of what they need",)
        case ManifestRule.REQUEST_ABOVE_LIMIT:
            return (f"the request of {found} is above the limit of {other}, which Kubernetes refuses",)
        case ManifestRule.NO_LIMIT:
            return ("there is no memory limit",)
        case ManifestRule.NO_REQUEST:
            return ("there is no memory request, so a node reserves nothing for it",)
        case ManifestRule.REQUEST_BELOW_SETTLED:
            return (f"the request of {found} is below {other}, its settled working set",)
        case ManifestRule.LIMIT_FAR_ABOVE_NEED:
            return (f"the limit of {found} is more than twice {other}, {basis}",)
        case ManifestRule.INIT_RESERVES_MORE:
            return (
                f"because of this init container, the pod reserves {found} while it exists; the rest needs {other}",
            )
        case ManifestRule.MEMORY_VOLUME if finding.found_bytes is None:
            return ("the memory volume ", Quoted(finding.name or ""), " has no size: its files may fill the limit")
        case ManifestRule.MEMORY_VOLUME:
            return (f"the limit of {found} is below {other}: {basis}, and {before} of memory volumes",)
        case ManifestRule.HPA_CANNOT_SCALE_DOWN:
            return (_scaling(finding.scaling) if finding.scaling is not None else "it cannot scale down",)
        case ManifestRule.HPA_AND_VPA:
            return ("an HPA and a VPA both act on memory: each reacts to the changes of the other",)
        case ManifestRule.VPA_BELOW_NEED:
            return (f"the maxAllowed of {found} is below {other}, {basis}",)
        case ManifestRule.NO_CONTAINER:
            return ("none of its containers runs an image of the budgets file, so membudget checks nothing in it",)


def _scaling(scaling: CannotScaleDown) -> str:
    target = f"{size_or_dash(scaling.wanted_bytes)} of the target"
    if scaling.percent is not None:
        target += f" ({scaling.percent} % of the request of {size_or_dash(scaling.requested_bytes)})"
    share = format_percent(100 * scaling.used_bytes / scaling.wanted_bytes)
    return (
        f"at rest, a pod uses {size_or_dash(scaling.used_bytes)} of {target}: {share}."
        f" The HPA scales down only below {format_percent(scaling.most_percent)}"
    )


def _instead(finding: ManifestFinding) -> Parts:
    if finding.rule is ManifestRule.NO_CONTAINER:
        return (" → name them in ", Quoted("containers"))
    if finding.change is not None and finding.rule is not ManifestRule.HPA_CANNOT_SCALE_DOWN:
        verb = "add" if isinstance(finding.change, Addition) else "write"
        return (f" → {verb} ", Quoted(finding.change.text))
    if finding.fitting_bytes is None:
        return ()
    what = "the pod's request" if finding.rule is ManifestRule.HPA_CANNOT_SCALE_DOWN else "it"
    return (f" → set {what} to {size_or_dash(finding.fitting_bytes)}",)


def cells(finding: ManifestFinding) -> tuple[Part, str, str, str, str]:
    """Return the cells of a finding in the diff table: metric, base, head, delta and budget."""
    before, found = finding.before_bytes, finding.found_bytes
    delta = format_size_delta(found - before) if before is not None and found is not None else "–"
    other = f"≥ {size_or_dash(finding.other_bytes)}" if finding.rule in _LEAST else "–"
    return place_words(finding.place), size_or_dash(before), size_or_dash(found), delta, other


def headline_words(judgement: ManifestJudgement, *, fails: bool) -> Parts:
    """Return in a few words what is wrong with the manifests. Empty if nothing is."""
    failing = [one for one in judgement.findings if not one.verdict.passes]
    counted: Sequence[ManifestFinding | ManifestFault] = failing if fails else judgement.findings
    if fails and not failing and judgement.faults:
        return (f"{_count(len(judgement.faults), 'manifest')} could not be read",)
    if not counted:
        return ()
    if len(counted) == 1 and isinstance(counted[0], ManifestFinding):
        return (place_words(counted[0].place), f" {LABELS[counted[0].rule]}")
    return (f"{_count(len(counted), 'finding')} in manifests",)


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def patches(judgement: ManifestJudgement) -> Mapping[ManifestFinding, Patch]:
    """Return the changes that silence findings, by file and line.

    Of several for one line, the gravest counts, and of those the largest amount: containers may share a value.
    """
    found: dict[tuple[str, int], tuple[ManifestFinding, Patch]] = {}
    for finding in judgement.findings:
        if finding.change is None or (patch := finding.patch) is None:
            continue
        place = patch.path, patch.line
        other, _ = found.setdefault(place, (finding, patch))
        before = other.change.size_bytes if other.change is not None else 0
        if finding.verdict is other.verdict and finding.change.size_bytes > before:
            found[place] = finding, patch
    return dict(found[place] for place in sorted(found))


def diff_lines(judgement: ManifestJudgement) -> tuple[str, ...]:
    """Return the changes that silence findings as a unified diff without context."""
    lines: list[str] = []
    path, added = None, 0
    for patch in patches(judgement).values():
        if patch.path != path:
            path, added = patch.path, 0
            lines += [f"--- a/{path}", f"+++ b/{path}"]
        count = f",{len(patch.after)}" if len(patch.after) > 1 else ""
        lines.append(f"@@ -{patch.line} +{patch.line + added}{count} @@")
        if patch.before in patch.after:  # it stays, and lines are added above or below
            at = patch.after.index(patch.before)
            lines += [f"+{line}" for line in patch.after[:at]]
            lines += [f" {patch.before}", *(f"+{line}" for line in patch.after[at + 1 :])]
        else:
            lines += [f"-{patch.before}", *(f"+{line}" for line in patch.after)]
        added += len(patch.after) - 1
    return tuple(lines)
