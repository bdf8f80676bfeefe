"""Packages of distributions whose databases are text: Debian's dpkg (also distroless) and Alpine's apk.

dpkg-query(1), "status" and "info/*.list"; dpkg-divert(1); wiki.alpinelinux.org, "Apk spec", installed database.
"""

from collections.abc import Mapping

from membudget.contents.packages.package import Claims, Ecosystem, PackageId

_STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d/"
_LISTS = "var/lib/dpkg/info/"
DIVERSIONS = "var/lib/dpkg/diversions"
APK_DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


def claim_debian(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Debian packages."""
    versions: dict[str, str] = {}
    diverted = _diversions(documents.get(DIVERSIONS, b""))
    for path in documents:
        if path == _STATUS or (path.startswith(_STATUS_FOLDER) and not path.endswith(".md5sums")):
            versions |= _versions(documents.get(path, b""))
    for path in documents:
        if path.startswith(_LISTS) and path.endswith(".list"):
            name = path[len(_LISTS) : -len(".list")].partition(":")[0]
            files = documents.get(path, b"").split(b"\n")
        elif path.startswith(_STATUS_FOLDER) and path.endswith(".md5sums"):  # distroless has no lists
            name = path[len(_STATUS_FOLDER) : -len(".md5sums")]
            files = [line.partition(b"  ")[2] for line in documents.get(path, b"").split(b"\n")]
        else:
            continue
        package = claims.package(PackageId(Ecosystem.DEB, name, versions.get(name, "")))
        for file in files:
            place, by = diverted.get(file.strip(b"/"), (file, ""))
            claims.claim(package, (file if by == name else place).decode(errors="surrogateescape").strip("/"))
        claims.claim(package, path)


def claim_alpine(documents: Mapping[str, bytes], claims: Claims) -> None:
    """Claim the files of Alpine packages."""
    for path in APK_DATABASES:
        for paragraph in documents.get(path, b"").decode(errors="surrogateescape").split("\n\n"):
            lines = [(line[:2], line[2:]) for line in paragraph.split("\n")]
            named = dict(reversed(lines))
            if not named.get("P:"):
                continue
            package = claims.package(PackageId(Ecosystem.APK, named["P:"], named.get("V:", "")))
            folder = ""
            for key, value in lines:
                if key == "F:":
                    folder = value
                elif key == "R:":
                    claims.claim(package, f"{folder}/{value}".strip("/"))


def _diversions(document: bytes) -> dict[bytes, tuple[bytes, str]]:
    """Where files are instead of the places that packages name, and of which package that is not so."""
    lines = document.split(b"\n")
    return {
        place.strip(b"/"): (other, by.decode(errors="surrogateescape"))
        for place, other, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    }


def _versions(status: bytes) -> dict[str, str]:
    """Versions by name, of the paragraphs of a status file."""
    versions: dict[str, str] = {}
    name = ""
    for line in status.decode(errors="replace").split("\n"):
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ").strip()
        elif line.startswith("Version: ") and name:
            versions[name] = line.removeprefix("Version: ").strip()
        elif not line:
            name = ""
    return versions
