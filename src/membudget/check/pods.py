"""Reads the pods of images that are measured as a manifest says, before anything is compared.

So all rules about an image's settings hold for what a manifest says, as they do for bake targets: a raised memory limit
is a looser limit, and another command is a changed setting.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from membudget.budgets.deployed_pod import ResolvedKubernetes
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.faults import Fault
from membudget.budgets.kubernetes import KubernetesSettings
from membudget.budgets.lines import Keys
from membudget.budgets.manifests import ManifestEntry
from membudget.budgets.possible import limit_faults
from membudget.check.manifest_source import image_that_runs
from membudget.check.manifest_texts import UNREADABLE, ManifestTexts, why_unreadable
from membudget.core.errors import ConfigurationError, ProgramFailed, shortened
from membudget.manifests.yaml_text import YamlValue
from membudget.measure.inputs import LARGEST_SETTINGS_BYTES, read_input, variables_of
from membudget.measure.pod.manifest_pod import Given, KnownImages, ReadPod, read_deployed_pod
from membudget.measure.pod.manifest_sources import Lack, PodRefused

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What a reader should know about an image's pod."""

    lacks: tuple[Lack, ...]
    limit_of_manifest: int | None
    """The limit of the manifest, in bytes, if the budgets file sets another one. Otherwise None."""


@dataclass(frozen=True, slots=True)
class ResolvedPods:
    """Budgets whose pods were read."""

    budgets: Budgets
    faults: tuple[Fault, ...] = ()
    """Why some pods cannot be measured. Their images are as they were."""
    facts: Mapping[str, PodFacts] = field(default_factory=dict)
    """By image."""


def has_pods(budgets: Budgets) -> bool:
    """Return whether pods are still to be read."""
    return any(map(_is_unread, budgets.images.values()))


def _is_unread(spec: ImageSpec) -> bool:
    return spec.kubernetes is not None and not isinstance(spec.kubernetes, ResolvedKubernetes)


def with_pods(budgets: Budgets, manifests: ManifestTexts) -> ResolvedPods:
    """Return the budgets with the pods that the manifests of a checkout describe."""
    images, faults, facts = dict(budgets.images), [], {}
    for name, spec in budgets.images.items():
        settings = spec.kubernetes
        if settings is None or not _is_unread(spec):
            continue
        keys: Keys = ("images", name, "kubernetes")
        entry = _entry(settings, budgets.manifests)
        try:
            documents = manifests.documents(entry)
        except UNREADABLE as error:
            faults.append(_unreadable(keys, settings, shortened(why_unreadable(error), _LONGEST_REASON)))
            continue
        try:
            pod = _pod(name, spec, settings, entry, documents, budgets, manifests.checkout)
        except PodRefused as error:
            is_plain = manifests.rendering(entry) is None
            where = f", line {error.line}" if error.line is not None and is_plain else ""
            reason = f"{shortened(str(error), _LONGEST_REASON)} ({settings.manifest}{where})"
            fault = _unreadable(keys, settings, reason)
            faults.append(replace(fault, keys=(*keys, *error.key), found=None) if error.key else fault)
            continue
        except ConfigurationError as error:
            faults.append(Fault(("images", name, "container", "env_files"), shortened(error.what, 200)))
            continue
        images[name] = _with_pod(spec, settings, pod)
        if images[name].limit is None:
            allowed = 'a size, for this image or in [defaults]: limit = "256MiB"'
            missing = f"is missing, and {settings.manifest} sets no memory limit for {pod.pod.measured}"
            faults.append(Fault(("images", name, "limit"), missing, None, allowed))
        else:
            faults += limit_faults(images[name], ("images", name)) if spec.limit is None else []
        is_other = spec.limit is not None and pod.limit_bytes not in (None, spec.limit)
        facts[name] = PodFacts(pod.lacks, pod.limit_bytes if is_other else None)
    return ResolvedPods(replace(budgets, images=images), tuple(faults), facts)


def faults_of_plain_files(budgets: Budgets, top: Path) -> tuple[Fault, ...]:
    """Return why pods cannot be measured, as far as that needs no program that renders. `top` is the repository's."""

    def only_plain(spec: ImageSpec) -> ImageSpec:
        settings = spec.kubernetes
        is_plain = settings is not None and (top / settings.manifest).is_file()
        return spec if is_plain else spec.model_copy(update={"kubernetes": None})

    images = {name: only_plain(spec) for name, spec in budgets.images.items()}
    return with_pods(replace(budgets, images=images), ManifestTexts(top, _NoProgram())).faults


class _NoProgram:
    """Renders nothing."""

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        del files, values
        raise ProgramFailed(f"{folder} is not rendered here")

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        del files
        raise ProgramFailed(f"{folder} is not rendered here")


def _unreadable(keys: Keys, settings: KubernetesSettings, reason: str) -> Fault:
    return Fault((*keys, "manifest"), f"cannot be measured: {reason}", settings.manifest)


def _entry(settings: KubernetesSettings, entries: Collection[ManifestEntry]) -> ManifestEntry:
    """Return the entry of `manifests` with the same path, or else one that the table says itself."""
    listed = next((entry for entry in entries if entry.path == settings.manifest), None)
    if listed is not None and settings.values in ((), listed.values):
        return listed
    containers = listed.containers if listed is not None else {}
    return ManifestEntry(path=settings.manifest, values=settings.values, containers=containers)


def _pod(  # noqa: PLR0913, PLR0917 - what a pod is read from
    name: str,
    spec: ImageSpec,
    settings: KubernetesSettings,
    entry: ManifestEntry,
    documents: Sequence[YamlValue],
    budgets: Budgets,
    checkout: Path,
) -> ReadPod:
    container = spec.container
    from_files: dict[str, str] = {}
    for file in container.env_files:
        where = f"images.{name}.container.env_files"
        from_files |= variables_of(read_input(checkout, file, where, LARGEST_SETTINGS_BYTES), file)
    given = Given(
        {**from_files, **container.env},
        frozenset(container.secrets),
        frozenset((*container.volumes, *container.tmpfs)),
        spec.limit,
    )
    runs = partial(image_that_runs, entry=entry, images=budgets.images)
    builds = {image: one.build for image, one in budgets.images.items()}
    return read_deployed_pod(documents, settings, KnownImages(name, runs, builds), given)


def _with_pod(spec: ImageSpec, settings: KubernetesSettings, read: ReadPod) -> ImageSpec:
    """Return an image with its pod, and with the limit and the CPUs of the manifest where it sets none itself."""
    update: dict[str, object] = {"kubernetes": ResolvedKubernetes(**dict(settings), pod=read.pod)}
    if spec.limit is None:
        update["limit"] = read.limit_bytes
    if "cpus" not in spec.container.model_fields_set and read.cpus is not None:
        update["container"] = spec.container.model_copy(update={"cpus": read.cpus})
    return spec.model_copy(update=update)
