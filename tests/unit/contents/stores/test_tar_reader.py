"""Our reader of tar headers against Python's, and against damage."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.contents.image import EntryKind
from membudget.contents.stores import layer_reader, streams
from membudget.contents.stores.archive import read_archive
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.stores.tar_reader import TarReader
from membudget.core.errors import UnreadableImage
from tests.unit.contents.archives import export, file, special, tar

KINDS = {
    tarfile.REGTYPE: EntryKind.FILE, tarfile.LNKTYPE: EntryKind.HARD_LINK, tarfile.SYMTYPE: EntryKind.SYMLINK,
    tarfile.DIRTYPE: EntryKind.FOLDER, tarfile.CHRTYPE: EntryKind.OTHER,
}  # fmt: skip
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300)
NAMES = NAMES.filter(lambda name: not name.endswith("/"))  # which makes a folder of a file, for us and for Go


def headers(archive: bytes) -> list[tuple[str, EntryKind, int]]:
    return [(one.name, one.kind, one.size) for one in TarReader(io.BytesIO(archive))]


@pytest.mark.thorough
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@settings(max_examples=60, deadline=None)
@given(members=st.lists(st.tuples(NAMES, st.sampled_from(sorted(KINDS)), st.binary(max_size=2000))))
def test_it_reads_what_pythons_tarfile_writes(form: int, members: list[tuple[str, bytes, bytes]]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "x" * 150 if kind == tarfile.SYMTYPE else "target"
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        expected = [(one.name, KINDS[one.type], one.size) for one in archive]
    seen = headers(stream.getvalue())
    assert [(name.rstrip("/"), kind, size) for name, kind, size in seen] == expected


def test_large_numbers_are_binary() -> None:
    info = tarfile.TarInfo("huge")
    info.size = 9 << 33
    header = info.tobuf(tarfile.GNU_FORMAT)
    reader = iter(TarReader(io.BytesIO(header)))
    assert next(reader).size == 9 << 33
    with pytest.raises(UnreadableImage, match="cut off"):
        next(reader)


@pytest.mark.parametrize("form", ["old", "pax"])
def test_a_sparse_file_has_its_whole_size(form: str) -> None:
    if form == "old":
        info = tarfile.TarInfo("sparse")
        info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[482] = 1  # one more block of its map follows
        header[483:495] = b"%011o\0" % 1_000_000
        header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
        archive = bytes(header) + bytes(512) + b"x" * 512 + bytes(1024)
    else:
        info = tarfile.TarInfo("GNUSparseFile.0/sparse")
        info.size, info.pax_headers = 512, {"GNU.sparse.realsize": "1000000", "GNU.sparse.name": "sparse"}
        archive = info.tobuf(tarfile.PAX_FORMAT) + b"x" * 512 + bytes(1024)
    assert headers(archive) == [("sparse", EntryKind.FILE, 1_000_000)]


def test_a_sparse_file_that_claims_more_than_there_can_be() -> None:
    info = tarfile.TarInfo("GNUSparseFile.0/sparse")
    info.size, info.pax_headers = 512, {"GNU.sparse.realsize": "999999999999999999", "GNU.sparse.name": "sparse"}
    with pytest.raises(UnreadableImage, match="size is not a number"):
        headers(info.tobuf(tarfile.PAX_FORMAT) + b"x" * 512 + bytes(1024))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.__setitem__(slice(0, 1), b"y"), "checksum"),
        (lambda header: header.__setitem__(slice(124, 136), b"not a number"), "size is not a number"),
        (lambda header: header.__setitem__(slice(124, 136), b"\xff" * 12), "size is negative"),
    ],
)
def test_a_damaged_header_is_told(change: object, message: str) -> None:
    header = bytearray(tarfile.TarInfo("a").tobuf())
    change(header)  # type: ignore[operator] # one of the above
    if "checksum" not in message:
        header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    with pytest.raises(UnreadableImage, match=message):
        headers(bytes(header) + bytes(1024))


def test_a_header_of_a_header_has_a_bound() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    with pytest.raises(UnreadableImage, match="a header of 1,099,511,627,776 bytes"):
        headers(info.tobuf(tarfile.GNU_FORMAT))


def test_a_claim_of_a_tebibyte_takes_no_memory() -> None:
    info = tarfile.TarInfo("bomb")
    info.size = 1 << 40
    with pytest.raises(UnreadableImage, match="cut off"):
        read_layer(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000))


def test_more_entries_than_any_image_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_reader, "MOST_ENTRIES", 100)
    archive = tar([file(f"f{number}") for number in range(101)])
    assert read_layer(io.BytesIO(archive[: 100 * 512] + bytes(1024))).entry_count == 100
    with pytest.raises(UnreadableImage, match="more than 100 entries"):
        read_layer(io.BytesIO(archive))


def test_an_archive_in_an_archive_is_a_file_like_any_other() -> None:
    nested = tar([file("layer.tar", tar([file("manifest.json", b"[]"), file(".wh.a", b"x" * 10)]))])
    read = read_layer(io.BytesIO(nested))
    assert (read.entry_count, read.file_bytes) == (1, 10240)
    assert list(read.whiteouts()) == []


@pytest.mark.thorough
def test_data_that_grows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_ALWAYS_ALLOWED", 1 << 20)
    bomb = gzip.compress(tar([file("zeros", bytes(8 << 20))]))
    plain, _ = streams.decompressed(io.BufferedReader(io.BytesIO(bomb)), streams.Expansion())
    with pytest.raises(UnreadableImage, match="more than 300 times its size, like a bomb"):
        read_layer(plain)


@pytest.mark.thorough
def test_all_layers_of_an_archive_grow_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_ALWAYS_ALLOWED", 1 << 20)
    layers = [tar([file(f"zeros{number}", bytes(200_000))]) for number in range(20)]
    stored = {layer: gzip.compress(layer) for layer in layers}
    archive = gzip.compress(export([layers], "oci", stored))  # compressed twice: smaller than its layers together
    images = read_archive(io.BufferedReader(io.BytesIO(archive)), lambda _: None, is_trusted=False)
    assert isinstance(images[0].contents, UnreadableImage)
    assert "a bomb" in str(images[0].contents)


def test_a_path_that_no_engine_could_unpack() -> None:
    assert read_layer(io.BytesIO(tar([file("a/" * 2040 + "b", b"x")]))).file_bytes == 1
    with pytest.raises(UnreadableImage, match="paths that are too long"):
        read_layer(io.BytesIO(tar([file("a" * 4097)])))


@pytest.mark.parametrize("cut", range(0, 4096, 97))
def test_an_archive_that_is_cut_off_is_told_or_ends_between_members(cut: int) -> None:
    whole = tar([file("a" * 150, b"x" * 700), special("l", tarfile.SYMTYPE, "t" * 150), file("b", b"y" * 10)])
    try:
        seen = headers(whole[:cut])
    except UnreadableImage:
        return
    assert seen == headers(whole)[: len(seen)]


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=3000), at=st.integers(0, 3000), noise=st.binary(min_size=1, max_size=40))
def test_whatever_it_is_given_it_ends_and_says_so(data: bytes, at: int, noise: bytes) -> None:
    archive = bytearray(tar([file("a" * 120, data[:600]), file("b", data[600:])]))
    archive[at : at + len(noise)] = noise
    for garbage in (data, bytes(archive)):
        try:
            layer = read_layer(io.BytesIO(garbage))
        except UnreadableImage as error:
            said = str(error)
        else:
            said = f"{layer.entry_count} entries"
            assert layer.entry_count <= layer.tar_bytes // 512
            assert layer.tar_bytes == len(garbage)
        assert said
