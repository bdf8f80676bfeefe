"""The user's own helm and kubectl, which render charts and folders of Kustomize.

Both may be anybody's. They are given as files in an empty folder: the programs see neither the repository nor the
user's environment, a kubeconfig or a token. They have no network where the kernel allows to take it away, at most 1 GiB
of memory, and half a minute.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from membudget.core.errors import ProgramFailed
from membudget.engine.child_output import answer_of

_MOST_S = 30.0
_PROBE_S = 10.0
_LARGEST_ANSWER_BYTES = 4 << 20
_MOST_MEMORY_BYTES = 1 << 30
_NAME = "membudget"
"""The name of the release that charts are rendered as."""

_MISSING = "{0} is not installed, and {1} needs it: install it ({2}), or render it before and name the rendered file"


class Helm:
    """`helm template`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("PATH", "")
        self._program = shutil.which("helm", path=self._path)

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> "Helm | None":
        """Return the client, or None if helm is not installed."""
        helm = cls(environ)
        return helm if helm._program is not None else None

    def render(self, chart: Mapping[str, str]) -> str:
        """Return the manifests of a chart, given as texts by path. Raises ProgramFailed."""
        return self.render_files({name: text.encode() for name, text in chart.items()}, ".", ())

    def render_files(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        """Return the manifests of the chart in a folder of `files`, with values files of them. Raises ProgramFailed."""
        if self._program is None:
            raise ProgramFailed(_MISSING.format("helm", "a Helm chart", "https://helm.sh/docs/intro/install"))
        given = [word for path in values for word in ("--values", path)]
        return _answer([self._program, "template", _NAME, folder, *given], files, self._path)


class Kustomize:
    """`kubectl kustomize`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("PATH", "")
        self._program = shutil.which("kubectl", path=self._path)

    def render_files(self, files: Mapping[str, bytes], folder: str) -> str:
        """Return the manifests of a folder of `files`. Raises ProgramFailed."""
        if self._program is None:
            raise ProgramFailed(
                _MISSING.format("kubectl", "a folder of Kustomize", "https://kubernetes.io/docs/tasks/tools")
            )
        return _answer([self._program, "kustomize", folder], files, self._path)


class Renderers:
    """Both, as checks use them. A program that is missing fails when it is needed."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._helm, self._kustomize = Helm(environ), Kustomize(environ)

    def chart(self, files: Mapping[str, bytes], folder: str, values: Sequence[str]) -> str:
        """Return the manifests of a Helm chart. Raises ProgramFailed."""
        return self._helm.render_files(files, folder, values)

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        """Return the manifests of a folder of Kustomize. Raises ProgramFailed."""
        return self._kustomize.render_files(files, folder)


def _answer(command: Sequence[str], files: Mapping[str, bytes], search_path: str) -> str:
    """Return what a program prints in a folder that holds only `files`. Raises ProgramFailed."""
    with tempfile.TemporaryDirectory(prefix="membudget-manifests-") as scratch:
        home, top = Path(scratch, "home"), Path(scratch, "files")
        home.mkdir()
        top.mkdir()
        for name, content in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        environ = {"PATH": search_path, "HOME": str(home), "TMPDIR": str(home), "KUBECONFIG": os.devnull}
        environ["GIT_ALLOW_PROTOCOL"] = "none"  # kustomize would start git for a remote base
        confined = [*_confinement(), *command]
        try:
            return answer_of(confined, top, environ, most_bytes=_LARGEST_ANSWER_BYTES, most_s=_MOST_S)
        except ProgramFailed as error:
            if not error.lacked_memory:
                raise
            name, gib = Path(command[0]).name, _MOST_MEMORY_BYTES >> 30
            raise ProgramFailed(f"{name} ran out of memory: it gets {gib} GiB") from None


@cache
def _confinement() -> tuple[str, ...]:
    """Return the words before a command that take the network away and limit its memory, as far as they work here."""
    words: tuple[str, ...] = ()
    prlimit, unshare, true = (shutil.which(name) for name in ("prlimit", "unshare", "true"))
    if true is None:
        return words
    if prlimit is not None and _works(limit := (prlimit, f"--data={_MOST_MEMORY_BYTES}", "--"), true):
        words = limit
    if unshare is not None:
        apart = ((unshare, "--net", "--"), (unshare, "--map-root-user", "--net", "--"))
        words = (*next((one for one in apart if _works(one, true)), ()), *words)
    return words


def _works(words: Sequence[str], true: str) -> bool:
    try:
        done = subprocess.run([*words, true], env={}, capture_output=True, timeout=_PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
