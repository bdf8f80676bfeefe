import contextlib
import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.images.layers import ChunkReader, UnreadableImage, layer_file_bytes
from tests.unit.images.archives import Layout, diff_id, export, file, special, tar

LAYOUTS: list[Layout] = ["legacy", "oci"]


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """What a regular file holds."""
    extracted = archive.extractfile(member)
    assert extracted is not None
    return extracted.read()


def read(data: bytes) -> dict[str, int]:
    return layer_file_bytes(io.BytesIO(data))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regular_files_count_and_nothing_else(layout: Layout) -> None:
    layer = tar(
        [
            special("usr", tarfile.DIRTYPE),
            file("usr/a", b"x" * 1000),
            file("usr/b", b"y" * 24),
            special("usr/hard", tarfile.LNKTYPE, "usr/a"),  # the same bytes, once
            special("usr/told", tarfile.LNKTYPE, "usr/a", size=1000),  # as some archivers write it
            special("usr/soft", tarfile.SYMTYPE, "a"),
            special("dev/null", tarfile.CHRTYPE),
            file("usr/.wh.gone"),
        ]
    )
    assert read(export([[layer]], layout)) == {diff_id(layer): 1024}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layers_that_images_share_come_once(layout: Layout) -> None:
    common, one, other = (tar([file(name, name.encode() * 10)]) for name in ("common", "one", "other"))
    sizes = read(export([[common, one], [common, other]], layout))
    assert sizes == {diff_id(common): 60, diff_id(one): 30, diff_id(other): 50}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_compressed_and_empty_layers(layout: Layout) -> None:
    packed, empty = tar([file("a", b"x" * 5000)]), tar([])
    for stored_empty in (empty, gzip.compress(empty), b""):
        stored = {packed: gzip.compress(packed), empty: stored_empty}
        assert read(export([[packed, empty]], layout, stored)) == {diff_id(packed): 5000, diff_id(empty): 0}


def test_the_legacy_layout_links_to_a_layer_it_has_already() -> None:
    layer = tar([file("a", b"x" * 7)])
    plain = export([[layer]])
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = [(member, content(archive, member)) for member in archive]
    name = next(info.name for info, _ in members if info.name.endswith("layer.tar"))
    moved = []
    for info, held in members:
        if info.name == name:
            moved += [
                (tarfile.TarInfo("first/layer.tar"), held),
                special(name, tarfile.SYMTYPE, "../first/layer.tar"),
            ]
        else:
            moved.append((info, held))
    assert read(tar(moved)) == {diff_id(layer): 7}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_whose_name_looks_like_json_is_a_file(layout: Layout) -> None:
    layer = tar([file("{odd", b"x" * 9)])
    assert read(export([[layer]], layout)) == {diff_id(layer): 9}


names = st.text(alphabet="abcdé./-_{[", min_size=1, max_size=120).filter(lambda name: name.strip("./"))
layers = st.lists(st.tuples(names, st.binary(max_size=300)), max_size=5).map(
    lambda files: tar([file(name, content) for name, content in files])
)


@settings(max_examples=30)  # each builds and reads some archives
@given(st.lists(st.lists(layers, max_size=3), min_size=1, max_size=3), st.sampled_from(LAYOUTS), st.integers(1, 4000))
def test_sizes_are_those_of_really_reading_every_layer(images: list[list[bytes]], layout: Layout, chunk: int) -> None:
    expected = {}
    for layer in (layer for image in images for layer in image):
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            expected[diff_id(layer)] = sum(len(content(archive, member)) for member in archive)
    data = export(images, layout)
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    assert layer_file_bytes(io.BufferedReader(ChunkReader(chunks))) == expected


@given(st.data())
def test_an_export_cut_anywhere_is_an_error_of_that_image(data: st.DataObject) -> None:
    whole = export([[tar([file("a", b"x" * 3000), file("b", b"y" * 3000)])]])
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        end = max(member.offset_data + member.size for member in archive)
    cut = data.draw(st.integers(0, end - 1))
    with pytest.raises(UnreadableImage):
        read(whole[:cut])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_layer_damaged_in_its_middle_is_not_taken_for_a_smaller_one(layout: Layout, packed: bool) -> None:
    layer = tar([file("a", b"x" * 512), file("b", b"y" * 9000)])
    damaged = bytearray(layer)
    damaged[1024 + 124] ^= 0xFF  # the size in the second header, which its checksum covers
    stored = gzip.compress(damaged) if packed else bytes(damaged)
    with pytest.raises(UnreadableImage, match="damaged"):
        read(export([[layer]], layout, {layer: stored}))


@settings(max_examples=50)
@given(st.data())
def test_a_damaged_export_gives_no_layer_a_size_that_is_too_small(data: st.DataObject) -> None:
    layer = tar([file("a", b"x" * 700), file("b", b"y" * 300), special("c", tarfile.LNKTYPE, "a")])
    whole = bytearray(export([[layer]], data.draw(st.sampled_from(LAYOUTS))))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableImage):
        assert all(size == 1000 for size in read(bytes(whole)).values())


@given(st.binary(max_size=2000))
def test_noise_is_no_image(noise: bytes) -> None:
    with pytest.raises(UnreadableImage):
        read(noise)


@pytest.mark.parametrize(
    "manifest",
    [b"{}", b"[1]", b'[{"Layers": ["x"], "Config": "y"}]', b'[{"Layers": [], "Config": ["y"]}]', b"[" * 5000],
)
def test_a_manifest_that_makes_no_sense(manifest: bytes) -> None:
    with pytest.raises(UnreadableImage):
        read(tar([file("manifest.json", manifest)]))


@pytest.mark.parametrize(("paths", "diff_ids"), [(["a/layer.tar"], []), ([], ["sha256:" + "a" * 64])])
def test_a_manifest_and_a_config_that_disagree(paths: list[str], diff_ids: list[str]) -> None:
    manifest = [{"Config": "c.json", "Layers": paths}]
    config = {"rootfs": {"diff_ids": diff_ids}}
    members = {"c.json": config, "manifest.json": manifest}
    documents = [file(name, json.dumps(content).encode()) for name, content in members.items()]
    with pytest.raises(UnreadableImage, match="does not say which layers"):
        read(tar([file("a/layer.tar", tar([])), *documents]))


def test_zstd_is_said_to_be_unreadable() -> None:
    layer = tar([file("a", b"x")])
    with pytest.raises(UnreadableImage, match="zstd"):
        read(export([[layer]], "oci", {layer: b"\x28\xb5\x2f\xfd" + b"0" * 600}))
