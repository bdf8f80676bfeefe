import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.contents.image import Layer
from membudget.contents.stores.layer_cache import LayerCache
from membudget.contents.stores.layer_reader import read_layer
from tests.unit.contents.archives import diff_id, file, tar
from tests.unit.contents.stacks import contents, layer

ARCHIVE = tar([file("var/lib/dpkg/status", b"Package: a\n"), file("odd\udce9", b"x"), file(".wh.gone")])
DIFF_ID = diff_id(ARCHIVE)
IMAGE_ID = "sha256:" + "e" * 64


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_was_put_is_there_the_next_time(tmp_path: Path) -> None:
    assert LayerCache(tmp_path).get(DIFF_ID) is None
    LayerCache(tmp_path).put(DIFF_ID, layer(ARCHIVE))
    found = LayerCache(tmp_path).get(DIFF_ID)
    assert found == layer(ARCHIVE)
    assert isinstance(found, Layer)
    assert [entry.path for entry in found.entries()] == ["var/lib/dpkg/status", "odd\udce9"]
    assert [entry.path for entry in found.whiteouts()] == ["gone"]
    assert found.document("var/lib/dpkg/status") == b"Package: a\n"


def test_an_image_is_there_with_all_its_layers_or_not_at_all(tmp_path: Path) -> None:
    image = contents(ARCHIVE, tar([]), created_by=["COPY a b", "RUN true"])
    LayerCache(tmp_path).put_image(IMAGE_ID, image)
    assert LayerCache(tmp_path).get_image(IMAGE_ID) == image
    next(path for path in tmp_path.rglob(f"*{DIFF_ID[7:]}*")).unlink()
    assert LayerCache(tmp_path).get_image(IMAGE_ID) is None


@pytest.mark.thorough
@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 900), noise=st.binary(min_size=1, max_size=30), cut=st.integers(0, 900))
def test_a_broken_or_forged_file_is_not_believed(
    at: int, noise: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    LayerCache(folder).put(DIFF_ID, layer(ARCHIVE))
    path = only_file(folder)
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:cut])
    assert LayerCache(folder).get(DIFF_ID) is None or cut >= len(whole)
    whole[at : at + len(noise)] = noise
    path.write_bytes(whole)
    found = LayerCache(folder).get(DIFF_ID)
    assert found is None or [entry.path for entry in found.entries()] == ["var/lib/dpkg/status", "odd\udce9"]


@pytest.mark.parametrize("name", ["", "sha256:short", "../../etc/passwd", "sha256:" + "g" * 64])
def test_what_is_no_digest_touches_no_file(name: str, tmp_path: Path) -> None:
    LayerCache(tmp_path / "cache").put(name, layer(ARCHIVE))
    assert LayerCache(tmp_path / "cache").get(name) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_is_not_written_again_nor_forgotten(tmp_path: Path) -> None:
    cache = LayerCache(tmp_path)
    compressed = read_layer(io.BytesIO(ARCHIVE), compresses=True)
    cache.put(DIFF_ID, compressed)
    written = only_file(tmp_path).stat().st_ino
    cache.put(DIFF_ID, layer(ARCHIVE))
    assert only_file(tmp_path).stat().st_ino == written
    assert cache.get(DIFF_ID) == compressed


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    LayerCache(tmp_path / "file").put(DIFF_ID, layer(ARCHIVE))
    assert LayerCache(tmp_path / "file").get(DIFF_ID) is None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = LayerCache(tmp_path)
    for number in range(5):
        cache.put(f"sha256:{number:064}", layer(ARCHIVE))
    size = next(tmp_path.rglob("*.layer")).stat().st_size
    for number in (0, 1, 2, 3, 4):
        os.utime(next(tmp_path.rglob(f"*{number:064}*")), (number, number))
    assert cache.get(f"sha256:{0:064}") is not None, "which makes it the newest"
    cache.prune(2 * size)
    assert [cache.get(f"sha256:{number:064}") is not None for number in range(5)] == [True, False, False, False, True]
