"""The files of a checkout that a manifest is made of: read whole, in bounds, and never from outside of the checkout."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from membudget.core.errors import shortened
from membudget.core.files import read_plain
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values

LARGEST_FILE_BYTES = 4 << 20
_MOST_FILES, _MOST_BYTES = 2000, 16 << 20
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REFERENCES = ("resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators",
               "patchesStrategicMerge")  # fmt: skip
_REFERENCES_BY_PATH = ("patches", "patchesJson6902", "replacements")


class ManifestRefused(Exception):
    """A manifest cannot be used. The message says why, and may quote the repository's files."""


@dataclass(slots=True)
class Gathered:
    """Files by the path that a program sees, and where each comes from."""

    checkout: Path
    files: dict[str, bytes] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """The path in the repository of each file that is not at its own."""

    def origin(self, path: str) -> str:
        """Return the path in the repository of a file that a program sees."""
        return self.origins.get(path, path)

    def add(self, path: str, seen_as: str | None = None) -> bytes:
        """Read a file of the repository. Raises Refused."""
        name = seen_as or path
        content = read_file(self.checkout, path)
        self.files[name] = content
        if name != path:
            self.origins[name] = path
        if len(self.files) > _MOST_FILES or sum(map(len, self.files.values())) > _MOST_BYTES:
            raise ManifestRefused(f"it has more than {_MOST_FILES:,} files or {_MOST_BYTES >> 20} MiB")
        return content

    def add_folder(self, folder: str, seen_as: str | None = None) -> None:
        """Read all files below a folder. Raises Refused."""
        for path in sorted(_paths_below(self.checkout, folder)):
            self.add(path, f"{seen_as}{path.removeprefix(folder)}" if seen_as is not None else None)


def joined(folder: str, path: str) -> str:
    """Return a path below a folder, from the top of the repository, in its shortest form."""
    return posixpath.normpath(posixpath.join(folder, path))


def read_file(checkout: Path, path: str) -> bytes:
    """Return the content of a file of the checkout. Raises Refused if there is none, or if a link leads out of it."""
    try:
        resolved = (checkout / path).resolve(strict=True)
        if not resolved.is_relative_to(checkout.resolve()):
            raise ManifestRefused(f"{path} is a link that leads out of the repository")
        content = read_plain(resolved, LARGEST_FILE_BYTES)
    except (OSError, RuntimeError, ValueError) as error:
        raise ManifestRefused(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is a loop'}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise ManifestRefused(f"{path} is larger than {LARGEST_FILE_BYTES >> 20} MiB")
    return content


def _paths_below(checkout: Path, folder: str) -> Iterator[str]:
    top = checkout / folder
    if not top.resolve().is_relative_to(checkout.resolve()):
        raise ManifestRefused(f"{folder} is a link that leads out of the repository")
    count = 0
    for parent, folders, names in os.walk(top):
        here = Path(parent)
        for name in folders:
            if (here / name).is_symlink():
                raise ManifestRefused(
                    f"{(here / name).relative_to(checkout)} is a link to a folder, which is not followed"
                )
        for name in names:
            count += 1
            if count > _MOST_FILES:
                raise ManifestRefused(f"{folder} has more than {_MOST_FILES:,} files")
            yield (here / name).relative_to(checkout).as_posix()


def chart_files(checkout: Path, chart: str, values: tuple[str, ...]) -> Gathered:
    """Return the files of a Helm chart, of charts beside it that it needs, and its values files. Raises Refused."""
    gathered = Gathered(checkout)
    gathered.add_folder(chart)
    for dependency in _yaml(gathered.files, joined(chart, "Chart.yaml")).get("dependencies").entries():
        name, repository = dependency.get("name").text or "", dependency.get("repository").text or ""
        inside = joined(chart, f"charts/{name}")
        is_there = any(path.startswith((f"{inside}/", f"{inside}-")) for path in gathered.files)
        if is_there or not name or "/" in name:
            continue
        if not repository.startswith("file://"):
            raise ManifestRefused(
                f"its dependency {name!r} is not in {chart}/charts: membudget fetches nothing. Run `helm dependency"
                " update` and commit the result, or run it before the check and name the rendered file"
            )
        beside = joined(chart, repository.removeprefix("file://"))
        if beside.startswith(("..", "/")) or not (checkout / beside / "Chart.yaml").is_file():
            raise ManifestRefused(f"its dependency {name!r} is not in the repository: {repository}")
        gathered.add_folder(beside, inside)
    for path in values:
        gathered.add(path)
    return gathered


def kustomize_files(checkout: Path, folder: str) -> Gathered:
    """Return the files of a folder of Kustomize, and of the folders that it names. Raises Refused."""
    gathered, waiting, seen = Gathered(checkout), [folder], set[str]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        gathered.add_folder(here)
        name = next((path for one in KUSTOMIZATIONS if (path := joined(here, one)) in gathered.files), None)
        if name is not None:
            waiting += _named_folders(checkout, here, name, _yaml(gathered.files, name))
    return gathered


def _named_folders(checkout: Path, here: str, file: str, kustomization: YamlValue) -> Iterator[str]:
    """Yield the folders that a kustomization names. Raises Refused if something is not in the repository."""
    for value in _references(kustomization):
        text = value.text or ""
        if "\n" in text:  # a patch that is written there
            continue
        path = joined(here, text)
        found = checkout / path
        if "://" in text or path.startswith(("..", "/")) or not found.exists():
            raise ManifestRefused(
                f"{file}, line {value.line}: {shortened(text)!r} is not in the repository: remote bases are not fetched"
            )
        if found.is_dir():
            yield path


def _references(kustomization: YamlValue) -> Iterator[YamlValue]:
    for key in _REFERENCES:
        yield from (value for value in kustomization.get(key).entries() if value.text is not None)
    for key in _REFERENCES_BY_PATH:
        yield from (value for entry in kustomization.get(key).entries() if (value := entry.get("path")))
    path = kustomization.get("openapi", "path")
    yield from (path,) if path else ()


def _yaml(files: dict[str, bytes], path: str) -> YamlValue:
    try:
        documents = read_values(files[path].decode())
    except (InvalidYaml, UnicodeDecodeError) as error:
        raise ManifestRefused(f"{path} is not valid YAML: {shortened(str(error), 150)}") from None
    return documents[0] if documents else YamlValue()
