"""`docker compose`: the client is the interface. It reads compose files, and makes containers without starting them."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from membudget.core.errors import EnvironmentFault
from membudget.engine.child_environment import client_mask, engine_client_environment, reader_environment

_OBJECT = TypeAdapter(dict[str, JsonValue])
_CONFIG_S = 30.0
_LARGEST_ANSWER_BYTES = 4 << 20
"""Of a file of 1 MiB at the most: a long variable that is named often stands for more than a machine holds."""
_LONGEST_ERROR_BYTES = 1 << 14

ComposeModel = Mapping[str, JsonValue]
"""A compose file as compose itself resolves it (docs.docker.com/reference/compose-file)."""


class ComposeRefused(Exception):
    """Compose says what is wrong with a file, or with what it describes."""


class Compose:
    """The client, for one engine."""

    def __init__(self, engine_address: str, environ: Mapping[str, str] = os.environ) -> None:
        self._hide = client_mask(environ)
        self._environ = engine_client_environment(engine_address, environ)
        self._reading_environ = reader_environment(environ)
        folder = environ.get("DOCKER_CONFIG")  # where the plugin may be; as a variable, the file could ask for it
        self._config = ["--config", folder] if folder else []

    def check(self) -> None:
        """Raises EnvironmentFault when the plugin is missing."""
        try:
            self._run(self._reading_environ, ["version"], "", _CONFIG_S)
        except ComposeRefused:
            raise EnvironmentFault(
                "the docker client has no compose, which an image with `compose` needs",
                fix="install the plugin: packages docker-compose-plugin (Docker's) or docker-compose (Debian's)",
            ) from None

    def resolve(self, model: ComposeModel, project: Path, env_file: Path | None) -> ComposeModel:
        """A compose file with its variables filled in from `env_file`, and its short forms written out.

        Raises ComposeRefused.
        """
        where = ["--project-directory", str(project), "--env-file", str(env_file or os.devnull), "--profile", "*"]
        read = [*where, "--file", "-", "config", "--format", "json"]
        said = self._run(self._reading_environ, read, json.dumps(model), _CONFIG_S)
        try:
            return _OBJECT.validate_json(said)
        except ValidationError as error:
            raise EnvironmentFault(
                f"what docker compose config answers cannot be read: {self._hide(str(error))}"
            ) from None

    def create(self, model: ComposeModel, project: Path, timeout_s: float) -> None:
        """Make networks, volumes and containers, and start none of them.

        Raises ComposeRefused; TimeoutError after `timeout_s`.
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
                raise EnvironmentFault("the docker client is not installed", fix="install docker and compose") from None
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            if code != 0:
                errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LONGEST_ERROR_BYTES))
                lines = errors.read(_LONGEST_ERROR_BYTES).decode(errors="replace").splitlines()
                last = [line.strip() for line in lines if line.strip()][-1:]
                raise ComposeRefused(self._hide(last[0]) if last else f"docker compose exited with code {code}")
            if said.seek(0, os.SEEK_END) > _LARGEST_ANSWER_BYTES:
                raise ComposeRefused(
                    f"with its variables filled in, it has more than {_LARGEST_ANSWER_BYTES >> 20} MiB"
                )
            said.seek(0)
            return said.read().decode(errors="replace")
