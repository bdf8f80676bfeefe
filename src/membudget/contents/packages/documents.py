"""Which files are kept while a layer is read, since they say which packages there are, and how much of them is read."""

from membudget.contents.layers.layer import LARGEST_DOCUMENT_BYTES
from membudget.contents.packages.rpm import FOLDERS, NDB, SQLITE
from membudget.contents.packages.system import APK_DATABASES, DIVERSIONS

_MIB = 1 << 20
_EXACT = {
    "var/lib/dpkg/status": 32 * _MIB,
    DIVERSIONS: _MIB,
    **dict.fromkeys(APK_DATABASES, 32 * _MIB),
    **dict.fromkeys([f"{folder}{name}" for folder in FOLDERS for name in (SQLITE, NDB)], 64 * _MIB),
}
_HEADERS = ("/METADATA", "/PKG-INFO")
_HEADER_BYTES = 64 << 10
_TOP_LEVEL = "/top_level.txt"
_ENDINGS = (*_HEADERS, ".list", "/package.json", "/RECORD", "/installed-files.txt", _TOP_LEVEL)


def is_wanted(path: str, size: int) -> bool:
    """Whether a regular file is to be kept whole."""
    if not path.endswith(_ENDINGS):
        if path in _EXACT:
            return size <= _EXACT[path]
        return path.startswith("var/lib/dpkg/status.d/") and size <= 4 * _MIB
    if path.endswith(".list"):
        return path.startswith("var/lib/dpkg/info/") and size <= 8 * _MIB
    if path.endswith("/package.json"):
        return size <= _MIB // 4 and _is_npm_package(path)
    folder = path.rpartition("/")[0]
    if path.endswith(_TOP_LEVEL):
        return folder.endswith(".egg-info") and size <= _MIB // 4
    return folder.endswith((".dist-info", ".egg-info")) and size <= 8 * _MIB


def read_bytes(path: str) -> int:
    """How much of a document is read: of descriptions, their headers."""
    return _HEADER_BYTES if path.endswith(_HEADERS) else LARGEST_DOCUMENT_BYTES


def _is_npm_package(path: str) -> bool:
    """Whether it is a package's own, and not one of a folder within it."""
    before, found, name = path.removesuffix("/package.json").rpartition("node_modules/")
    if not found or (before and not before.endswith("/")):
        return False
    return name.count("/") == (1 if name.startswith("@") else 0)
