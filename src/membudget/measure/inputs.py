"""Collects the inputs of a trial's container, and masks the secrets among them in what comes of the trial.

Inputs come from the checkout and from membudget's own environment.
"""

import io
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from pathlib import Path

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.entries import ImageSpec
from membudget.budgets.workload_parts import Readiness, ServiceKind, WorkloadKind
from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain
from membudget.core.quantities import MIB, format_size
from membudget.engine.options import ContainerOptions, Declarations
from membudget.measure.assumed import ComposeVariables, UnsetVariables
from membudget.measure.trial import TrialInputs, TrialSpec

_LARGEST_FILE_BYTES = 64 * MIB
LARGEST_SETTINGS_BYTES = MIB
"""The largest size of a settings file: variables or a compose file."""


def gather(spec: ImageSpec, checkout: Path, environ: Mapping[str, str], name: str) -> TrialInputs:
    """Return the inputs of the image `name`. Raises ConfigurationError if a file or a secret is missing."""
    settings = spec.container
    for file in spec.workload.named_files:
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
        where = f"images.{name}.container.env_files"
        from_files |= variables_of(read_input(checkout, file, where, LARGEST_SETTINGS_BYTES), file)
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


def read_input(checkout: Path | None, name: str, where: str, most_bytes: int = _LARGEST_FILE_BYTES) -> bytes:
    """Return the content of a file of the checkout.

    Raises ConfigurationError if the file cannot be read or is larger than `most_bytes`.
    """
    path = existing(checkout, name, where)
    try:
        content = read_plain(path, most_bytes)
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}", where=where) from None
    if len(content) > most_bytes:
        raise ConfigurationError(f"{name} is larger than {format_size(most_bytes)}", where=where)
    return content


def existing(checkout: Path | None, name: str, where: str, fix: str | None = None) -> Path:
    """Return the path of a file or folder inside the checkout, with links followed.

    Raises ConfigurationError, with `fix`, if the path is missing or leads out of the checkout.
    """
    if checkout is None:
        raise ConfigurationError(f"{name}: there is no repository to take it from", where=where)
    try:
        path = (checkout / name).resolve(strict=True)
        is_inside = path.is_relative_to(checkout.resolve())
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):  # missing, too long, with NUL, or with links that form a circle
        is_inside = False
    if not is_inside:
        raise ConfigurationError(
            f"{name} is not in the repository: it is not committed, or leads out of it", where=where, fix=fix
        )
    return path


def _folder(checkout: Path, name: str, where: str) -> Path:
    path = existing(checkout, name, where)
    if not path.is_dir():
        raise ConfigurationError(f"{name} is no folder", where=where)
    return path


def variables_of(content: bytes, name: str) -> dict[str, str]:
    """Parse NAME=VALUE lines as docker-py does. A line may contain a secret, so no error quotes one."""
    variables: dict[str, str] = {}
    try:
        for number, line in enumerate(io.TextIOWrapper(io.BytesIO(content), "utf-8"), 1):
            if line.startswith("#") or not line.strip():
                continue
            key, equals, value = line.strip().partition("=")
            if not equals:
                raise ConfigurationError(f"cannot be read as NAME=VALUE lines: line {number} has no =", where=name)
            variables[key] = value
    except UnicodeDecodeError as error:
        problem = f"cannot be read as NAME=VALUE lines: it is not UTF-8 ({error.reason})"
        raise ConfigurationError(problem, where=name) from None
    return variables


def informed(spec: TrialSpec, said: Declarations) -> TrialSpec:
    """Return `spec` with what its image says about the service in it. A compose file may say more."""
    pod, workload, look_up = spec.inputs.pod, spec.workload, spec.inputs.variables_of_compose
    ports = pod.ports if pod is not None and pod.ports else said.ports
    if pod is not None and pod.ready is not None:
        workload = _awaiting(workload, pod.ready)
    elif isinstance(workload, AutoWorkload):
        # A cluster does not run the HEALTHCHECK of an image.
        has_healthcheck = said.has_healthcheck if pod is None or pod.sandbox is None else False
        has_healthcheck = has_healthcheck or (pod is not None and pod.has_healthcheck)
        workload = workload.of_image(ports, has_healthcheck=has_healthcheck)
    if look_up is not None:
        look_up = partial(_still_unset, look_up, said.variables | spec.inputs.environment.keys())
    inputs = replace(spec.inputs, variables_of_compose=look_up)
    if spec.asks_live_heap and pod is None:
        inputs = with_python_module(inputs, said.python_path, _IN_CONTAINER, IN_PYTHON)
        inputs = with_option(inputs, "RUBYOPT", said.ruby_options, f"-r{_RUBY_IN_CONTAINER}/live_heap.rb")
        inputs = replace(inputs, volumes={**inputs.volumes, _RUBY_IN_CONTAINER: IN_RUBY})
    return replace(spec, workload=workload, exposed=ports, inputs=inputs)


def _awaiting(workload: WorkloadKind, ready: Readiness) -> WorkloadKind:
    """Return a workload that waits for what a manifest says, unless it says itself what it waits for."""
    if isinstance(workload, AutoWorkload):
        return workload.awaiting(ready)
    if isinstance(workload, ServiceKind) and workload.ready is None:
        return workload.model_copy(update={"ready": ready})
    return workload


IN_PYTHON = Path(__file__).parent / "live_heap" / "in_python"
"""The folder with the module that lets Python say what it keeps."""
_IN_CONTAINER = "/.membudget-live-heap"
IN_RUBY = Path(__file__).parent / "live_heap" / "in_ruby"
_RUBY_IN_CONTAINER = f"{_IN_CONTAINER}-ruby"


def with_python_module(inputs: TrialInputs, python_path: str | None, path: str, folder: Path) -> TrialInputs:
    """Return `inputs` with a folder of modules at `path`, which Python finds first. Other programs do not notice.

    `python_path` is the image's own PYTHONPATH.
    """
    given = inputs.environment.get("PYTHONPATH", python_path)
    return replace(
        inputs,
        environment={**inputs.environment, "PYTHONPATH": f"{path}:{given}" if given else path},
        volumes={**inputs.volumes, path: folder},
    )


def with_option(inputs: TrialInputs, variable: str, of_image: str | None, option: str) -> TrialInputs:
    """Return `inputs` with one more option at the end of a variable. `of_image` is the image's own value of it."""
    given = inputs.environment.get(variable, of_image)
    value = f"{given} {option}" if given else option
    return replace(inputs, environment={**inputs.environment, variable: value})


def _still_unset(look_up: UnsetVariables, given: AbstractSet[str]) -> ComposeVariables | None:
    unset = look_up()
    return replace(unset, names=tuple(name for name in unset.names if name not in given)) if unset is not None else None


_HEALTH_INTERVAL_MS = 500
"""The engine's first check comes after one interval. By default, that is longer than membudget waits for readiness."""


def container_options(spec: TrialSpec, name: str, cgroup_parent: str | None, cpuset: str | None) -> ContainerOptions:
    """Return the options of the measured container."""
    start, inputs = spec.workload.start, spec.inputs
    return ContainerOptions(
        image=spec.image_id,
        name=name,
        role="trial",
        command=start.command,
        workdir=start.workdir,
        interactive=start.stdin is not None,
        memory_bytes=spec.limit_bytes,
        cgroup_parent=cgroup_parent,
        cpuset=cpuset,
        health_interval_ms=_HEALTH_INTERVAL_MS if _waits_for_health(spec.workload) else None,
        environment=inputs.environment,
        user=inputs.user,
        read_only=inputs.read_only,
        tmpfs=inputs.tmpfs,
        volumes=tuple(inputs.volumes),
        network="bridge" if inputs.is_network_open else "none",
    )


def _waits_for_health(workload: WorkloadKind) -> bool:
    return workload.readiness is not None and workload.readiness.healthcheck is not None
