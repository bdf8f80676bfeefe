"""The `docker compose` client, which resolves compose files and creates containers without starting them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.engine.child_environment import client_mask, engine_client_environment, reader_environment

_OBJECT = TypeAdapter(dict[str, JsonValue])
_CONFIG_S = 30.0
_LARGEST_ANSWER_BYTES = 4 << 20
"""The largest resolved file. A file of 1 MiB can name a long variable often enough to fill any machine's memory."""
_LONGEST_ERROR_BYTES = 1 << 14

ComposeModel = Mapping[str, JsonValue]
"""A compose file as resolved by compose (docs.docker.com/reference/compose-file)."""


def literally(text: str) -> str:
    """Return a text with `$` escaped, because compose would replace variables."""
    return text.replace("$", "$$")


class ComposeRefused(Exception):
    """Compose reports a problem with a file or with what the file describes."""


class Compose:
    """The compose client for one engine."""

    def __init__(self, engine_address: str, environ: Mapping[str, str] = os.environ) -> None:
        self._hide = client_mask(environ)
        self._environ = engine_client_environment(engine_address, environ)
        self._reading_environ = reader_environment(environ)
        folder = environ.get("DOCKER_CONFIG")  # an option, because the compose file could read a variable
        self._config = ["--config", folder] if folder else []

    def check(self) -> str:
        """Check that the plugin is installed, and return what it says of its version.

        Raises EnvironmentFault if it is not.
        """
        try:
            return self._run(self._reading_environ, ["version"], "", _CONFIG_S)
        except ComposeRefused:
            raise EnvironmentFault(
                "the docker client has no compose plugin, which images with `compose` need",
                fix="install the plugin: packages docker-compose-plugin (Docker's) or docker-compose (Debian's)",
                check=DoctorCheck.COMPOSE,
            ) from None

    def resolve(self, model: ComposeModel, project: Path, env_file: Path | None) -> ComposeModel:
        """Return a compose file with variables filled in from `env_file` and short forms expanded.

        Raises ComposeRefused.
        """
        where = ["--project-directory", str(project), "--env-file", str(env_file or os.devnull), "--profile", "*"]
        read = [*where, "--file", "-", "config", "--format", "json"]
        said = self._run(self._reading_environ, read, json.dumps(model), _CONFIG_S)
        try:
            return _OBJECT.validate_json(said)
        except ValidationError as error:
            raise EnvironmentFault(
                f"the output of docker compose config cannot be read: {self._hide(str(error))}"
            ) from None

    def create(self, model: ComposeModel, project: Path, timeout_s: float) -> None:
        """Create networks, volumes and containers without starting anything.

        Raises ComposeRefused, and TimeoutError after `timeout_s`.
        """
        where = ["--project-directory", str(project), "--env-file", os.devnull]
        create = [*where, "--file", "-", "create", "--no-build", "--pull", "never"]
        self._run(self._environ, create, json.dumps(model), timeout_s)

    def _run(self, environ: Mapping[str, str], arguments: list[str], given: str, timeout_s: float) -> str:
        command = ["docker", *self._config, "compose", *arguments]
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
            try:
                code = subprocess.run(
                    command,
                    env=environ,
                    input=given.encode(),
                    stdout=said,
                    stderr=errors,
                    timeout=timeout_s,
                    check=False,
                ).returncode
            except FileNotFoundError:
                raise EnvironmentFault(
                    "the docker client is not installed", fix="install docker and compose", check=DoctorCheck.COMPOSE
                ) from None
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            if code != 0:
                errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LONGEST_ERROR_BYTES))
                lines = errors.read(_LONGEST_ERROR_BYTES).decode(errors="replace").splitlines()
                last = [line.strip() for line in lines if line.strip()][-1:]
                raise ComposeRefused(self._hide(last[0]) if last else f"docker compose exited with code {code}")
            if said.seek(0, os.SEEK_END) > _LARGEST_ANSWER_BYTES:
                raise ComposeRefused(
                    f"with variables filled in, the compose file has more than {_LARGEST_ANSWER_BYTES >> 20} MiB"
                )
            said.seek(0)
            return said.read().decode(errors="replace")
