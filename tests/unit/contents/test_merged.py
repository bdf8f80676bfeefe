"""What is read of the documents of an image's layers, and how much at most."""

import json
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.contents import merged as merged_image
from membudget.contents.image import ImageContents, StoredLayer, shown
from membudget.contents.layer_stack import LayerStack
from membudget.contents.merged import LiveDocuments, merge
from membudget.contents.summary import Unavailable, compare
from tests.unit.contents.archives import file, tar
from tests.unit.contents.stacks import contents, merged

_MIB = 1 << 20


def package_list(number: int, size: int) -> tuple[str, bytes]:
    return f"var/lib/dpkg/info/p{number}.list", b"\n" * size


def documents_of(image: ImageContents) -> LiveDocuments:
    return LiveDocuments(image, LayerStack([stored.layer for stored in image.layers]))


def test_those_that_no_later_layer_replaced_or_removed() -> None:
    path = "var/lib/dpkg/status"
    image = contents(
        tar([file(path, b"old"), file("var/lib/apk"), file("var/lib/dpkg/info/a.list", b"/a")]),
        tar([file(path, b"new"), file("var/lib/dpkg/info/.wh.a.list")]),
    )
    documents = documents_of(image)
    assert dict(documents) == {path: b"new"}
    assert path in documents
    assert "var/lib/dpkg/info/a.list" not in documents


@pytest.mark.thorough
def test_there_is_one_bound_for_all_layers_and_one_document_is_unpacked_at_a_time() -> None:
    lists = [package_list(number, 7 * _MIB) for number in range(20)]
    documents = documents_of(contents(*(tar([file(*one)]) for one in lists)))
    tracemalloc.start()
    read = [len(documents.get(path, b"")) for path in documents]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(read) == 9 * 7 * _MIB, "as many as 64 MiB hold"
    assert peak < 3 * 7 * _MIB


def test_what_is_beyond_the_bound_costs_its_packages_their_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tar([file("var/lib/dpkg/info/a.list", b"/usr/a\n"), file("usr/a", b"a" * 50)])
    (package,) = merged(archive).packages
    assert package.file_bytes == 57
    monkeypatch.setattr(merged_image, "MOST_DOCUMENT_BYTES", 3)
    (package,) = merged(archive).packages
    assert package.file_bytes == 7


def test_of_a_description_only_the_headers_are_read() -> None:
    path = "site/a-1.dist-info/METADATA"
    documents = documents_of(contents(tar([file(path, b"Name: a\n\n" + b"d" * _MIB)])))
    assert len(documents[path]) == 1 << 16


def test_a_version_that_is_no_text_costs_the_image_nothing() -> None:
    version = rb'{"version": "1.0\ud800"}'
    (package,) = merged(tar([file("node_modules/a/package.json", version)])).packages
    assert package.version == "1.0\ufffd"


@pytest.mark.thorough
@given(text=st.text(st.characters(codec=None, categories=None)) | st.text(st.characters(categories=["Cs"])))
def test_every_string_can_be_shown(text: str) -> None:
    assert len(shown(text, 20).encode()) <= 80
    assert json.loads(json.dumps(shown(text))) == shown(text)


@pytest.mark.parametrize("damage", [b"no zlib", zlib.compress(b"cut\0off"), zlib.compress(b"f\0x\0y\0p\0\0")])
def test_a_kept_layer_that_is_damaged_is_said_to_be(damage: bytes) -> None:
    image = contents(tar([file("a", b"a")]))
    layer = replace(image.layers[0].layer, additions=damage)
    broken = replace(image, layers=(StoredLayer(image.layers[0].diff_id, layer),))
    found = compare(None, (broken, ())).head
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("what was remembered of its layers is damaged")


def test_a_kept_document_that_is_damaged_is_said_to_be() -> None:
    image = contents(tar([file("var/lib/dpkg/status", b"a")]))
    layer = replace(image.layers[0].layer, packed_documents={"var/lib/dpkg/status": b"no zlib"})
    broken = replace(image, layers=(StoredLayer(image.layers[0].diff_id, layer),))
    assert isinstance(compare(None, (broken, ())).head, Unavailable)


def test_a_bug_of_ours_is_not_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(merged_image, "claims_of", buggy)
    with pytest.raises(ValueError, match="ours"):
        compare(None, (contents(tar([file("a", b"a")])), ()))
    with pytest.raises(ValueError, match="ours"):
        merge(contents(), ())
