"""Which files of the repository an image, and what is measured of it, come from."""

import posixpath

from membudget.budgets.entries import ImageSpec
from membudget.budgets.workload import named_files


def build_paths(image: ImageSpec) -> tuple[str, ...] | None:
    """What it is built from: build context, Dockerfile, and what it declares. None: that cannot be told."""
    if image.compose is not None:
        return None  # what its services are built from is for compose to say
    dockerfile = posixpath.join(image.build.context, image.build.dockerfile)
    return _normalised(image.build.context, dockerfile, *image.paths)


def measurement_paths(image: ImageSpec) -> tuple[str, ...]:
    """What its container and its workload are given."""
    settings = image.container
    return _normalised(*settings.env_files, *settings.volumes.values(), *named_files(image.workload))


def _normalised(*paths: str) -> tuple[str, ...]:
    return tuple(sorted({posixpath.normpath(path) for path in paths}))
