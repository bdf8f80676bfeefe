"""The user's own programs that read files in languages of theirs: docker buildx for bake files, helm for charts.

The files may be anybody's. They are given as texts, in an empty folder: neither client sees the repository, the user's
environment, a kubeconfig or a token. Both are ended after half a minute.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from membudget.core.errors import shortened
from membudget.engine.child_environment import reader_environment
from membudget.setup.bake import BakeRefused
from membudget.setup.charts import ChartRefused

_MOST_S = 30.0
_LARGEST_ANSWER_BYTES = 4 << 20
_LARGEST_ERROR_BYTES = 1 << 14
_TARGET = re.compile(
    r'^[ \t]*target[ \t]+"([A-Za-z_][\w-]{0,100})"|^ {4}"([A-Za-z_][\w-]{0,100})"[ \t]*:[ \t]*\{', re.MULTILINE
)
"""The targets of a bake file, which has no default if this is asked."""
_MOST_TARGETS = 200


class _Failed(Exception):
    """The client failed. The message is its last line about an error."""


class BuildxBake:
    """`docker buildx bake --print`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        folder = environ.get("DOCKER_CONFIG")  # an option: a bake file can read variables
        self._command = ["docker", *(["--config", folder] if folder else []), "buildx", "bake"]
        self._environ = reader_environment(environ)

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> "BuildxBake | None":
        """Return the client, or None if docker is not installed."""
        return cls(environ) if shutil.which("docker", path=environ.get("PATH")) is not None else None

    def targets(self, text: str, kind: str) -> str:
        """Return the targets of a bake file as JSON. Raises BakeRefused."""
        with tempfile.TemporaryDirectory(prefix="membudget-bake-") as folder:
            name = f"docker-bake.{kind}"
            Path(folder, name).write_text(text)
            command = [*self._command, "--file", name, "--print"]
            try:
                return _said(command, Path(folder), self._environ)  # the default targets
            except _Failed as error:
                names = [found[1] or found[2] for found in _TARGET.finditer(text)]
                own = [found for found in names if not found.startswith("_")][:_MOST_TARGETS]
                if not own or "default" not in str(error):
                    raise BakeRefused(f"docker buildx bake: {error}") from None
            try:
                return _said([*command, *own], Path(folder), self._environ)
            except _Failed as error:
                raise BakeRefused(f"docker buildx bake: {error}") from None


class Helm:
    """`helm template`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("PATH", "")

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> "Helm | None":
        """Return the client, or None if helm is not installed."""
        return cls(environ) if shutil.which("helm", path=environ.get("PATH")) is not None else None

    def render(self, chart: Mapping[str, str]) -> str:
        """Return the manifests of a chart, given as texts by path. Raises ChartRefused."""
        with tempfile.TemporaryDirectory(prefix="membudget-chart-") as scratch:
            home, folder = Path(scratch, "home"), Path(scratch, "chart")
            home.mkdir()
            for name, text in chart.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            environ = {"PATH": self._path, "HOME": str(home), "KUBECONFIG": os.devnull}
            try:
                return _said(["helm", "template", "membudget", str(folder)], home, environ)
            except _Failed as error:
                raise ChartRefused(str(error)) from None


def _said(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> str:
    """Return what a command printed. Raises _Failed, also if that is too much or takes too long."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        try:
            code = subprocess.run(
                command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=errors, timeout=_MOST_S,
                check=False,
            ).returncode  # fmt: skip
        except OSError as error:
            raise _Failed(f"{command[0]} cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise _Failed(f"it took longer than {_MOST_S:.0f} s") from None
        if code != 0:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LARGEST_ERROR_BYTES))
            lines = errors.read(_LARGEST_ERROR_BYTES).decode(errors="replace").splitlines()
            errors_told = [line for line in lines if line.lower().startswith("error")]
            last = (errors_told or [line for line in lines if line.strip()])[-1:]
            raise _Failed(shortened(last[0] if last else f"exit code {code}", 150))
        if said.seek(0, os.SEEK_END) > _LARGEST_ANSWER_BYTES:
            raise _Failed(f"it printed more than {_LARGEST_ANSWER_BYTES >> 20} MiB")
        said.seek(0)
        return said.read().decode(errors="replace")
