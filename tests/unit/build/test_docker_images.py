import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import ImageNotFound

from membudget.build.docker_images import CONTENT_LABEL, inspect, read_images
from membudget.contents.image import ImageContents
from membudget.contents.stores.layer_cache import LayerCache
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage
from membudget.engine.connection import Engine, EngineInfo
from tests.unit.contents.archives import configuration, diff_id, export, file, tar

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
    labels: dict[str, str] = field(default_factory=dict)
    """By image: a setting, which is part of its configuration and of no layer."""
    ours: dict[str, str] = field(default_factory=dict)
    """Labels that membudget sets."""
    chunks: Callable[[int], Iterator[bytes]] | None = None
    """What an export gives instead."""
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
        labels = {"label": self.labels[reference]} if reference in self.labels else {}
        attrs = {"Id": reference, "RootFS": {"Layers": layers or None}, "Config": {"Labels": labels | self.ours}}
        return SimpleNamespace(attrs=attrs, history=lambda: [{"CreatedBy": "COPY . /", "Id": reference}])

    @contextmanager
    def _export(self, url: str, *, params: dict[str, list[str]], stream: bool) -> Iterator[SimpleNamespace]:
        assert url == "http://localhost/v1.48/images/get"
        self.exported.append(params["names"])
        labels = [self.labels.get(name, "") for name in params["names"]] if self.labels else []
        layers = [[one for one in self.held[name] if one != self.lacking] for name in params["names"]]
        data = export(layers, labels=labels)
        chunks = self.chunks or (lambda size: iter([data]))
        yield SimpleNamespace(raise_for_status=lambda: None, iter_content=chunks)


def engine(**images: list[bytes]) -> tuple[Engine, FakeClient]:
    client = FakeClient(images)
    return Engine(client, INFO, "unix:///run/test.sock"), client  # type: ignore[arg-type] # all that is asked of it


def sizes(asked: Engine, image_ids: list[str], cache: LayerCache) -> dict[str, int]:
    found = read_images(asked, image_ids, cache)
    return {name: one.file_bytes for name, one in found.items() if isinstance(one, ImageContents)}


BASE, HEAD, EMPTY, NEXT = (f"sha256:{digit * 64}" for digit in "abcd")


def test_a_size_is_the_sum_of_its_layers_shared_ones_included(tmp_path: Path) -> None:
    asked, client = engine(**{BASE: [COMMON, ONE], HEAD: [COMMON, OTHER, OTHER], EMPTY: []})
    assert sizes(asked, [BASE, HEAD, EMPTY, BASE], LayerCache(tmp_path)) == {
        BASE: 60 + 30,
        HEAD: 60 + 50 + 50,
        EMPTY: 0,
    }
    assert client.exported == [[BASE, HEAD, EMPTY]], "one export for all"


@pytest.mark.parametrize("named_by", ["configuration", "manifest"])
def test_images_of_the_same_layers_keep_their_own_settings(named_by: str, tmp_path: Path) -> None:
    labels = ["old", "new"]
    ids = [diff_id(configuration([COMMON], label)) for label in labels] if named_by == "configuration" else [BASE, HEAD]
    asked, client = engine(**{image_id: [COMMON] for image_id in ids})
    client.labels = dict(zip(ids, labels, strict=True))
    for _ in ("exported", "remembered"):
        found = read_images(asked, ids, LayerCache(tmp_path))
        read = [one.config.labels["label"] for one in found.values() if isinstance(one, ImageContents)]
        assert (list(found), read) == (ids, labels)
    alone = [[one] for one in ids] if named_by == "manifest" else []
    assert client.exported == [ids, *alone]


def test_an_image_that_was_seen_is_not_exported_again(tmp_path: Path) -> None:
    asked, client = engine(**{BASE: [COMMON, ONE], HEAD: [COMMON, OTHER], NEXT: [OTHER, ONE]})
    sizes(asked, [BASE, HEAD], LayerCache(tmp_path))
    assert sizes(asked, [HEAD], LayerCache(tmp_path)) == {HEAD: 110}
    assert sizes(asked, [], LayerCache(tmp_path)) == {}
    assert len(client.exported) == 1
    assert sizes(asked, [NEXT, BASE], LayerCache(tmp_path)) == {NEXT: 80, BASE: 90}
    assert client.exported[1:] == [[NEXT]], "only what is new"


def test_a_download_size_that_was_not_asked_for_before_is_found_out(tmp_path: Path) -> None:
    asked, client = engine(**{BASE: [COMMON]})
    found = [
        read_images(asked, [BASE], LayerCache(tmp_path), compresses=compresses)[BASE]
        for compresses in (False, True, True, False)
    ]
    downloads = [one.download_bytes for one in found if isinstance(one, ImageContents)]
    assert downloads[0] is None
    assert downloads[1] is not None
    assert len(gzip.compress(COMMON, 6)) - 20 <= downloads[1] <= len(gzip.compress(COMMON, 6)) + 20
    assert downloads[1:] == [downloads[1]] * 3
    assert len(client.exported) == 2


def test_a_layer_that_is_not_in_the_export_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    asked, client = engine(**{HEAD: [COMMON, OTHER]})
    client.lacking = OTHER
    assert isinstance(read_images(asked, [HEAD], LayerCache(tmp_path))[HEAD], UnreadableImage)


def test_an_export_that_breaks_off_is_the_environments_fault(tmp_path: Path) -> None:
    asked, client = engine(**{HEAD: [COMMON]})

    def breaking(size: int) -> Iterator[bytes]:
        yield b"x" * 100
        raise requests.exceptions.ChunkedEncodingError("cut off")

    client.chunks = breaking
    with pytest.raises(EnvironmentFault, match="exporting images"):
        read_images(asked, [HEAD], LayerCache(tmp_path))
    assert [thread.name for thread in threading.enumerate() if thread.name == "export"] == []


def test_an_image_that_is_not_there_is_the_users_to_pull() -> None:
    with pytest.raises(ConfigurationError, match="the image api is not in the engine"):
        inspect(engine()[0], "api")


def test_an_image_that_vanished_since_it_was_built_is_the_environments_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="the image api is not in the engine any more"):
        read_images(engine()[0], ["api"], LayerCache(tmp_path))


def test_a_label_of_ours_does_not_make_an_image_another_one(tmp_path: Path) -> None:
    asked, client = engine(**{BASE: [COMMON], HEAD: [COMMON], NEXT: [OTHER]})
    client.ours = {CONTENT_LABEL: "sha256:one"}
    base = inspect(asked, BASE)
    client.ours = {CONTENT_LABEL: "sha256:other"}
    head = inspect(asked, HEAD)
    assert base.labels != head.labels
    assert base.identity == head.identity != inspect(asked, NEXT).identity
    read_images(asked, [BASE], LayerCache(tmp_path))
    assert sizes(asked, [HEAD], LayerCache(tmp_path)) == {HEAD: 60}
    assert client.exported == [[BASE]], "what is known of the one is known of the other"


@pytest.mark.parametrize(
    "change",
    [
        {"Config": {"Cmd": ["other"], "Labels": None}},
        {"Config": {"Cmd": ["run"], "Labels": {"version": "2"}}},
        {"Architecture": "arm64"},
        {"Variant": "v8"},
        {"Created": "2026-01-02T00:00:00Z"},
        {"RootFS": {"Layers": ["sha256:other"]}},
        {"history": [{"CreatedBy": "RUN other"}]},
        {},
    ],
)
def test_all_else_does(change: dict[str, Any]) -> None:
    attributes = {
        "Config": {"Cmd": ["run"], "Labels": None},
        "Os": "linux",
        "Architecture": "amd64",
        "Created": "2026-01-01T00:00:00Z",
        "RootFS": {"Layers": ["sha256:one"]},
        "history": [{"CreatedBy": "RUN one"}],
    }

    def identity(image_id: str, values: dict[str, Any]) -> str:
        image = SimpleNamespace(attrs={**values, "Id": image_id}, history=lambda: values["history"])
        images = SimpleNamespace(images=SimpleNamespace(get=lambda _: image))
        return inspect(Engine(images, INFO, "unix:///x"), "x").identity  # type: ignore[arg-type] # all it asks

    assert (identity("1", attributes) != identity("2", attributes | change)) is bool(change)


def test_an_engine_that_does_not_tell_the_configuration_names_an_image_by_its_id() -> None:
    image = SimpleNamespace(attrs={"Id": "sha256:1", "RootFS": {}}, history=list)
    images = SimpleNamespace(images=SimpleNamespace(get=lambda _: image))
    found = inspect(Engine(images, INFO, "unix:///x"), "x")  # type: ignore[arg-type] # all it asks
    assert (found.identity, found.labels) == ("sha256:1", {})
