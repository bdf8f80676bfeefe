"""Checks the build targets that a budgets file names: whether their Dockerfiles have such a stage."""

from collections.abc import Iterator
from pathlib import Path

from membudget.budgets.entries import Budgets, Build
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses
from membudget.contents.dockerfile import LARGEST_DOCKERFILE, Dockerfile, parse_dockerfile
from membudget.core.errors import shortened
from membudget.core.files import read_plain

_LONGEST_LIST = 200


def unknown_targets(budgets: Budgets, top: Path, guesses: Guesses) -> Iterator[Fault]:
    """Yield the targets of a valid budgets file that no stage has. `top` is the top of the repository."""
    read: dict[str, Dockerfile | None] = {}
    for image, spec in budgets.images.items():
        target = spec.build.target
        if target is None:
            continue
        key = spec.build.model_copy(update={"target": None}).model_dump_json()
        if key not in read:
            read[key] = _stages(spec.build, top)
        dockerfile = read[key]
        if dockerfile is None or not dockerfile.stages or dockerfile.stage(target) is not None:
            continue
        names = [stage.name for stage in dockerfile.stages if stage.name is not None]
        yield Fault(
            ("images", image, "build", "target"),
            f"names no stage of {spec.build.dockerfile}",
            target,
            shortened(", ".join(names), _LONGEST_LIST) if names else "nothing: the stages have no names",
            guesses.similar(target, names.copy),
        )


def _stages(build: Build, top: Path) -> Dockerfile | None:
    """Return the Dockerfile of a build. None if it cannot be read whole: the build says why."""
    try:
        data = read_plain(top / build.context / build.dockerfile, LARGEST_DOCKERFILE)
    except (OSError, ValueError):
        return None
    if len(data) > LARGEST_DOCKERFILE:
        return None
    return parse_dockerfile(data.decode(errors="replace"), build.args, build.platform)
