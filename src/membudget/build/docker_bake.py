"""`docker buildx bake --print`: evaluates bake files, and builds nothing.

Anybody may have written the file. It is given as text in an empty folder, and evaluated with an empty environment: a
bake file can read every variable, and the value would end up in a build argument. The client gets no engine, and opens
no connection for `--print`.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from membudget.build.bake import BakeRefused, bake_names
from membudget.core.errors import DoctorCheck, EnvironmentFault, ProgramFailed
from membudget.engine.child_output import answer_of

_MOST_S = 30.0
_MOST_IN_ALL_S = 300.0
"""A budgets file can name 500 targets."""
_LARGEST_ANSWER_BYTES = 4 << 20
_MOST_TARGETS = 200


class BuildxBake:
    """The user's buildx, as a reader of bake files. Equal files are evaluated once, so that both sides agree."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._docker = shutil.which("docker", path=environ.get("PATH"))
        folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", ""), ".docker")  # noqa: PTH118
        self._config = ["--config", os.path.abspath(folder)]  # noqa: PTH100 - it runs in another folder
        self._left_s = _MOST_IN_ALL_S
        self._answer = cache(self._evaluated)  # functions such as timestamp() have another value each time

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> "BuildxBake | None":
        """Return the client, or None if docker is not installed."""
        return cls(environ) if shutil.which("docker", path=environ.get("PATH")) is not None else None

    def targets(self, text: str, kind: str, wanted: str | None = None) -> str:
        """Return targets of a bake file as JSON: the wanted one, or those of a bake without arguments.

        Raises BakeRefused, and EnvironmentFault without buildx.
        """
        if wanted is not None:
            return self._answer(text, kind, (wanted,))
        try:
            return self._answer(text, kind, ())
        except BakeRefused:
            names = bake_names(text, kind)
            if names is None or "default" in (*names.targets, *names.groups):
                raise  # the reason is another than that it has no default
            own = [name for name in names.targets if not name.startswith("_")]
            if not own:
                raise
        return self._answer(text, kind, tuple(own[:_MOST_TARGETS]))

    def _evaluated(self, text: str, kind: str, wanted: tuple[str, ...]) -> str:
        if self._left_s <= 0:
            raise BakeRefused(f"bake files took longer than {_MOST_IN_ALL_S:.0f} s in all")
        name, started = f"docker-bake.{kind}", time.monotonic()
        with tempfile.TemporaryDirectory(prefix="membudget-bake-") as scratch:
            folder = Path(scratch)
            (folder / name).write_text(text)
            try:
                return self._run(folder, "bake", "--file", name, "--print", "--", *wanted)
            except ProgramFailed as error:
                self._check(folder)
                raise BakeRefused(f"docker buildx bake: {error}") from None
            finally:
                self._left_s -= time.monotonic() - started

    def _check(self, folder: Path) -> None:
        """Raise EnvironmentFault if the plugin is missing. The client's own message would be about an unknown flag."""
        try:
            self._run(folder, "version")
        except ProgramFailed:
            raise EnvironmentFault(
                "the docker client has no buildx plugin, which reads bake files",
                fix="install the plugin: packages docker-buildx-plugin (Docker's) or docker-buildx (Debian's)",
                check=DoctorCheck.BUILDX,
            ) from None

    def _run(self, folder: Path, *arguments: str) -> str:
        if self._docker is None:
            raise EnvironmentFault(
                "the docker client is not installed, which reads bake files",
                fix="install docker and its buildx",
                check=DoctorCheck.BUILDX,
            )
        command = [self._docker, *self._config, "buildx", *arguments]
        return answer_of(command, folder, {}, most_bytes=_LARGEST_ANSWER_BYTES, most_s=_MOST_S)
