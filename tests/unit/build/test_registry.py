"""Images of a registry and of layouts, read layer by layer."""

import base64
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from membudget.build import registry
from membudget.build.registry import RegistryImage, RegistryReference, parse_reference
from membudget.contents.image import ImageContents
from membudget.contents.stores.blobs import LayoutFolder, read_layered
from membudget.contents.stores.manifest import Selection
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage
from membudget.web.bounded_http import Deadline
from membudget.web.retries import Policy
from tests.support.registry import PACKED, Server, blobs, digest


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def storage() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def read(server: Server, name: str = "team/api:1.0") -> ImageContents:
    image = RegistryImage(parse_reference(f"{server.host}/{name}"))
    try:
        return read_layered(image, image.manifest(), lambda _: None, Selection("linux/amd64"))
    finally:
        image.close()


def test_an_image_is_read_without_being_pulled(server: Server) -> None:
    found = read(server)
    assert (found.file_bytes, found.download_bytes) == (5000, len(PACKED))
    assert found.media_types == ("application/vnd.oci.image.layer.v1.tar+gzip",)


def test_a_token_is_got_where_one_is_asked_for(server: Server) -> None:
    server.asks = f'Bearer realm="http://{server.host}/token",service="here",scope="repository:team/api:pull"'
    server.brings = "Bearer the-token"
    assert read(server).file_bytes == 5000


def test_what_docker_login_stored_is_used_and_told_nobody_else(
    server: Server, storage: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = base64.b64encode(b"me:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    server.asks, server.brings, server.storage = 'Basic realm="x"', f"Basic {secret}", storage.host
    assert read(server).file_bytes == 5000
    assert [authorization for path, authorization in storage.seen if path.startswith("/storage/")] == [None]


def test_a_netrc_is_no_login(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.asks, server.brings = f'Bearer realm="http://{server.host}/token",service="here"', "Bearer the-token"
    assert read(server).file_bytes == 5000
    assert {header for _, header in server.seen} == {None, "Bearer the-token"}


@pytest.mark.parametrize(
    "config", [{"credsStore": "not-installed"}, {"auths": {"HOST": {"auth": base64.b64encode(b"no colon").decode()}}}]
)
def test_logins_that_cannot_be_read_are_none(
    config: dict[str, object], server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config).replace("HOST", server.host))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    server.asks, server.brings = 'Basic realm="here"', "Basic x"
    with pytest.raises(ConfigurationError, match="requires a login"):
        read(server)


def test_who_is_not_logged_in_is_told_what_to_do(server: Server) -> None:
    server.asks, server.brings = 'Basic realm="x"', "never"
    with pytest.raises(ConfigurationError, match=f"docker login {server.host}"):
        read(server)


@pytest.mark.thorough
def test_a_registry_that_is_busy_is_asked_again(server: Server) -> None:
    server.busy = 2
    assert read(server).file_bytes == 5000


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the registry was left alone, each time; nobody waits."""
    waits: list[float] = []
    monkeypatch.setattr(registry, "time", SimpleNamespace(sleep=waits.append, time=lambda: 1_000_000_000.0))
    return waits


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("7", [7, 7]),
        ("Sun, 09 Sep 2001 01:46:49 GMT", [9, 9]),
        ("0", [0.5, 1]),
        ("Sun, 09 Sep 2001 01:46:30 GMT", [0.5, 1]),
        ("soon", [0.5, 1]),
    ],
)
def test_a_registry_is_asked_again_when_it_wants_to_be(
    server: Server, slept: list[float], asked: str, waits: list[float]
) -> None:
    server.busy, server.retry_after = 2, asked
    assert read(server).file_bytes == 5000
    assert slept == waits


def test_a_registry_that_wants_to_be_asked_after_the_deadline_is_given_up_at_once(
    server: Server, slept: list[float]
) -> None:
    server.busy, server.retry_after = 2, "31"
    image = RegistryImage(parse_reference(f"{server.host}/team/api:1.0"), Deadline(30))
    with pytest.raises(EnvironmentFault, match="the registry answered 429"):
        image.manifest()
    image.close()
    assert slept == []
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "realm",
    [
        "http://127.0.0.2:1/token",
        "ftp://127.0.0.1/token",
        "//127.0.0.1/token",
        "http://[::1/token",
        "https://127.0.0.1:99999/token",
        "token",
        "",
    ],
)
def test_a_login_goes_to_no_token_server_that_is_neither_encrypted_nor_here(
    server: Server, slept: list[float], realm: str
) -> None:
    server.asks, server.brings = f'Bearer realm="{realm}",service="here"', "Bearer the-token"
    with pytest.raises(ConfigurationError, match="requires a login"):
        read(server)
    assert slept == []


@pytest.mark.parametrize("location", [b"http://[", b"https://127.0.0.1:99999/"])
def test_a_redirect_to_no_address(location: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        image = RegistryImage(RegistryReference(f"127.0.0.1:{listener.getsockname()[1]}", "a", "b"))
        with pytest.raises(EnvironmentFault, match="could not be read: InvalidURL"):
            image.manifest()
        image.close()
        thread.join()


def test_an_image_that_is_not_there(server: Server) -> None:
    with pytest.raises(ConfigurationError, match=r"has no image .*team/api:2.0"):
        read(server, "team/api:2.0")


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_RETRIES", Policy(tries=1, backoff_s=0))
    with pytest.raises(EnvironmentFault, match="could not be read"):
        RegistryImage(RegistryReference("127.0.0.1:9", "a", "b")).manifest()


@pytest.mark.thorough
def test_documents_and_layers_that_are_not_what_their_digests_say(server: Server) -> None:
    config_digest = next(name for name, blob in server.blobs.items() if b"rootfs" in blob)
    whole = server.blobs[config_digest]
    server.blobs[config_digest] = whole + b" "
    with pytest.raises(UnreadableImage, match="does not match its digest"):
        read(server)
    server.blobs[config_digest] = whole
    server.blobs[digest(PACKED)] = PACKED[:-200]
    with pytest.raises(UnreadableImage, match=r"cut off|damaged"):
        read(server)
    server.blobs, server.index = blobs(diff_id=digest(b"other"))
    with pytest.raises(UnreadableImage, match="does not match its DiffID"):
        read(server)


def test_a_foreign_layer_is_kept_elsewhere(server: Server) -> None:
    server.blobs, server.index = blobs(kind="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    del server.blobs[digest(PACKED)]
    with pytest.raises(UnreadableImage, match=r"the registry lacks the layer sha256:.* a foreign one: it is kept else"):
        read(server)
    server.blobs, server.index = blobs()
    del server.blobs[digest(PACKED)]
    with pytest.raises(UnreadableImage, match=r"the registry lacks the layer sha256:[0-9a-f]*$"):
        read(server)


@pytest.mark.thorough
def test_a_document_without_end(server: Server) -> None:
    server.index = b"[" * 9_000_000
    with pytest.raises(UnreadableImage, match="larger than 8,000,000 bytes"):
        read(server)


@pytest.mark.parametrize(
    ("text", "host", "name", "version"),
    [
        ("debian", "docker.io", "library/debian", "latest"),
        ("team/api:1", "docker.io", "team/api", "1"),
        ("ghcr.io/team/api", "ghcr.io", "team/api", "latest"),
        ("localhost:5000/a@sha256:" + "a" * 64, "localhost:5000", "a", "sha256:" + "a" * 64),
        ("localhost/a:b", "localhost", "a", "b"),
    ],
)
def test_references_are_dockers(text: str, host: str, name: str, version: str) -> None:
    assert parse_reference(text) == RegistryReference(host, name, version)


@pytest.mark.parametrize("text", ["", "UPPER/case", "a b", "https://x/y", "a:b:c", "../x", "[:::::]/x", "[::1/x"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of an image"):
        parse_reference(text)


def layout(folder: Path, stored: bytes = PACKED) -> LayoutFolder:
    kept, index = blobs(stored)
    place = folder / "blobs" / "sha256"
    place.mkdir(parents=True)
    for name, blob in kept.items():
        (place / name.removeprefix("sha256:")).write_bytes(blob)
    (folder / "index.json").write_bytes(index)
    return LayoutFolder(folder)


def test_a_layout_is_read_like_a_registry(tmp_path: Path) -> None:
    made = layout(tmp_path)
    found = read_layered(made, made.index(), lambda _: None, Selection("linux/amd64"))
    assert (found.file_bytes, found.download_bytes) == (5000, len(PACKED))
    with pytest.raises(UnreadableImage, match=r"no image for linux/s390x; it has linux/amd64"):
        read_layered(made, made.index(), lambda _: None, Selection("linux/s390x"))


def test_a_layout_that_lacks_or_shortens_a_layer(tmp_path: Path) -> None:
    made = layout(tmp_path)
    path = tmp_path / "blobs" / "sha256" / digest(PACKED)[7:]
    path.write_bytes(PACKED[:-1])
    with pytest.raises(UnreadableImage, match="according to the manifest"):
        read_layered(made, made.index(), lambda _: None, Selection("linux/amd64"))
    path.unlink()
    with pytest.raises(UnreadableImage, match="lacks the layer sha256"):
        read_layered(made, made.index(), lambda _: None, Selection("linux/amd64"))
    with pytest.raises(ConfigurationError, match="not an OCI layout"):
        LayoutFolder(tmp_path / "nowhere").index()


def test_a_layout_whose_files_are_pipes_is_refused_at_once(tmp_path: Path) -> None:
    made = layout(tmp_path)
    index = made.index()
    path = tmp_path / "blobs" / "sha256" / digest(PACKED)[7:]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnreadableImage, match="is not a file"):
        read_layered(made, index, lambda _: None, Selection("linux/amd64"))
    (tmp_path / "index.json").unlink()
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(ConfigurationError, match="it is a device or a pipe"):
        made.index()
