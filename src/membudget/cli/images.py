"""Runs `membudget inspect` and `membudget diff`.

They are separate from `commands`, so that they start fast. The modules that show an image are imported after it was
read, so that they reuse the memory that reading has freed.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from membudget.build.sources import Source, read_sources
from membudget.contents.dockerfile import LARGEST_DOCKERFILE, parse_dockerfile
from membudget.contents.image import ImageContents
from membudget.contents.origin import BaseImage, BaseVariant, base_of, layer_origins
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.summary import ImageSummary, PairContents, ReadableImage, Unavailable, compare, image_metrics
from membudget.core.errors import ConfigurationError, ExitCode, UnreadableImage
from membudget.core.files import read_plain
from membudget.publish.workflow import show, show_json, warn
from membudget.report.formats.image_report import DiffReport, InspectReport

if TYPE_CHECKING:
    from membudget.engine.connection import Engine


def inspect(options: argparse.Namespace) -> ExitCode:
    """Run `membudget inspect`. Raises MembudgetError."""
    found = _look([options.image], options)
    summary = _readable(found.head)
    report = InspectReport(
        image=options.image, scheme=Source.of(options.image).scheme, metrics=image_metrics(summary), contents=summary
    )
    if options.json:
        show_json(report.model_dump_json(indent=1))
    else:
        from membudget.report.formats.image_tree import of_image

        show(of_image(report))
    return ExitCode.WITHIN_BUDGET


def diff(options: argparse.Namespace) -> ExitCode:
    """Run `membudget diff`. Raises MembudgetError."""
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
        from membudget.report.formats.image_tree import of_diff

        show(of_diff(report))
    return ExitCode.WITHIN_BUDGET


def _look(references: Sequence[str], options: argparse.Namespace) -> PairContents:
    folder = os.environ.get("MEMBUDGET_CACHE_DIR") or platformdirs.user_cache_dir("membudget")
    cache = LayerCache(Path(folder))
    text = _text(options.dockerfile) if options.dockerfile is not None else None

    def read_engine(names: Sequence[str]) -> list[ImageContents | UnreadableImage]:
        from membudget.build import docker_images

        with _engine() as engine:
            ids = [docker_images.inspect(engine, name).image_id for name in names]
            read = docker_images.read_images(engine, ids, cache, compresses=options.download_size)
            return [read[image_id] for image_id in ids]

    images = read_sources(references, cache, options.platform, read_engine)
    sides: list[ReadableImage] = []
    for image in images:
        dockerfile = parse_dockerfile(text, platform=image.config.platform) if text is not None else None
        sides.append((image, layer_origins(image.config, dockerfile, options.target)))
    if len(sides) > 1:
        found = compare(sides[0], sides[1])
    else:
        base = base_of(images[0].config, dockerfile, options.target)
        smaller = _smaller_base(base, images[0], cache, options) if base is not None else None
        found = compare(None, sides[0], smaller)
    cache.prune()
    return found


def _smaller_base(
    base: BaseImage, image: ImageContents, cache: LayerCache, options: argparse.Namespace
) -> BaseVariant | None:
    from membudget.build.sources import BaseVariants

    is_of_engine = Source.of(options.image).scheme == "docker"
    with _engine() if is_of_engine else nullcontext() as engine:
        known = BaseVariants(engine, cache, warn, asks_registry=options.base_variants)
        return known.smallest(base, image.config.platform)


@contextmanager
def _engine() -> "Iterator[Engine]":
    from membudget.engine.connection import connect

    with closing(connect()) as engine:
        yield engine


def _readable(found: ImageSummary | Unavailable | None) -> ImageSummary:
    if isinstance(found, ImageSummary):
        return found
    raise UnreadableImage(found.reason if found is not None else "there is no image")


def _text(path: str) -> str:
    try:
        return read_plain(Path(path), LARGEST_DOCKERFILE)[:LARGEST_DOCKERFILE].decode(errors="replace")
    except OSError as error:
        raise ConfigurationError(f"the Dockerfile cannot be read: {error.strerror}", where=path) from None
