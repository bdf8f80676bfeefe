"""Gathers what a trial's container is given from the checkout and from membudget's own environment."""

from collections.abc import Mapping
from pathlib import Path

from docker.errors import DockerException
from docker.utils import parse_env_file

from membudget.budgets.budget import ImageSpec
from membudget.budgets.workload import named_files
from membudget.errors import ConfigurationError
from membudget.trials.trial_inputs import TrialInputs

_LARGEST_FILE_BYTES = 64 << 20


def gather(spec: ImageSpec, checkout: Path, environ: Mapping[str, str], name: str) -> TrialInputs:
    """The inputs of the image `name`. Raises ConfigurationError for a file or a secret that is not there."""
    settings = spec.container
    for file in named_files(spec.workload):
        existing(checkout, file, f"images.{name}.workload")
    missing = [secret for secret in settings.secrets if not environ.get(secret)]
    if missing:
        raise ConfigurationError(
            f"the secret {missing[0]} is not set in the environment",
            where=f"images.{name}.container.secrets",
            fix=f"in a workflow, below the step: env: {{ {missing[0]}: ${{{{ secrets.{missing[0]} }}}} }}"
            " (pull requests from forks have no secrets)",
        )
    secrets = {secret: environ[secret] for secret in settings.secrets}
    from_files: dict[str, str] = {}
    for file in settings.env_files:
        from_files |= _variables(existing(checkout, file, f"images.{name}.container.env_files"), file)
    volumes = {
        path: _folder(checkout, folder, f"images.{name}.container.volumes.{path}")
        for path, folder in settings.volumes.items()
    }
    return TrialInputs(
        environment={**from_files, **settings.env, **secrets},
        secrets=tuple(secrets.values()),
        tmpfs=settings.tmpfs,
        volumes=volumes,
        read_only=settings.read_only,
        user=settings.user,
        cpus=settings.cpus,
        is_network_open=settings.network == "open",
        checkout=checkout.resolve(),
    )


def read_input(checkout: Path | None, name: str, where: str) -> bytes:
    """A file of the checkout that a workload names. Raises ConfigurationError."""
    path = existing(checkout, name, where)
    if not path.is_file():
        raise ConfigurationError(f"{name} is no file", where=where)
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise ConfigurationError(f"{name} is larger than {_LARGEST_FILE_BYTES >> 20} MiB", where=where)
    return path.read_bytes()


def existing(checkout: Path | None, name: str, where: str) -> Path:
    """A file or folder inside the checkout, links followed. Raises ConfigurationError."""
    if checkout is None:
        raise ConfigurationError(f"{name}: there is no repository to take it from", where=where)
    try:
        path = (checkout / name).resolve(strict=True)
        is_inside = path.is_relative_to(checkout.resolve())
    except (OSError, ValueError, RuntimeError):  # nowhere, too long, a NUL in it, links that go in a circle
        is_inside = False
    if not is_inside:
        raise ConfigurationError(f"{name} is not in the repository, as committed", where=where)
    return path


def _folder(checkout: Path, name: str, where: str) -> Path:
    path = existing(checkout, name, where)
    if not path.is_dir():
        raise ConfigurationError(f"{name} is no folder", where=where)
    return path


def _variables(path: Path, name: str) -> dict[str, str]:
    try:
        return parse_env_file(str(path))
    except (DockerException, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read as NAME=VALUE lines: {error}", where=name) from None
