"""The user's own helm, which renders charts.

A chart may be anybody's. It is given as texts, in an empty folder: helm sees neither the repository nor the user's
environment, a kubeconfig or a token. It is ended after half a minute.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from membudget.engine.child_output import answer_of

_MOST_S = 30.0
_LARGEST_ANSWER_BYTES = 4 << 20


class Helm:
    """`helm template`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("PATH", "")

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> "Helm | None":
        """Return the client, or None if helm is not installed."""
        return cls(environ) if shutil.which("helm", path=environ.get("PATH")) is not None else None

    def render(self, chart: Mapping[str, str]) -> str:
        """Return the manifests of a chart, given as texts by path. Raises ProgramFailed."""
        with tempfile.TemporaryDirectory(prefix="membudget-chart-") as scratch:
            home, folder = Path(scratch, "home"), Path(scratch, "chart")
            home.mkdir()
            for name, text in chart.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            environ = {"PATH": self._path, "HOME": str(home), "KUBECONFIG": os.devnull}
            command = ["helm", "template", "membudget", str(folder)]
            return answer_of(command, home, environ, most_bytes=_LARGEST_ANSWER_BYTES, most_s=_MOST_S)
