"""Single files of npm packages, fetched once into the tooling's cache."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import debian
import dev_cache


def file(package: str, version: str, member: str) -> Path:
    """Where a file of a package is now: `member` is its path in the package."""
    kept = dev_cache.folder("npm") / f"{package}-{version}-{Path(member).name}"
    if not kept.exists():
        debian.say(f"fetching {package} {version} (npm)")
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package}@{version}"]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
            with tarfile.open(Path(folder, f"{package}-{version}.tgz")) as packed:
                packed.extract(f"package/{member}", folder, filter="data")
            shutil.move(Path(folder, "package", member), kept)
    return kept
