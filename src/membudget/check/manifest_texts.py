"""The manifests of one commit: each is read, rendered and bounded once, whoever asks for it.

Three ask: the budgets, for the pods of images; the check, for what is deployed; and the places of settings.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import TypeVar

from membudget.budgets.manifests import ManifestEntry
from membudget.check.manifest_files import ManifestRefused
from membudget.check.manifest_source import Renderer, Rendering, plain_text, rendering_of
from membudget.core.errors import ProgramFailed
from membudget.manifests.kubernetes import MOST_TEXT, TooMuchYaml, bounded_documents
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values

UNREADABLE = (ManifestRefused, ProgramFailed, InvalidYaml, TooMuchYaml)
"""What is raised for a manifest that cannot be read."""
T = TypeVar("T")
_Key = tuple[str, ...]


def why_unreadable(error: Exception) -> str:
    """Return why a manifest cannot be read, for one of `UNREADABLE`."""
    match error:
        case InvalidYaml():
            return f"it is not valid YAML: {error.reason}, line {error.line}"
        case TooMuchYaml():
            return f"it has more YAML about workloads than the {MOST_TEXT >> 10} KiB that are read"
        case _:
            return str(error)


@dataclass(slots=True)
class _Known:
    """What was read of a commit so far, by the files of the entry. A failure is kept, too: it is not tried again."""

    renderings: dict[_Key, Rendering | Exception | None] = field(default_factory=dict)
    texts: dict[_Key, str | Exception] = field(default_factory=dict)
    documents: dict[_Key, tuple[YamlValue, ...] | Exception] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)
    """Images are measured side by side, and each may ask."""


class ManifestTexts:
    """The manifests of a checkout."""

    def __init__(self, checkout: Path, renderer: Renderer, known: _Known | None = None) -> None:
        self.checkout = checkout
        self._renderer = renderer
        self._known = known if known is not None else _Known()

    def rendering(self, entry: ManifestEntry) -> Rendering | None:
        """Return the files of a chart or of a folder of Kustomize. None if the entry is a file. Raises Refused."""
        return self._once(self._known.renderings, entry, lambda: rendering_of(entry, self.checkout, self._renderer))

    def text(self, entry: ManifestEntry) -> str:
        """Return the text of a file, or what a program renders. Raises Refused and ProgramFailed."""

        def read() -> str:
            rendering = self.rendering(entry)
            if rendering is None:
                return plain_text(entry, self.checkout)
            return rendering.render(rendering.gathered.files)

        return self._once(self._known.texts, entry, read)

    def documents(self, entry: ManifestEntry) -> tuple[YamlValue, ...]:
        """Return the documents about workloads and ConfigMaps, with the lines of the whole text. Raises `UNREADABLE`.

        ConfigMaps count towards the bound.
        """

        def read() -> tuple[YamlValue, ...]:
            parts = bounded_documents(self.text(entry), with_config_maps=True)
            return tuple(one for lines_above, part in parts for one in read_values("\n" * lines_above + part))

        return self._once(self._known.documents, entry, read)

    def _once(self, known: dict[_Key, T | Exception], entry: ManifestEntry, read: Callable[[], T]) -> T:
        with self._known.lock:
            if entry.named_files not in known:
                try:
                    known[entry.named_files] = read()
                except UNREADABLE as error:
                    known[entry.named_files] = error
            found = known[entry.named_files]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return found


class CommitManifests:
    """The manifests of commits. A commit may be checked out more than once: what was read of it stays known."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def of(self, sha: str, checkout: Path, renderer: Renderer) -> ManifestTexts:
        """Return the manifests of a commit. `checkout` is where it is checked out."""
        return ManifestTexts(checkout, renderer, self._known.setdefault(sha, _Known()))
