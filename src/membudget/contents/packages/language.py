"""Packages of programming languages: Python distributions, npm packages, Go binaries, Java archives."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from email.parser import BytesHeaderParser

from membudget.contents.image import normal_path
from membudget.contents.packages.package import Claims, Ecosystem, PackageId

_MOST_PARTS = 500
_MOST_TOP_LEVEL = 1000
_ARCHIVE = re.compile(r"(.+?)-(v?[0-9][\w.+-]*?)(?:\.(?:jar|war|ear))")


def claim_python(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Python distributions (packaging.python.org, "Recording installed projects")."""
    folders: dict[str, int] = {}
    for path in documents:
        folder, _, file = path.rpartition("/")
        site, _, information = folder.rpartition("/")
        if information.endswith(".dist-info") and file == "RECORD":
            package = _distribution(folder, f"{folder}/METADATA", documents, claims)
            for relative in _recorded(documents.get(path, b"")):
                claims.claim(package, _joined(site, relative))
        elif information.endswith(".egg-info") and file == "installed-files.txt":
            package = _distribution(folder, f"{folder}/PKG-INFO", documents, claims)
            for relative in _lines(documents.get(path, b"")):
                claims.claim(package, _joined(folder, relative))
        elif information.endswith(".egg-info") and file == "top_level.txt":
            if f"{folder}/installed-files.txt" in documents:
                continue
            package = _distribution(folder, f"{folder}/PKG-INFO", documents, claims)
            folders[folder] = package
            for name in _lines(documents.get(path, b""))[:_MOST_TOP_LEVEL]:
                if name and "/" not in name and not name.startswith("."):
                    claims.claim(package, _joined(site, f"{name}.py"))
                    folders.setdefault(_joined(site, name), package)
    # after the files that are listed one by one, because several distributions may share a folder
    claims.claim_folders(folders)


def _distribution(folder: str, description: str, documents: Mapping[str, bytes], claims: Claims) -> int:
    """Return the package of a `.dist-info` or `.egg-info` folder."""
    site, _, information = folder.rpartition("/")
    name, _, version = information.rpartition(".")[0].partition("-")
    headers = BytesHeaderParser().parsebytes(documents.get(description, b""))
    name, version = str(headers.get("Name") or name), str(headers.get("Version") or version.partition("-py")[0])
    return claims.package(PackageId(Ecosystem.PYTHON, name.strip()[:200], version.strip()[:100], site))


def _lines(document: bytes) -> list[str]:
    return [line.strip() for line in document.decode(errors="surrogateescape").splitlines()]


def _recorded(document: bytes) -> Iterable[str]:
    lines = document.decode(errors="surrogateescape").splitlines()
    try:
        yield from (row[0] for row in csv.reader(lines) if row)
    except csv.Error:
        return


def _joined(folder: str, relative: str) -> str:
    if relative.startswith("/"):
        return relative.strip("/")
    path = f"{folder}/{relative}" if folder else relative
    if not relative.startswith(".") and "/." not in relative:
        return path
    return normal_path(path)


def claim_npm(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of npm packages: the folder of each, without the packages inside of it (npm-folders(5))."""
    folders: dict[str, int] = {}
    for path in documents:
        if path.endswith("/package.json"):
            folder = path.removesuffix("/package.json")
            name, version = folder.rpartition("node_modules/")[2], _npm_version(documents.get(path, b""))
            folders[folder] = claims.package(PackageId(Ecosystem.NPM, name, version, folder))
    claims.claim_folders(folders)


def _npm_version(document: bytes) -> str:
    content = _json(document)
    version = content.get("version") if isinstance(content, dict) else None
    return version[:100] if isinstance(version, str) else ""


def claim_go(facts: Mapping[str, object], claims: Claims) -> None:
    """Claim Go binaries, from the facts of `GoScan`."""
    for path, found in facts.items():
        if not isinstance(found, dict) or found.get("kind") != "go":
            continue
        modules = found.get("modules")
        parts = tuple(
            (str(one[0])[:300], str(one[1])[:100], None)
            for one in (modules if isinstance(modules, list) else ())[:_MOST_PARTS]
            if isinstance(one, list) and len(one) == 2
        )
        name = str(found.get("path") or path)[:300]
        version = str(found.get("version") or "")[:100]
        package = claims.package(PackageId(Ecosystem.GO, name, version, path), parts)
        claims.claim(package, path)


def claim_java(facts: Mapping[str, object], claims: Claims) -> None:
    """Claim Java archives, from the facts of `ArchiveScan`."""
    for path, found in facts.items():
        if not isinstance(found, dict) or found.get("kind") != "java":
            continue
        archives = found.get("archives")
        parts = []
        for one in (archives if isinstance(archives, list) else ())[:_MOST_PARTS]:
            if isinstance(one, list) and len(one) == 2 and isinstance(one[1], int):
                name, version = _archive_name(str(one[0]).rpartition("/")[2][:300])
                parts.append((name, version, one[1]))
        name, version = _archive_name(path.rpartition("/")[2])
        package = claims.package(PackageId(Ecosystem.JAVA, name, version, path), tuple(parts))
        claims.claim(package, path)


def _archive_name(file: str) -> tuple[str, str]:
    match = _ARCHIVE.fullmatch(file)
    return (match[1], match[2]) if match is not None else (file, "")


def _json(document: bytes) -> object:
    try:
        content: object = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return content
