from pathlib import Path

import pytest

from membudget.images.layer_cache_file import LayerCache

DIFF_ID = "sha256:" + "ab" * 32


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_was_put_is_there_the_next_time(tmp_path: Path) -> None:
    assert LayerCache(tmp_path).get(DIFF_ID) is None
    LayerCache(tmp_path).put(DIFF_ID, 12345)
    assert LayerCache(tmp_path).get(DIFF_ID) == 12345


@pytest.mark.parametrize(
    "content", [b"", b"-5", b"12x", b"1e9", b"\xff", b"9" * 40, b"9" * 5000, "٣".encode(), b"12\n34"]
)
def test_a_broken_or_forged_file_is_not_believed(tmp_path: Path, content: bytes) -> None:
    cache = LayerCache(tmp_path)
    cache.put(DIFF_ID, 1)
    only_file(tmp_path).write_bytes(content)
    assert cache.get(DIFF_ID) is None
    cache.put(DIFF_ID, 2)
    assert cache.get(DIFF_ID) == 2


@pytest.mark.parametrize("name", ["", "sha256:short", "../../etc/passwd", "sha256:" + "g" * 64, "md5:" + "a" * 64])
def test_what_is_no_digest_touches_no_file(tmp_path: Path, name: str) -> None:
    LayerCache(tmp_path / "cache").put(name, 1)
    assert LayerCache(tmp_path / "cache").get(name) is None
    assert list(tmp_path.rglob("*")) == []


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    LayerCache(tmp_path / "file").put(DIFF_ID, 1)
    assert LayerCache(tmp_path / "file").get(DIFF_ID) is None


def test_a_file_that_cannot_be_replaced_leaves_no_other_behind(tmp_path: Path) -> None:
    LayerCache(tmp_path).put(DIFF_ID, 1)
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    LayerCache(tmp_path).put(DIFF_ID, 1)
    assert LayerCache(tmp_path).get(DIFF_ID) is None
    assert list(path.parent.iterdir()) == [path]
