"""Fetches the charting library of the report's page from npm, and checks that it is the one that is pinned.

python tools/page_assets.py            the pinned version; fails when a file is not what its hash says
python tools/page_assets.py VERSION    another one; prints the hashes for document.py, where both are pinned
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import debian
from membudget.report.page.document import CHARTS_SHA256, CHARTS_VERSION

_PACKAGE = "uplot"
_FOLDER = Path(__file__).resolve().parent.parent / "src" / "membudget" / "report" / "page" / "assets"
_MEMBERS = {
    "uPlot.iife.min.js": "package/dist/uPlot.iife.min.js",
    "uPlot.min.css": "package/dist/uPlot.min.css",
    "uPlot-LICENSE": "package/LICENSE",
}


def main() -> int:
    """Fetch, check, write."""
    version = sys.argv[1] if len(sys.argv) > 1 else CHARTS_VERSION
    fetched = fetch(version)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in fetched.items()}
    if version == CHARTS_VERSION and hashes != CHARTS_SHA256:
        print(f"npm's {_PACKAGE} {version} is not what is pinned: {hashes}", file=sys.stderr)
        return 1
    for name, content in fetched.items():
        (_FOLDER / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes, {hashes[name]}")
    return 0


def fetch(version: str) -> dict[str, bytes]:
    """The files that the page is made of."""
    debian.say(f"fetching {_PACKAGE} {version} (npm)")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{_PACKAGE}@{version}"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        found = {}
        with tarfile.open(archive) as packed:
            for name, member in _MEMBERS.items():
                content = packed.extractfile(member)
                assert content is not None
                found[name] = content.read()
        return found


if __name__ == "__main__":
    sys.exit(main())
