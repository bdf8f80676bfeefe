"""Reads the pod of a Kubernetes manifest as a trial can run it. Does no I/O.

The pull request controls the manifest. A container never gets more rights than the engine's default: what asks for more
is refused. Nothing of the machine is mounted, and nothing of a cluster is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from membudget.budgets.deployed_pod import DeployedPod, PodContainer, PodProbe, PodVolume
from membudget.budgets.entries import Build
from membudget.budgets.kubernetes import KubernetesSettings
from membudget.budgets.lines import Keys
from membudget.core.quantities import MOST_CPUS
from membudget.manifests.kubernetes import PODS, pod_of, workloads_in
from membudget.manifests.quantities import InvalidQuantity
from membudget.manifests.yaml_text import YamlValue
from membudget.measure.pod.manifest_sources import (
    Lack,
    LackKind,
    PodRefused,
    Sources,
    cpus,
    memory_of,
    mounts_of,
    volumes_of,
)

_LISTS = ("initContainers", "containers")
_MOST_CONTAINERS = 20
_LONGEST_NAME = 1000
_DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
"""What an engine gives by default (Docker, "Runtime privilege and Linux capabilities")."""
_ABOVE_DEFAULT = "is more than a measured container may have"

_LIMIT = "resources.limits.memory"
"""The key in messages."""


@dataclass(frozen=True, slots=True)
class KnownImages:
    """What is known of the images that containers run."""

    name: str
    """The image of the budgets file that is measured."""
    runs: Callable[[str, str], str | None]
    """Returns the image of the budgets file that a container runs, by the container's name and its image's reference.
    """
    builds: Mapping[str, Build]


@dataclass(frozen=True, slots=True)
class Given:
    """What the budgets file says of the measured container, which counts before the manifest."""

    environment: Mapping[str, str]
    names: frozenset[str] = frozenset()
    """Names of variables whose values come later."""
    volumes: frozenset[str] = frozenset()
    """Paths that get a volume of their own."""
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ReadPod:
    """A pod, and what its manifest says of the measured container that the image's own keys also say."""

    pod: DeployedPod
    limit_bytes: int | None
    cpus: int | None
    """Rounded up to whole CPUs."""
    lacks: tuple[Lack, ...]


def read_deployed_pod(
    documents: Sequence[YamlValue], settings: KubernetesSettings, images: KnownImages, given: Given
) -> ReadPod:
    """Return the pod that measures an image. Raises PodRefused."""
    workloads = [one for document in documents for one in workloads_in(document)]
    maps = {one.get("metadata", "name").text or "": one for kind, one in workloads if kind == "ConfigMap"}
    kind, document, measured = _chosen(workloads, settings, images)
    return _Reader(kind, document, measured, settings, images, given, maps).read()


def _chosen(
    workloads: Sequence[tuple[str, YamlValue]], settings: KubernetesSettings, images: KnownImages
) -> tuple[str, YamlValue, str]:
    """Return the workload with the measured container, and that container's name."""
    found = [
        (kind, document, name)
        for kind, document in workloads
        if kind in PODS and settings.workload in (None, _name(document), f"{kind}/{_name(document)}")
        for entry in pod_of(kind, document).get("containers").entries()
        for name in [entry.get("name").text or ""]
        if (
            name == settings.container
            if settings.container is not None
            else images.runs(name, entry.get("image").text or "") == images.name and name not in settings.without
        )
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(
        f"{kind}/{_name(document)}: {entry.get('name').text}"
        for kind, document in workloads
        for entry in pod_of(kind, document).get("containers").entries()
    )
    there = there[:300] or "none"
    if found:
        raise PodRefused(f"several containers may be meant: name `workload` and `container` (there: {there})")
    if settings.container is not None:
        where = f" in {settings.workload}" if settings.workload is not None else ""
        raise PodRefused(f"there is no container {settings.container}{where} (there: {there})", key=("container",))
    raise PodRefused(f"there is no container that runs {images.name}: name `container` (there: {there})")


def _name(document: YamlValue) -> str:
    return document.get("metadata", "name").text or document.get("metadata", "generateName").text or ""


class _Reader:
    """Reads one pod."""

    def __init__(  # noqa: PLR0913, PLR0917 - what was chosen, and what is known of it
        self,
        kind: str,
        document: YamlValue,
        measured: str,
        settings: KubernetesSettings,
        images: KnownImages,
        given: Given,
        config_maps: Mapping[str, YamlValue],
    ) -> None:
        self._pod = pod_of(kind, document)
        self._claims = document.get("spec", "volumeClaimTemplates")
        self._measured, self._settings, self._images, self._given = measured, settings, images, given
        self._entries = [*self._listed("initContainers"), *self._listed("containers")]
        resources = {entry.get("name").text or "": entry.get("resources") for entry in self._entries}
        limit = (measured, given.limit_bytes) if given.limit_bytes is not None else None
        self._sources = Sources(config_maps, resources, limit)
        self._volumes = volumes_of(self._pod, self._claims, self._sources)

    def _listed(self, key: str) -> Iterator[YamlValue]:
        entries = list(islice(self._pod.get(key).entries(), _MOST_CONTAINERS + 1))
        if len(entries) > _MOST_CONTAINERS:
            raise PodRefused(f"{key} has more than {_MOST_CONTAINERS} entries", self._pod.get(key).line)
        yield from (one for one in entries if one.get("name").text not in self._settings.without)

    def read(self) -> ReadPod:
        self._check_pod()
        names = [entry.get("name").text or "" for entry in self._entries]
        if len(set(names)) < len(names) or "" in names:
            raise PodRefused("each container needs a name of its own", self._pod.line)
        every = [one.get("name").text for key in _LISTS for one in self._pod.get(key).entries()]
        named: list[tuple[Keys, str]] = [*((("without", n), name) for n, name in enumerate(self._settings.without)),
                 *((("env", name), name) for name in self._settings.env)]  # fmt: skip
        for key, name in named:
            if name not in every:
                raise PodRefused(f"there is no container {name} (there: {', '.join(names)})", self._pod.line, key=key)
        first_main = sum(1 for _ in self._listed("initContainers"))
        containers = tuple(self._container(entry, is_init=n < first_main) for n, entry in enumerate(self._entries))
        entry = next(one for one in self._entries if one.get("name").text == self._measured)
        limits = entry.get("resources", "limits")
        own = (self._probe(entry, "readinessProbe"), self._probe(entry, "startupProbe"))
        mounted = {mount.volume for one in containers for mount in one.mounts}
        pod = DeployedPod(
            self._measured, containers, tuple(self._used(mounted)), own[0] or own[1],
            tuple(port for port in map(_number, entry.get("ports").entries()) if port is not None),
        )  # fmt: skip
        limit = memory_of(limits.get("memory"), f"{self._measured}: {_LIMIT}")
        return ReadPod(pod, limit, _cpus(limits.get("cpu"), self._measured), tuple(self._sources.lacks))

    def _used(self, mounted: set[str]) -> Iterator[PodVolume]:
        yield from (volume for name, (volume, _) in sorted(self._volumes.items()) if name in mounted)

    def _check_pod(self) -> None:
        for key in ("hostPID", "hostIPC"):
            if self._pod.get(key).text == "true":
                raise PodRefused(f"{key} {_ABOVE_DEFAULT}", self._pod.get(key).line)
        if self._pod.get("hostNetwork").text == "true":
            self._sources.lack(self._measured, LackKind.HOST_NETWORK, "hostNetwork")

    def _container(self, entry: YamlValue, *, is_init: bool) -> PodContainer:
        name = entry.get("name").text or ""
        is_measured = name == self._measured
        rights = self._rights(entry, name)
        given = self._given.environment if is_measured else self._settings.env.get(name, {})
        environment = self._sources.environment(entry, given, self._given.names if is_measured else frozenset())
        mounts = tuple(mounts_of(entry, self._volumes, self._sources))
        if is_measured:
            mounts = tuple(mount for mount in mounts if mount.path not in self._given.volumes)
            self._forget_given_volumes()
        if devices := entry.get("volumeDevices"):
            raise PodRefused(f"{name}: volumeDevices {_ABOVE_DEFAULT}", devices.line)
        if entry.get("lifecycle", "postStart"):
            self._sources.lack(name, LackKind.HOOK, "lifecycle.postStart")
        runs_to_end = is_init and entry.get("restartPolicy").text != "Always"
        runs = self._images.runs(name, entry.get("image").text or "")
        is_own = is_measured or runs == self._images.name
        build = self._images.builds.get(runs) if runs is not None and not is_own else None
        image = entry.get("image").text if build is None and not is_own else None
        longest = max(len(text or "") for text in (name, image, entry.get("workingDir").text))
        if longest > _LONGEST_NAME:
            raise PodRefused(f"{name[:80]}: a name, an image or a folder is too long", entry.line)
        if image is None and build is None and not is_own:
            raise PodRefused(f"{name}: image is missing", entry.line)
        user, read_only, dropped, kept, groups = rights
        limit = entry.get("resources", "limits", "memory")
        return PodContainer(
            name=name, image=image, build=build, runs_to_end=runs_to_end,
            command=self._sources.words(entry.get("command"), environment),
            arguments=self._sources.words(entry.get("args"), environment),
            environment=tuple(sorted(environment.items())), workdir=entry.get("workingDir").text,
            user=user, groups=groups, read_only=read_only, dropped=dropped, kept=kept,
            limit_bytes=None if is_measured else memory_of(limit, f"{name}: {_LIMIT}"),
            mounts=mounts,
            started=self._probe(entry, "startupProbe") if is_init and not runs_to_end else None,
        )  # fmt: skip

    def _forget_given_volumes(self) -> None:
        """Remove volumes that the budgets file gives to the measured container from what is lacking."""
        self._sources.lacks[:] = [
            one
            for one in self._sources.lacks
            if one.container != self._measured or one.kind is not LackKind.VOLUME or one.name not in self._given.volumes
        ]

    def _rights(
        self, entry: YamlValue, name: str
    ) -> tuple[str | None, bool, tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
        """Return user, whether files are read-only, capabilities that are dropped and kept, and further groups."""
        own, of_pod = entry.get("securityContext"), self._pod.get("securityContext")
        if own.get("privileged").text == "true":
            raise PodRefused(f"{name}: securityContext.privileged {_ABOVE_DEFAULT}: leave it out with `without`",
                             own.get("privileged").line)  # fmt: skip
        dropped, added = (
            tuple(sorted({one.upper().removeprefix("CAP_") for one in own.get("capabilities", key).texts()}))
            for key in ("drop", "add")
        )
        above = [one for one in added if one not in _DEFAULT_CAPABILITIES]
        if above:
            raise PodRefused(
                f"{name}: securityContext.capabilities.add: {above[0][:40]} {_ABOVE_DEFAULT}: leave the container out"
                " with `without`, or measure another manifest", own.get("capabilities", "add").line,
            )  # fmt: skip
        user = (own.get("runAsUser") or of_pod.get("runAsUser")).number
        group = (own.get("runAsGroup") or of_pod.get("runAsGroup")).number
        groups = [of_pod.get("fsGroup"), *of_pod.get("supplementalGroups").entries()]
        return (
            (f"{user}:{group}" if group is not None else str(user)) if user is not None else None,
            own.get("readOnlyRootFilesystem").text == "true",
            dropped,
            added if "ALL" in dropped else (),
            tuple(sorted({number for one in groups if (number := one.number) is not None})),
        )

    def _probe(self, entry: YamlValue, key: str) -> PodProbe | None:
        """Return a probe. A port that cannot be found is noted, and nothing waits for it then."""
        probe, name = entry.get(key), entry.get("name").text or ""
        if not probe:
            return None
        if command := self._sources.words(probe.get("exec", "command"), {}):
            return PodProbe(command)
        for kind in ("httpGet", "tcpSocket", "grpc"):
            if not probe.get(kind):
                continue
            port = _port(probe.get(kind, "port"), entry)
            is_http = kind == "httpGet" and (probe.get(kind, "scheme").text or "HTTP").upper() == "HTTP"
            path = probe.get(kind, "path").text or "/"
            if port is not None:
                path = path if path.startswith("/") else f"/{path}"
                return PodProbe(http=path if not any(map(str.isspace, path)) else "/", port=port) if is_http else (
                    PodProbe(port=port)
                )  # fmt: skip
        self._sources.lack(name, LackKind.PROBE, key)
        return None


def _number(port: YamlValue) -> int | None:
    number = port.get("containerPort").number
    is_tcp = (port.get("protocol").text or "TCP").upper() == "TCP"
    return number if number is not None and 0 < number < 65536 and is_tcp else None


def _port(value: YamlValue, entry: YamlValue) -> int | None:
    """Return the port of a probe, which may be a name of the container's ports."""
    if value.number is not None:
        return value.number if 0 < value.number < 65536 else None
    named = (port for port in entry.get("ports").entries() if port.get("name").text == value.text)
    return next((number for port in named if (number := _number(port)) is not None), None)


def _cpus(value: YamlValue, name: str) -> int | None:
    if value.text is None:
        return None
    try:
        return min(cpus(value.text), MOST_CPUS)
    except InvalidQuantity as error:
        raise PodRefused(f"{name}: resources.limits.cpu: {error}", value.line) from None
