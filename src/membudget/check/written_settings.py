"""Reads what the files of a checkout set for an image's container: budgets, files of variables, compose file, manifest.

A file that cannot be read tells no place. The trial ran with it, or has said why it did not.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from membudget.budgets.container import ComposeSettings
from membudget.budgets.deployed_pod import ResolvedKubernetes
from membudget.budgets.entries import ImageSpec
from membudget.budgets.lines import positions
from membudget.budgets.manifests import ManifestEntry
from membudget.check.manifest_texts import UNREADABLE, ManifestTexts
from membudget.check.setting_places import WrittenSetting, WrittenSettings
from membudget.core.errors import ConfigurationError
from membudget.manifests.kubernetes import pod_of, workloads_in
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values
from membudget.measure.inputs import LARGEST_SETTINGS_BYTES, read_input

_TEXTS = (".yaml", ".yml", ".tpl", ".json", ".env", ".properties")
_MOST_LINES = 50_000


@dataclass(frozen=True, slots=True)
class SettingFiles:
    """The files of the head that set something for its containers."""

    manifests: ManifestTexts
    budgets: tuple[str, str] | None = None
    """The path and the text of the budgets file."""

    def of(self, name: str, spec: ImageSpec) -> WrittenSettings:
        """Return what is written for an image."""
        values = [*self._of_budgets(name, spec), *self._of_variables(spec.container.env_files)]
        start: tuple[str, int] | None = None
        loose: list[WrittenSetting] = []
        if spec.compose is not None:
            found = self._of_compose(spec.compose, name)
            values, start = [*values, *found.values], found.start
        elif isinstance(spec.kubernetes, ResolvedKubernetes):
            found = self._of_manifest(spec.kubernetes)
            values, start, loose = [*values, *found.values], found.start, [*found.loose]
        return WrittenSettings(values, start, loose)

    def _of_budgets(self, name: str, spec: ImageSpec) -> Iterator[WrittenSetting]:
        """Yield the variables and the command that the budgets file sets. Those of a template have no place."""
        if self.budgets is None:
            return
        path, text = self.budgets
        lines = text.split("\n")
        of_image = {keys[2:]: spot for keys, spot in positions(text).items() if keys[:2] == ("images", name)}
        for keys, spot in of_image.items():
            line = spot.value.line
            if keys[:2] == ("container", "env") and len(keys) == 3 and keys[2] in spec.container.env:
                yield WrittenSetting(path, line, (lines[line - 1],), str(keys[2]))
            elif keys[:2] == ("workload", "command"):
                yield WrittenSetting(path, line, (lines[line - 1],))

    def _of_variables(self, files: tuple[str, ...]) -> Iterator[WrittenSetting]:
        """Yield the variables of files with NAME=VALUE lines, the last file first."""
        for path in reversed(files):
            for number, line in enumerate(self._text(path).split("\n"), 1):
                variable, equals, _ = line.strip().removeprefix("export ").partition("=")
                if equals and not variable.startswith("#"):
                    yield WrittenSetting(path, number, (line,), variable.strip())

    def _text(self, path: str) -> str:
        try:
            return read_input(self.manifests.checkout, path, path, LARGEST_SETTINGS_BYTES).decode()
        except (ConfigurationError, UnicodeDecodeError):
            return ""

    def _of_compose(self, settings: ComposeSettings, name: str) -> WrittenSettings:
        text, values = self._text(settings.file), list[WrittenSetting]()
        service = YamlValue()
        with suppress(InvalidYaml):
            for document in read_values(text):
                service = document.get("services", settings.service or name)
        found = _Found(settings.file, text.split("\n"))
        values += found.variables(service.get("environment"))
        starts = [service.get(key) for key in ("command", "entrypoint")]
        values += (written for start in starts for written in found.words(start))
        files = service.get("env_file")
        paths = [one for entry in [files, *files.entries()] if (one := (entry.get("path") or entry).text) is not None]
        folder = posixpath.dirname(settings.file)
        inside = tuple(posixpath.normpath(posixpath.join(folder, path)) for path in paths)
        values += self._of_variables(tuple(path for path in inside if not path.startswith(("/", ".."))))
        line = next((start.line for start in starts if start), None)
        return WrittenSettings(values, (settings.file, line) if line is not None else None)

    def _of_manifest(self, settings: ResolvedKubernetes) -> WrittenSettings:
        entry = ManifestEntry(path=settings.manifest, values=settings.values)
        try:
            rendering = self.manifests.rendering(entry)
            if rendering is not None:
                files = {rendering.gathered.origin(path): content for path, content in rendering.gathered.files.items()}
                return WrittenSettings(loose=list(_lines_of(files)))
            return _plain_manifest(settings, self.manifests.text(entry), self.manifests.documents(entry))
        except UNREADABLE:
            return WrittenSettings()


def _plain_manifest(settings: ResolvedKubernetes, text: str, documents: Sequence[YamlValue]) -> WrittenSettings:
    found, values, maps, line = (
        _Found(settings.manifest, text.split("\n")),
        list[WrittenSetting](),
        list[WrittenSetting](),
        None,
    )
    for kind, workload in (one for document in documents for one in workloads_in(document)):
        name = workload.get("metadata", "name").text or ""
        maps += found.variables(workload.get("data")) if kind == "ConfigMap" else ()
        if settings.workload not in (None, name, f"{kind}/{name}"):
            continue
        for container in pod_of(kind, workload).get("containers").entries():
            if container.get("name").text == settings.pod.measured:
                values += found.entries(container.get("env"))
                starts = [container.get(key) for key in ("args", "command")]
                values += (written for start in starts for written in found.words(start))
                line = next((start.line for start in starts if start), line)
    return WrittenSettings([*values, *maps], (settings.manifest, line) if line is not None else None)


@dataclass(frozen=True, slots=True)
class _Found:
    """Values of one file, with their lines."""

    path: str
    lines: list[str]

    def variables(self, value: YamlValue) -> Iterator[WrittenSetting]:
        """Yield the variables of a mapping, or of a list of NAME=VALUE."""
        for name, one in value.items():
            yield self._written(one, name)
        for entry in value.entries():
            name, equals, _ = (entry.text or "").partition("=")
            if equals:
                yield self._written(entry, name)

    def entries(self, value: YamlValue) -> Iterator[WrittenSetting]:
        """Yield the variables of Kubernetes' list of names and values."""
        for entry in value.entries():
            if (name := entry.get("name").text) is not None:
                yield self._written(entry.get("value") or entry, name)

    def words(self, value: YamlValue) -> Iterator[WrittenSetting]:
        """Yield the words of a command."""
        for one in (value, *value.entries()):
            if one.text is not None:
                yield self._written(one)

    def _written(self, value: YamlValue, variable: str | None = None) -> WrittenSetting:
        first, last = value.line, value.line
        if value.node is not None:
            last = max(first, min(value.node.end_mark.line + 1, len(self.lines)))
        return WrittenSetting(self.path, first, tuple(self.lines[first - 1 : last]), variable)


def _lines_of(files: Mapping[str, bytes]) -> Iterator[WrittenSetting]:
    """Yield the lines of files from which a program renders a manifest, without comments."""
    left = _MOST_LINES
    for path, content in files.items():
        if not path.endswith(_TEXTS):
            continue
        with suppress(UnicodeDecodeError):
            for number, line in enumerate(content.decode().split("\n")[: max(0, left)], 1):
                left -= 1
                if not line.lstrip().startswith(("#", "{{/*", "{{- /*")):
                    yield WrittenSetting(path, number, (line,))
