"""What a container of a manifest is given: environment variables and volumes, out of the manifest and its ConfigMaps.

What only a cluster has (secrets, fields of the running pod, volumes that are claimed) is collected as lacking.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from itertools import islice

from membudget.budgets.deployed_pod import PodFile, PodMount, PodVolume, VolumeKind
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes
from membudget.manifests.yaml_text import YamlValue

MOST_LISTED = 500
"""The most entries of a list that are read."""
_MOST_TEXT = 1 << 20
"""The most characters of variables and of files of one pod, as in a ConfigMap."""
_LONGEST_NAME = 1000
_REFERENCE = re.compile(r"\$\$|\$\(([^()]{1,300})\)")
_MODE = re.compile(r"0o?[0-7]{1,4}|[1-9]\d{0,3}")


class PodRefused(Exception):
    """A pod cannot be measured as its manifest says. The message says why, and `line` where."""

    def __init__(self, reason: str, line: int | None = None, *, key: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.line = line
        self.key = key
        """The key of the table `kubernetes` that is wrong. Empty if the manifest is."""


class LackKind(StrEnum):
    """What a trial does without."""

    VARIABLE = "variable"
    VARIABLES = "variables"
    """All variables of a Secret, or of a ConfigMap that is not among the manifests."""
    VOLUME = "volume"
    """The content of a volume, which is empty instead."""
    HOOK = "hook"
    HOST_NETWORK = "host_network"
    PROBE = "probe"
    """A probe that cannot be run, so that nothing waits for it."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something of a manifest that only a cluster has."""

    container: str
    kind: LackKind
    name: str
    """The variable, the mounted path, or the key."""
    source: str = ""
    """Where a cluster takes it from, such as "Secret api"."""


@dataclass(slots=True)
class Sources:
    """The ConfigMaps of a manifest, the resources of its containers, and what was found to be lacking."""

    config_maps: Mapping[str, YamlValue]
    resources: Mapping[str, YamlValue] = field(default_factory=dict)
    """The `resources` of each container, by name."""
    limit: tuple[str, int] | None = None
    """The measured container, and a memory limit that counts instead of its own."""
    lacks: list[Lack] = field(default_factory=list)
    _left: int = _MOST_TEXT

    def lack(self, container: str, kind: LackKind, name: str, source: str = "") -> None:
        """Note something that is lacking."""
        found = Lack(container, kind, name[:200], source[:200])
        if found not in self.lacks:
            self.lacks.append(found)

    def counted(self, text: str, value: YamlValue) -> str:
        """Return a text, and count its characters. Raises PodRefused if the pod has too many: aliases are short."""
        self._left -= len(text)
        if self._left < 0:
            raise PodRefused("its commands, variables and files are larger than 1 MiB", value.line)
        return text

    def expanded(self, text: str, variables: Mapping[str, str], value: YamlValue) -> str:
        """Return a text with `$(NAME)` replaced, and count it. Raises PodRefused."""
        size = sum(len(variables.get(found[1] or "", "")) for found in _REFERENCE.finditer(text))
        if size > self._left:  # each variable may hold others several times
            raise PodRefused("its commands and variables are larger than 1 MiB when filled in", value.line)
        return self.counted(expanded(text, variables), value)

    def words(self, value: YamlValue, variables: Mapping[str, str]) -> tuple[str, ...] | None:
        """Return the words of a command. None if there are none, so that the image's own count. Raises PodRefused."""
        words = tuple(self.expanded(one.text or "", variables, one) for one in islice(value.entries(), MOST_LISTED))
        if any("\0" in word for word in words):
            raise PodRefused("a command has a NUL character", value.line)
        return words or None

    def environment(self, entry: YamlValue, given: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
        """Return the variables of a container. `given` override them; `names` are those whose values come later."""
        container = entry.get("name").text or ""
        found: dict[str, str] = {}
        for source in islice(entry.get("envFrom").entries(), MOST_LISTED):
            found |= self._all_of(container, source)
        for variable in islice(entry.get("env").entries(), MOST_LISTED):
            name = variable.get("name").text or ""
            if not name or "=" in name or "\0" in name or len(name) > _LONGEST_NAME:
                raise PodRefused(f"{container}: env has an entry without a usable name", variable.line)
            if name in given:
                found[name] = given[name]
            elif (value := self._value(container, name, variable, names)) is not None:
                found[name] = self.expanded(value, {**found, **given}, variable)
        if "\0" in "".join(found.values()):
            raise PodRefused(f"{container}: env has a value with a NUL character", entry.line)
        return {**found, **given}

    def _value(self, container: str, name: str, variable: YamlValue, names: frozenset[str]) -> str | None:
        source = variable.get("valueFrom")
        if not source:
            return self.counted(variable.get("value").text or "", variable)
        resource = source.get("resourceFieldRef")
        if resource and (amount := self._resource(container, resource)) is not None:
            return amount
        reference = source.get("configMapKeyRef")
        key = reference.get("key").text or ""
        data = self.config_maps.get(reference.get("name").text or "", YamlValue()).get("data")
        if reference and (text := data.get(key).text) is not None:
            return self.counted(text, variable)
        is_optional = any(source.get(kind, "optional").text == "true" for kind in ("configMapKeyRef", "secretKeyRef"))
        if not is_optional and name not in names:
            self.lack(container, LackKind.VARIABLE, name, _origin(source))
        return None

    def _resource(self, container: str, reference: YamlValue) -> str | None:
        """Return a limit or a request as a whole number of its divisor. None if it is not set."""
        of = reference.get("containerName").text or container
        kind, _, name = (reference.get("resource").text or "").partition(".")
        set_as = self.resources.get(of, YamlValue()).get(kind, name).text
        if kind == "requests" and set_as is None:
            set_as = self.resources.get(of, YamlValue()).get("limits", name).text
        if name == "memory" and kind == "limits" and self.limit is not None and self.limit[0] == of:
            set_as = str(self.limit[1])
        if set_as is None:
            return None
        try:
            divisor = _thousandths(reference.get("divisor").text or "1")
            return str(-(-_thousandths(set_as) // divisor)) if divisor else None
        except InvalidQuantity as error:
            raise PodRefused(f"{container}: resources: {set_as[:40]!r}: {error}", reference.line) from None

    def _all_of(self, container: str, source: YamlValue) -> dict[str, str]:
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            reference = source.get(key)
            if not reference:
                continue
            name, prefix = reference.get("name").text or "", source.get("prefix").text or ""
            found = self.config_maps.get(name) if kind == "ConfigMap" else None
            if found is not None:
                pairs = found.get("data").pairs().items()
                return {f"{prefix}{key}": self.counted(text, source) for key, text in pairs if key and "=" not in key}
            if reference.get("optional").text != "true":
                self.lack(container, LackKind.VARIABLES, f"{prefix}*", f"{kind} {name}")
        return {}

    def files(self, volume: YamlValue) -> tuple[PodFile, ...] | None:
        """Return the files of a volume of a ConfigMap. None if it holds something else, or if the map is not there."""
        given = volume.get("configMap")
        config_map = self.config_maps.get(given.get("name").text or "") if given else None
        if config_map is None:
            return None
        mode = _mode(given.get("defaultMode"), 0o644)
        texts, bytes_ = config_map.get("data").pairs(), config_map.get("binaryData").pairs()
        every = {**{name: (text, False) for name, text in texts.items()},
                 **{name: (text, True) for name, text in bytes_.items()}}  # fmt: skip
        chosen = {name: (name, mode) for name in every}
        if given.get("items"):
            chosen = {
                one.get("key").text or "": (one.get("path").text or "", _mode(one.get("mode"), mode))
                for one in islice(given.get("items").entries(), MOST_LISTED)
            }
        return tuple(
            PodFile(_inside(path, given), self.counted(every[name][0], given), mode, every[name][1])
            for name, (path, mode) in sorted(chosen.items())
            if name in every
        )


def volumes_of(pod: YamlValue, claims: YamlValue, sources: Sources) -> dict[str, tuple[PodVolume, str]]:
    """Return the volumes of a pod, each with what a cluster would have put there. Empty if a trial has the same."""
    found: dict[str, tuple[PodVolume, str]] = {}
    for claim in islice(claims.entries(), MOST_LISTED):
        name = claim.get("metadata", "name").text or ""
        found[name] = PodVolume(name), "a volume claim"
    for volume in islice(pod.get("volumes").entries(), MOST_LISTED):
        name, empty = volume.get("name").text or "", volume.get("emptyDir")
        if empty.get("medium").text == "Memory":
            size = memory_of(empty.get("sizeLimit"), f"volumes: {name}: emptyDir.sizeLimit")
            found[name] = PodVolume(name, VolumeKind.MEMORY, size), ""
        elif empty or volume.get("ephemeral"):
            found[name] = PodVolume(name), ""
        elif (files := sources.files(volume)) is not None:
            found[name] = PodVolume(name, VolumeKind.FILES, files=files), ""
        else:
            found[name] = PodVolume(name), _content(volume)
    return found


def mounts_of(entry: YamlValue, volumes: Mapping[str, tuple[PodVolume, str]], sources: Sources) -> Iterator[PodMount]:
    """Yield where a container mounts volumes. Raises PodRefused."""
    container = entry.get("name").text or ""
    for mount in islice(entry.get("volumeMounts").entries(), MOST_LISTED):
        name, path = mount.get("name").text or "", mount.get("mountPath").text or ""
        if name not in volumes:
            raise PodRefused(f"{container}: volumeMounts names the volume {name[:80]!r}, which the pod does not have",
                             mount.line)  # fmt: skip
        path = path if path.startswith("/") else f"/{path}"
        if (
            len(path) > _LONGEST_NAME
            or re.search(r"[\x00-\x1f:,]", path)
            or path.rstrip("/") == ""
            or ".." in path.split("/")
        ):
            raise PodRefused(
                f"{container}: volumeMounts has a mountPath that cannot be used: {path[:80]!r}", mount.line
            )
        if mount.get("subPathExpr"):
            raise PodRefused(f"{container}: volumeMounts.subPathExpr is not known here", mount.line)
        sub_path = _inside(mount.get("subPath").text or "", mount)
        if volumes[name][1]:
            sources.lack(container, LackKind.VOLUME, path, volumes[name][1])
        yield PodMount(name, path.rstrip("/"), sub_path, mount.get("readOnly").text == "true")


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with `$(NAME)` replaced, as Kubernetes does it: unknown names stay, and `$$` is a `$`."""

    def one(found: re.Match[str]) -> str:
        name = found[1]
        return "$" if name is None else variables.get(name, found[0])

    return _REFERENCE.sub(one, text)


def _thousandths(text: str) -> int:
    """Return a quantity of Kubernetes in thousandths, so that "500m" of a CPU stays exact."""
    if text.endswith("m"):
        return kubernetes_bytes(text[:-1])
    number = Fraction(text) if re.fullmatch(r"\d{1,9}\.\d{1,3}", text) else Fraction(kubernetes_bytes(text))
    return int(number * 1000)


def cpus(text: str) -> int:
    """Return an amount of CPUs, rounded up to whole ones. Raises InvalidQuantity."""
    return max(1, -(-_thousandths(text) // 1000))


def memory_of(value: YamlValue, key: str) -> int | None:
    """Return an amount of memory in bytes, or None if there is none. Raises PodRefused, which names `key`."""
    if value.text is None:
        return None
    try:
        return kubernetes_bytes(value.text)
    except InvalidQuantity as error:
        raise PodRefused(f"{key}: {error}", value.line) from None


def _mode(value: YamlValue, usual: int) -> int:
    text = (value.text or "").strip()
    if not text:
        return usual
    if not _MODE.fullmatch(text):
        raise PodRefused(f"a file's mode is no number of up to four octal digits: {text[:20]!r}", value.line)
    return int(text.replace("o", ""), 8 if text.startswith("0") else 10) & 0o777


def _inside(path: str, where: YamlValue) -> str:
    """Return a path below a volume. Raises PodRefused if it leads out of it."""
    if len(path) > _LONGEST_NAME or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise PodRefused(f"a path leads out of its volume: {path[:80]!r}", where.line)
    return path.strip("/")


def _origin(source: YamlValue) -> str:
    for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if source.get(key):
            return f"{kind} {source.get(key, 'name').text or ''}"
    return f"the field {source.get('fieldRef', 'fieldPath').text or source.get('resourceFieldRef', 'resource').text}"


def _content(volume: YamlValue) -> str:
    kind = next((key for key, _ in volume.items() if key != "name"), "nothing")
    names = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName", "hostPath": "path"}
    name = volume.get(kind, names.get(kind, "name")).text
    return f"{kind} {name}" if name else kind
