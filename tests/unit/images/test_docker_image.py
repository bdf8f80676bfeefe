from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.errors import ImageNotFound

from membudget.engine.docker_engine import Engine, EngineInfo
from membudget.errors import ConfigurationError, EnvironmentFault
from membudget.images.docker_image import image_sizes, inspect
from membudget.images.layer_cache_file import LayerCache
from membudget.images.layers import UnreadableImage
from tests.unit.images.archives import diff_id, export, file, tar

INFO = EngineInfo("here", "28.0", "1.48", 2, "systemd", "6.8", "linux/amd64", "overlay2", 2, 1 << 30)
COMMON, ONE, OTHER = (tar([file(name, name.encode() * 10)]) for name in ("common", "one", "other"))


@dataclass
class FakeClient:
    """An engine that holds images and counts its exports."""

    held: dict[str, list[bytes]]
    """Layers by image."""
    exported: list[list[str]] = field(default_factory=list)
    lacking: bytes | None = None
    """A layer that exports leave out."""
    base_url = "http://localhost"
    api_version = "1.48"

    @property
    def images(self) -> "FakeClient":
        return self

    @property
    def api(self) -> SimpleNamespace:
        return SimpleNamespace(base_url=self.base_url, api_version=self.api_version, get=self._export)

    def get(self, reference: str) -> SimpleNamespace:
        if reference not in self.held:
            raise ImageNotFound(f"No such image: {reference}")
        layers = [diff_id(layer) for layer in self.held[reference]]
        return SimpleNamespace(attrs={"Id": reference, "RootFS": {"Layers": layers or None}})

    @contextmanager
    def _export(self, url: str, *, params: dict[str, list[str]], stream: bool) -> Iterator[SimpleNamespace]:
        assert url == "http://localhost/v1.48/images/get"
        self.exported.append(params["names"])
        data = export([[one for one in self.held[name] if one != self.lacking] for name in params["names"]])
        yield SimpleNamespace(raise_for_status=lambda: None, iter_content=lambda size: iter([data]))


def engine(**images: list[bytes]) -> tuple[Engine, FakeClient]:
    client = FakeClient(images)
    return Engine(client, INFO, "unix:///run/test.sock"), client  # type: ignore[arg-type] # all that is asked of it


def test_a_size_is_the_sum_of_its_layers_shared_ones_included(tmp_path: Path) -> None:
    asked, client = engine(base=[COMMON, ONE], head=[COMMON, OTHER, OTHER], empty=[])
    assert image_sizes(asked, ["base", "head", "empty", "base"], LayerCache(tmp_path)) == {
        "base": 60 + 30,
        "head": 60 + 50 + 50,
        "empty": 0,
    }
    assert client.exported == [["base", "head"]], "one export for all"


def test_an_image_whose_layers_were_all_seen_is_not_exported_again(tmp_path: Path) -> None:
    asked, client = engine(base=[COMMON, ONE], head=[COMMON, OTHER], next=[OTHER, ONE])
    image_sizes(asked, ["base", "head"], LayerCache(tmp_path))
    assert image_sizes(asked, ["next"], LayerCache(tmp_path)) == {"next": 80}
    assert image_sizes(asked, [], LayerCache(tmp_path)) == {}
    assert len(client.exported) == 1


def test_a_layer_that_is_not_in_the_export_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    asked, client = engine(head=[COMMON, OTHER])
    client.lacking = OTHER
    with pytest.raises(UnreadableImage, match="lacks some of its layers"):
        image_sizes(asked, ["head"], LayerCache(tmp_path))


def test_an_image_that_is_not_there_is_the_users_to_pull() -> None:
    with pytest.raises(ConfigurationError, match="the image api is not in the engine"):
        inspect(engine()[0], "api")


def test_an_image_that_vanished_since_it_was_built_is_the_environments_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="the image api is not in the engine any more"):
        image_sizes(engine()[0], ["api"], LayerCache(tmp_path))
