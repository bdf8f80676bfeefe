"""Packages of languages: Python distributions, npm packages, Go binaries, Java archives."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from email.parser import BytesHeaderParser

from membudget.contents.package import Claims, Ecosystem, PackageId

_MOST_PARTS = 500
_ARCHIVE = re.compile(r"(.+?)-(v?[0-9][\w.+-]*?)(?:\.(?:jar|war|ear))")


def claim_python(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Python distributions (packaging.python.org, "Recording installed projects")."""
    for path in documents:
        folder, _, file = path.rpartition("/")
        site, _, information = folder.rpartition("/")
        if information.endswith(".dist-info") and file == "RECORD":
            name, _, version = information.removesuffix(".dist-info").partition("-")
            metadata = documents.get(f"{folder}/METADATA")
            listed: Iterable[str] = _recorded(documents.get(path, b""))
        elif information.endswith(".egg-info") and file == "installed-files.txt":
            name, _, version = information.removesuffix(".egg-info").partition("-")
            metadata = documents.get(f"{folder}/PKG-INFO")
            lines = documents.get(path, b"").decode(errors="surrogateescape").splitlines()
            listed = [f"{information}/{line}" for line in lines]
        else:
            continue
        if metadata is not None:
            headers = BytesHeaderParser().parsebytes(metadata)
            name, version = str(headers.get("Name") or name), str(headers.get("Version") or version.partition("-py")[0])
        package = claims.package(PackageId(Ecosystem.PYTHON, name.strip()[:200], version.strip()[:100], site))
        for relative in listed:
            claims.claim(package, _joined(site, relative))


def _recorded(document: bytes) -> Iterable[str]:
    lines = document.decode(errors="surrogateescape").splitlines()
    try:
        yield from (row[0] for row in csv.reader(lines) if row)
    except csv.Error:
        return


def _joined(folder: str, relative: str) -> str:
    if relative.startswith("/"):
        return relative.strip("/")
    if not relative.startswith((".", "/")) and "/." not in relative:
        return f"{folder}/{relative}"
    parts = folder.split("/")
    for part in relative.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def claim_npm(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of npm packages: each has its folder, less those of packages within it (npm-folders(5))."""
    found = [path.removesuffix("/package.json") for path in documents if path.endswith("/package.json")]
    for folder in sorted(found, key=len, reverse=True):  # the innermost first: they claim what is theirs
        name = folder.rpartition("node_modules/")[2]
        package = claims.package(
            PackageId(Ecosystem.NPM, name, _npm_version(documents.get(f"{folder}/package.json", b"")), folder)
        )
        claims.claim_below(package, folder)


def _npm_version(document: bytes) -> str:
    content = _json(document)
    version = content.get("version") if isinstance(content, dict) else None
    return version[:100] if isinstance(version, str) else ""


def claim_go(facts: Mapping[str, object], claims: Claims) -> None:
    """Claim Go binaries, by what `go_build_info` found in them."""
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
    """Claim Java archives, by what `java_archive` found in them."""
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
