"""`membudget inspect` and `membudget diff`: apart from `commands`, so that what they import stays small."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from membudget.analysis.image_metrics import image_metrics
from membudget.contents.comparison import PairContents, Readable, Unavailable, compare
from membudget.contents.dockerfile import Dockerfile, parse_dockerfile
from membudget.contents.image_contents import ImageContents
from membudget.contents.image_summary import ImageSummary
from membudget.contents.layer_cache_file import LayerCache
from membudget.contents.layer_origin import layer_origins
from membudget.contents.unreadable import UnreadableImage
from membudget.errors import ConfigurationError, ExitCode
from membudget.image_sources import Source, read_sources
from membudget.publishing.step_log import show, show_json
from membudget.report import image_tree
from membudget.report.image_report import DiffReport, InspectReport

_LARGEST_DOCKERFILE = 1 << 20


def inspect(options: argparse.Namespace) -> ExitCode:
    """`membudget inspect`."""
    found = _look([options.image], options)
    summary = _readable(found.head)
    report = InspectReport(
        image=options.image, scheme=Source.of(options.image).scheme, metrics=image_metrics(summary), contents=summary
    )
    if options.json:
        show_json(report.model_dump_json(indent=1))
    else:
        show(image_tree.of_image(report))
    return ExitCode.WITHIN_BUDGET


def diff(options: argparse.Namespace) -> ExitCode:
    """`membudget diff`."""
    found = _look([options.base, options.head], options)
    base, head = _readable(found.base), _readable(found.head)
    assert found.diff is not None  # noqa: S101 - both sides could be read
    report = DiffReport(
        base_image=options.base,
        head_image=options.head,
        base_metrics=image_metrics(base),
        metrics=image_metrics(head),
        base_contents=base,
        contents=head,
        diff=found.diff,
    )
    if options.json:
        show_json(report.model_dump_json(indent=1))
    else:
        show(image_tree.of_diff(report))
    return ExitCode.WITHIN_BUDGET


def _look(references: Sequence[str], options: argparse.Namespace) -> PairContents:
    folder = os.environ.get("MEMBUDGET_CACHE_DIR") or platformdirs.user_cache_dir("membudget")
    cache = LayerCache(Path(folder))
    dockerfile = _dockerfile(options.dockerfile)

    def read_engine(names: Sequence[str]) -> list[ImageContents | UnreadableImage]:
        from membudget.engine.docker_engine import connect
        from membudget.images import docker_image

        engine = connect()
        try:
            ids = [docker_image.inspect(engine, name).image_id for name in names]
            read = docker_image.read_images(engine, ids, cache, compresses=options.download_size)
            return [read[image_id] for image_id in ids]
        finally:
            engine.close()

    images = read_sources(references, cache, options.platform, read_engine)
    cache.prune()
    sides: list[Readable] = [(image, layer_origins(image.config, dockerfile, options.target)) for image in images]
    return compare(*sides) if len(sides) > 1 else compare(None, sides[0])


def _readable(found: ImageSummary | Unavailable | None) -> ImageSummary:
    if isinstance(found, ImageSummary):
        return found
    raise UnreadableImage(found.reason if found is not None else "there is no image")


def _dockerfile(path: str | None) -> Dockerfile | None:
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            return parse_dockerfile(file.read(_LARGEST_DOCKERFILE).decode(errors="replace"))
    except OSError as error:
        raise ConfigurationError(f"the Dockerfile cannot be read: {error.strerror}", where=path) from None
