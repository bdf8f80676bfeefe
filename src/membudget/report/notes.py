"""The notes that a check writes into report.json.

They are stored as sentences. No decision depends on them.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from membudget.budgets.deployed_pod import pod_of
from membudget.budgets.entries import ImageSpec
from membudget.budgets.rules import ImageRules
from membudget.build.revision import Side
from membudget.core.errors import LONGEST_REASON, EngineLost, shortened, with_fix
from membudget.core.metric_words import format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.judge.confirmation import Contradiction, FigureDiffers, FigureMissing, FreshTrialFailed, OtherVerdict
from membudget.judge.measurement import Failure, SettingsChange
from membudget.measure.assumed import AutoEnd
from membudget.measure.pod.manifest_sources import Lack, LackKind
from membudget.measure.trial import LimitContact
from membudget.report.findings import limit_words
from membudget.report.verdicts import verdict_words

ENGINE_STOPPED = "the engine stopped answering"
SAME_IMAGE = "unchanged: base and head are the same image"
OTHER_SIDE_FAILED = "not run, because the other side does not build or does not run"
SAME_SOURCES = "unchanged: its files and settings are the same in base and head"
_MOST_FILES = 3
OPEN_NETWORK = "its network was open, so what it downloads may change its figures"

_SETTINGS = {
    "transparent_huge_pages": "transparent huge pages",
    "swap_bytes": "swap",
    "swappiness": "swappiness",
    "numa_nodes": "NUMA nodes",
}


def outage_note(fault: EngineLost) -> str:
    """Return the note about a lost engine, with what to do about it."""
    return f"{shortened(fault.what, LONGEST_REASON)}{f' → {fault.fix}' if fault.fix else ''}"


def settings_note(change: SettingsChange) -> str:
    """Return the note about a setting of the machine that changed between trials."""
    name = _SETTINGS[change.setting]
    return f"the machine's settings changed between trials: {name} from {change.before} to {change.after}"


def contradiction_note(found: Contradiction) -> str:
    """Return the note about reused trials that were discarded."""
    return f"membudget discarded the remembered trials and measured the image again: {_contradiction(found)}"


def _contradiction(found: Contradiction) -> str:
    match found:
        case FreshTrialFailed(side):
            return f"a new trial of the {side} failed"
        case FigureMissing(side, metric, phase):
            return f"{_figure(side, metric, phase)} is missing from the new or from the remembered trials"
        case FigureDiffers(side, metric, phase, fresh, remembered):
            low, high = (format_value(metric, bound) for bound in remembered)
            is_now = f"is {format_value(metric, fresh)} in a new trial"
            return f"{_figure(side, metric, phase)} {is_now}, and {low} to {high} in the remembered ones"
        case OtherVerdict(fresh_alone, together):
            with_them, alone = verdict_words(together), verdict_words(fresh_alone)
            return f"with them the verdict was {with_them}, with the new trials alone it was {alone}"
        case SettingsChange():
            return settings_note(found)


def _figure(side: Side, metric: Metric, phase: str | None) -> str:
    return f"{metric.definition.label}{f' ({phase})' if phase is not None else ''} of the {side}"


def own_settings_note(failure: Failure) -> str:
    """Return the note about a head that fails with its own settings."""
    return f"with its own settings, the {failure}"


def warm_up_killed_note(side: Side) -> str:
    """Return the note about an OOM kill that happened only in the warm-up."""
    return f"a process was OOM-killed only in the {side}'s warm-up, so the warm-up counts as a trial"


def warm_up_limit_note(side: Side, contact: LimitContact) -> str:
    """Return the note about a warm-up that reached the limit."""
    return f"{limit_words(contact)} (in the {side}'s warm-up, whose figures do not count)"


def setting_notes(spec: ImageSpec, cpus: int, rules: ImageRules) -> Iterator[str]:
    """Yield notes about settings of an image that make its figures differ from those elsewhere.

    `cpus` is the number of CPUs of the machine.
    """
    settings = spec.container
    if rules.settings_of_base:
        yield _changed_settings(rules.settings_of_base, own_counts=rules.own_counts)
    if settings.network == "open":
        yield OPEN_NETWORK
    if settings.cpus > cpus:
        yield _fewer_cpus(settings.cpus, cpus)


def _changed_settings(keys: Sequence[str], *, own_counts: bool) -> str:
    """Return which measured settings the head changes, and which settings both sides were run with."""
    how = "growth is measured with the base's settings, and maximums with the head's"
    waiting = "measured with the base's settings until the change is approved or merged"
    return f"the head changes {', '.join(keys)}: {how if own_counts else waiting}"


def _fewer_cpus(wanted: int, there: int) -> str:
    """Return the note about a machine with fewer CPUs than the container should have."""
    return (
        f"it should have {wanted} CPUs, but the machine has {there}; runtimes choose their size by the number of CPUs"
    )


def exception_note(metric: Metric, until: date) -> str:
    """Return the note about an exception that has expired."""
    return f"its exception for {metric} ended on {until.isoformat()}"


def ended_otherwise_note(base: AutoEnd, head: AutoEnd) -> str:
    """Return why base and head cannot be compared if no workload says what they are."""
    fix = "set a workload for it: docs/workloads.md"
    return with_fix(f"without a workload, the base {_ENDS[base]}, and the head {_ENDS[head]}", fix)


_ENDS = {
    AutoEnd.ENDED: "ran to its end",
    AutoEnd.HEALTHY: "was a service that its HEALTHCHECK found healthy",
    AutoEnd.RESTED: "was a service that was ready and then idle",
    AutoEnd.BUSY: "was a service that was ready and never idle",
    AutoEnd.KEPT_RUNNING: "kept running",
}


def uncommitted_notes(changed: Sequence[str], budgets: str, recipes: Sequence[str]) -> Iterator[str]:
    """Yield which version of each file was used, if files differ from HEAD.

    `budgets` is the budgets file, which is read from the working folder. `recipes` are the Dockerfiles of the images.
    Everything but the budgets file is taken from HEAD.
    """
    if budgets in changed:
        yield f"{uncommitted(1, budgets)}, which count: membudget reads it from the working folder"
    built = [name for name in changed if name in recipes]
    others = [name for name in changed if name != budgets and name not in recipes]
    if built:
        has_changes = uncommitted(len(built), _listed(built))
        yield f"{has_changes}, but membudget built the version of HEAD → commit them first"
    if others:
        yield f"{uncommitted(len(others), _listed(others))}, but membudget used the version of HEAD"


def uncommitted(count: int, names: str | None = None) -> str:
    """Return that `count` files have uncommitted changes. `names` takes the place of the count."""
    subject = names or ("1 file" if count == 1 else f"{count} files")
    return f"{subject} {'has' if count == 1 else 'have'} uncommitted changes"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shortened(name) for name in names[:_MOST_FILES])
    return shown if len(names) <= _MOST_FILES else f"{shown} and {len(names) - _MOST_FILES} more files"


def machines_note(name: str, one: object, other: object) -> str:
    """Return the note about shards that ran on different machines."""
    return f"its shards ran on different machines: {name.replace('_', ' ')} {one} and {other}"


_LACKS = {
    LackKind.VARIABLE: "the variable {name} ({source}): give it in `container.env`",
    LackKind.VARIABLES: "the variables {name} of the {source}: give them in `container.env`",
    LackKind.VOLUME: "what is at {name} ({source}), so the folder is empty: give it in `container.volumes`",
    LackKind.HOOK: "{name}, which is not run",
    LackKind.HOST_NETWORK: "hostNetwork: the pod has a network of its own",
    LackKind.PROBE: "{name}, which has no port that can be asked",
}
_LACKS_BESIDE = {
    LackKind.VARIABLE: "the variable {name} ({source}): give it in `kubernetes.env`",
    LackKind.VARIABLES: "the variables {name} of the {source}: give them in `kubernetes.env`",
    LackKind.VOLUME: "what is at {name} ({source}), so the folder is empty",
}
_MOST_LACKS = 20


def pod_notes(name: str, image: ImageSpec, lacks: Sequence[Lack], limit_of_manifest: int | None) -> Iterator[str]:
    """Yield the notes about an image that is measured as its manifest says."""
    deployed = pod_of(image)
    if image.kubernetes is None or deployed is None:
        return
    manifest = shortened(image.kubernetes.manifest)
    if limit_of_manifest is not None and image.limit is not None:
        yield (
            f"{name}: the limit of the budgets file counts, {format_size(image.limit)}, and not that of {manifest},"
            f" {format_size(limit_of_manifest)}"
        )
    for lack in lacks[:_MOST_LACKS]:
        words = _LACKS if lack.container == deployed.measured else _LACKS_BESIDE
        said = words.get(lack.kind, _LACKS[lack.kind]).format(name=lack.name, source=lack.source)
        yield f"{name}: {lack.container} runs without {shortened(said, 200)}"
    if len(lacks) > _MOST_LACKS:
        yield f"{name}: {len(lacks) - _MOST_LACKS} more of what {manifest} names is only in a cluster"
