"""Archives of images: every layout, every compression, and what is wrong with some."""

import gzip
import io
import json
import tarfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.contents.image import ImageContents, Layer
from membudget.contents.stores.archive import read_archive
from membudget.core.errors import UnreadableImage
from tests.unit.contents.archives import Layout, diff_id, export, file, special, tar
from tests.unit.contents.stacks import layer, read

LAYOUTS: list[Layout] = ["legacy", "oci"]
ONE, OTHER = (tar([file(name, name.encode() * 10)]) for name in ("one", "other"))


def sizes(archive: bytes, *, is_trusted: bool = True) -> list[list[int]]:
    return [[stored.layer.file_bytes for stored in image.layers] for image in read(archive, is_trusted=is_trusted)]


def broken(archive: bytes, *, is_trusted: bool = True) -> list[str]:
    images = read_archive(io.BufferedReader(io.BytesIO(archive)), lambda _: None, is_trusted=is_trusted)
    return [str(image.contents) for image in images if isinstance(image.contents, UnreadableImage)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regular_files_count_and_nothing_else(layout: Layout) -> None:
    members = [
        special("usr", tarfile.DIRTYPE),
        file("usr/a", b"x" * 1000),
        file("usr/b", b"y" * 24),
        special("usr/hard", tarfile.LNKTYPE, "usr/a"),  # the same bytes, once
        special("usr/told", tarfile.LNKTYPE, "usr/a", size=1000),  # as some archivers write it
        special("usr/soft", tarfile.SYMTYPE, "a"),
        special("dev/null", tarfile.CHRTYPE),
        file("usr/.wh.gone"),
    ]
    assert sizes(export([[tar(members)]], layout)) == [[1024]]


@pytest.mark.thorough
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("around", [lambda data: data, gzip.compress, zstandard.compress])
def test_layers_in_every_compression_and_archives_in_each(layout: Layout, around: object) -> None:
    empty = tar([])
    for pack in (lambda data: data, gzip.compress, zstandard.compress):
        stored = {ONE: pack(ONE), empty: pack(empty)}
        archive = around(export([[ONE, empty], [ONE, OTHER]], layout, stored))  # type: ignore[operator] # one of the above
        assert sizes(archive, is_trusted=False) == [[30, 0], [30, 50]]
    assert sizes(export([[empty]], layout, {empty: b""})) == [[0]]


def test_what_a_store_compressed_is_what_is_downloaded() -> None:
    packed = gzip.compress(ONE)
    (image,) = read(export([[ONE]], "oci", {ONE: packed}))
    assert (image.download_bytes, image.media_types) == (
        len(packed),
        ("application/vnd.oci.image.layer.v1.tar+gzip",),
    )
    assert read(export([[ONE]], "oci"))[0].download_bytes is None, "the store keeps it plain"


def test_the_legacy_layout_links_to_a_layer_it_has_already() -> None:
    manifest = [{"Config": "c.json", "Layers": ["one/layer.tar", "two/layer.tar"]}]
    config = {"rootfs": {"diff_ids": [diff_id(ONE)] * 2}}
    members = [
        file("one/layer.tar", ONE),
        special("two/layer.tar", tarfile.SYMTYPE, "../one/layer.tar"),
        file("c.json", json.dumps(config).encode()),
        file("manifest.json", json.dumps(manifest).encode()),
    ]
    assert sizes(tar(members)) == [[30, 30]]


def test_an_oci_archive_without_dockers_manifest_skips_attestations() -> None:
    config = json.dumps({"os": "linux", "architecture": "arm64", "rootfs": {"diff_ids": [diff_id(ONE)]}}).encode()
    layer_blob = {"mediaType": "x", "digest": diff_id(ONE), "size": len(ONE)}
    manifest = json.dumps({"config": {"digest": diff_id(config), "size": 1}, "layers": [layer_blob]}).encode()
    attestation = {"digest": diff_id(b"a"), "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}}
    image = {"digest": diff_id(manifest), "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}
    index = json.dumps({"manifests": [attestation, image]}).encode()
    blobs = [file(f"blobs/{diff_id(blob).replace(':', '/')}", blob) for blob in (config, manifest, ONE)]
    archive = tar([file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), *blobs, file("index.json", index)])
    (found,) = read(archive, is_trusted=False)
    assert (found.config.platform, found.file_bytes) == ("linux/arm64", 30)


def test_a_layer_that_was_seen_is_not_read_again() -> None:
    seen: list[str] = []

    def known(digest: str) -> Layer | None:
        seen.append(digest)
        return layer(ONE) if digest == diff_id(ONE) else None

    damaged = {ONE: b"\xff" * len(ONE)}
    archive = export([[ONE, OTHER]], "oci", damaged)
    (image,) = read_archive(io.BufferedReader(io.BytesIO(archive)), known, is_trusted=True)
    assert isinstance(image.contents, ImageContents)
    assert image.contents.file_bytes == 80
    assert diff_id(OTHER) in seen


def test_a_layer_that_is_not_what_its_diff_id_says() -> None:
    archive = export([[ONE]], "legacy", {ONE: OTHER})
    assert "does not match its DiffID" in broken(archive, is_trusted=False)[0]


def test_one_broken_image_costs_no_other_its_contents() -> None:
    archive = export([[ONE], [OTHER]], "legacy", {OTHER: OTHER[:700]})
    images = read_archive(io.BufferedReader(io.BytesIO(archive)), lambda _: None, is_trusted=True)
    assert [isinstance(image.contents, ImageContents) for image in images] == [True, False]


@pytest.mark.parametrize(
    ("stored", "message"),
    [  # the time in a gzip header would make other names of each run's tests
        (b"BZh91AY" + bytes(600), "compressed with bzip2"),
        (gzip.compress(ONE, mtime=0)[:60], "damaged|cut off"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, "damaged"),
        (b"no archive at all" * 60, "checksum|not a number"),
    ],
)
def test_a_layer_that_cannot_be_read(stored: bytes, message: str) -> None:
    (said,) = broken(export([[ONE]], "oci", {ONE: stored}))
    assert any(word in said for word in message.split("|")), said


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"", "neither a manifest.json nor an index.json"),
        (tar([file("a", b"b")]), "neither a manifest.json nor an index.json"),
        (tar([file("manifest.json", b'[{"Config": 3}]')]), "manifest.json is not understood"),
        (tar([file("manifest.json", b"[" * 100_000)]), "not JSON"),
        (export([[ONE]])[:900], "cut off"),
    ],
)
def test_what_is_no_archive_of_images(archive: bytes, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        broken(archive)


def test_a_manifest_that_names_what_is_not_there() -> None:
    manifest = json.dumps([{"Config": "c.json", "Layers": ["gone/layer.tar"]}]).encode()
    config = json.dumps({"rootfs": {"diff_ids": [diff_id(ONE)]}}).encode()
    assert "lacks the layer" in broken(tar([file("c.json", config), file("manifest.json", manifest)]))[0]
    assert "lacks the document" in broken(tar([file("manifest.json", manifest)]))[0]
    two = json.dumps([{"Config": "c.json", "Layers": []}]).encode()
    assert "lists 0 layers" in broken(tar([file("c.json", config), file("manifest.json", two)]))[0]


@pytest.mark.thorough
def test_an_empty_image_and_one_of_a_thousand_layers() -> None:
    many = [tar([file(f"f{number}", b"x" * number)]) for number in range(1000)]
    assert [sum(one) for one in sizes(export([[], many]))] == [0, sum(range(1000))]


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 6000), noise=st.binary(min_size=1, max_size=64), layout=st.sampled_from(LAYOUTS))
def test_damage_anywhere_is_an_error_of_ours_or_none(at: int, noise: bytes, layout: Layout) -> None:
    archive = bytearray(export([[ONE, OTHER], [OTHER]], layout, {OTHER: gzip.compress(OTHER)}))
    archive[at : at + len(noise)] = noise
    try:
        said = broken(bytes(archive), is_trusted=False)
    except UnreadableImage as error:
        said = [str(error)]
    assert all(said), "an error says what is wrong"
    assert len(said) <= 2, "no image is there that was not before"
