"""Looks for a smaller variant of an image's base: in the engine, and in the registry if that was asked for."""

from collections.abc import Callable

from membudget.build.docker_images import inspect, read_images
from membudget.contents.image import ImageContents
from membudget.contents.origin import BaseImage, BaseVariant, variants
from membudget.contents.stores.layer_cache import LayerCache
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.engine.connection import Engine
from membudget.web.bounded_http import Allowance

_ALLOWED_S = 600.0
"""For all that registries are asked in a check."""


class BaseVariants:
    """What is known of variants. That none can be looked at costs the advice, and nothing else."""

    def __init__(
        self, engine: Engine | None, cache: LayerCache, warn: Callable[[str], None], *, asks_registry: bool
    ) -> None:
        """`asks_registry`: layers of a variant are read there, once: they are remembered."""
        self._engine = engine
        self._cache = cache
        self._warn = warn
        self._asks_registry = asks_registry
        self._allowance = Allowance(_ALLOWED_S)

    def smallest(self, base: BaseImage | None, platform: str) -> BaseVariant | None:
        """The smallest variant that there is of a base image; None where there is none, or the base is not known."""
        if base is None:
            return None
        found = [
            BaseVariant(base, reference, size)
            for reference in variants(base.reference)
            if (size := self._size(reference, platform)) is not None
        ]
        return min(found, key=lambda variant: variant.file_bytes, default=None)

    def _size(self, reference: str, platform: str) -> int | None:
        contents = self._of_engine(reference)
        if contents is None and self._asks_registry:
            contents = self._of_registry(reference, platform)
        return contents.file_bytes if contents is not None and contents.config.platform == platform else None

    def _of_engine(self, reference: str) -> ImageContents | None:
        if self._engine is None:
            return None
        try:
            image_id = inspect(self._engine, reference).image_id
            found = read_images(self._engine, [image_id], self._cache)[image_id]
        except (ConfigurationError, EnvironmentFault):
            return None
        return found if isinstance(found, ImageContents) else None

    def _of_registry(self, reference: str, platform: str) -> ImageContents | None:
        from membudget.build.registry import read_image  # only where it is asked

        try:
            with self._allowance.spend() as deadline:
                found = read_image(reference, self._cache.get, platform, deadline)
        except ConfigurationError:  # there is none of that name
            return None
        except EnvironmentFault as error:
            self._warn(f"{reference} could not be looked at, which may be a smaller base: {error.what}")
            return None
        self._cache.put_layers(found)
        return found
