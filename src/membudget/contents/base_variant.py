"""Smaller variants of the same base image, by the names that Docker's official images give them."""

import re
from dataclasses import dataclass

from membudget.contents.dockerfile import Dockerfile
from membudget.contents.image import ImageConfig

_BASE_LABEL = "org.opencontainers.image.base.name"
_REFERENCE = re.compile(r"(?P<name>[^\s@]+?)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_CODENAME = re.compile(r"(?:(?P<version>.+)-)?(?P<suite>buster|bullseye|bookworm|trixie|forky|stable|jammy|noble)")
_SMALL = re.compile(r"(?:^|-)(?:slim|alpine|jre|distroless|nonroot|scratch|busybox|minimal|micro)")
_SOURCES_OF_SLIM = ("latest", "stable", "lts", "current")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What an image is FROM."""

    reference: str
    dockerfile_line: int | None
    """Of that FROM."""


@dataclass(frozen=True, slots=True)
class BaseVariant:
    """A smaller image that could take the place of a base image."""

    of: BaseImage
    reference: str
    file_bytes: int
    """Its `image_size`."""


def base_of(config: ImageConfig, dockerfile: Dockerfile | None, target: str | None) -> BaseImage | None:
    """The image that an image is FROM, by its Dockerfile, else by the label that says it; None: not known."""
    chain = dockerfile.stage_chain(target) if dockerfile is not None else ()
    reference, line = (chain[0].base, chain[0].lines[0]) if chain else (config.labels.get(_BASE_LABEL, ""), None)
    return BaseImage(reference, line) if reference not in ("", "scratch") and "$" not in reference else None


def variants(reference: str) -> tuple[str, ...]:
    """References of what may be smaller variants of an image, the likeliest first; whether there are any is not known.

    `python:3.12-bookworm` has `python:3.12-slim-bookworm`, `node:22` has `node:22-slim`, `eclipse-temurin:21-jdk` has
    `eclipse-temurin:21-jre`. None is named that changes the C library: what runs on one need not run on the other.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return ()
    name, tag = match["name"], match["tag"] or "latest"
    if _SMALL.search(tag):
        return ()
    if re.search(r"-jdk(?=-|$)", tag):
        return (f"{name}:{re.sub(r'-jdk(?=-|$)', '-jre', tag)}",)
    if name.endswith("/dotnet/sdk"):
        return tuple(f"{name.removesuffix('sdk')}{kind}:{tag}" for kind in ("aspnet", "runtime"))
    suite = _CODENAME.fullmatch(tag)
    if suite is not None and suite["version"]:
        return (f"{name}:{suite['version']}-slim-{suite['suite']}", f"{name}:{tag}-slim")
    return (f"{name}:{tag}-slim", *((f"{name}:slim",) if tag in _SOURCES_OF_SLIM else ()))
