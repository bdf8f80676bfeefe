"""Images of a registry and of layouts, read layer by layer."""

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from membudget.contents import registry
from membudget.contents.image_contents import ImageContents
from membudget.contents.layered_image import read_layered
from membudget.contents.layout_folder import LayoutFolder
from membudget.contents.registry import RegistryImage, RegistryReference, parse_reference
from membudget.contents.unreadable import UnreadableImage
from membudget.errors import ConfigurationError, EnvironmentFault
from tests.unit.contents.archives import file, tar

LAYER = tar([file("a", b"x" * 5000)])
PACKED = gzip.compress(LAYER, mtime=0)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blobs(stored: bytes = PACKED, diff_id: str = digest(LAYER)) -> tuple[dict[str, bytes], bytes]:
    """Blobs of an image by digest, and its index with an attestation."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [diff_id]}}).encode()
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    layer = {"mediaType": kind, "digest": digest(stored), "size": len(stored)}
    manifest = json.dumps({"config": {"digest": digest(config), "size": len(config)}, "layers": [layer]}).encode()
    kept = {digest(one): one for one in (config, manifest, stored)}
    unknown = {"os": "unknown", "architecture": "unknown"}
    entries = [
        {"digest": digest(b"attestation"), "size": 1, "platform": unknown},
        {"digest": digest(manifest), "size": len(manifest), "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    return kept, json.dumps({"manifests": entries}).encode()


class Server:
    """A registry, on this machine alone, that asks for whatever the test wants."""

    def __init__(self) -> None:
        self.blobs, self.index = blobs()
        self.asks: str | None = None
        """What it answers with 401 to those who do not bring `brings`."""
        self.brings = ""
        self.busy = 0
        """How many times it first answers 429."""
        self.storage: str | None = None
        """Where it sends those who want a layer."""
        self.seen: list[tuple[str, str | None]] = []
        self._server = make_server("127.0.0.1", 0, Request.application(self.answer), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Request) -> Response:
        authorization = request.headers.get("Authorization")
        self.seen.append((request.path, authorization))
        if request.path == "/token":
            return Response(json.dumps({"token": "the-token"}))
        if self.busy:
            self.busy -= 1
            return Response(status=429, headers={"Retry-After": "0"})
        if self.asks is not None and authorization != self.brings:
            return Response(status=401, headers={"WWW-Authenticate": self.asks})
        name = request.path.rpartition("/")[2]
        if self.storage is not None and name == digest(PACKED) and request.path.startswith("/v2/"):
            return Response(status=307, headers={"Location": f"http://{self.storage}/storage/{name}"})
        if request.path == "/v2/team/api/manifests/1.0":
            return Response(self.index)
        found = self.blobs.get(name)
        return Response(found) if found is not None else Response(status=404)


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
        return read_layered(image, image.manifest(), lambda _: None, "linux/amd64")
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


def test_who_is_not_logged_in_is_told_what_to_do(server: Server) -> None:
    server.asks, server.brings = 'Basic realm="x"', "never"
    with pytest.raises(ConfigurationError, match=f"docker login {server.host}"):
        read(server)


def test_a_registry_that_is_busy_is_asked_again(server: Server) -> None:
    server.busy = 2
    assert read(server).file_bytes == 5000


def test_an_image_that_is_not_there(server: Server) -> None:
    with pytest.raises(ConfigurationError, match=r"has no image .*team/api:2.0"):
        read(server, "team/api:2.0")


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_RETRIES", 0)
    with pytest.raises(EnvironmentFault, match="could not be read"):
        RegistryImage(RegistryReference("127.0.0.1:9", "a", "b")).manifest()


def test_documents_and_layers_that_are_not_what_their_digests_say(server: Server) -> None:
    config_digest = next(name for name, blob in server.blobs.items() if b"rootfs" in blob)
    whole = server.blobs[config_digest]
    server.blobs[config_digest] = whole + b" "
    with pytest.raises(UnreadableImage, match="is not what its digest says"):
        read(server)
    server.blobs[config_digest] = whole
    server.blobs[digest(PACKED)] = PACKED[:-200]
    with pytest.raises(UnreadableImage, match=r"cut off|damaged"):
        read(server)
    server.blobs, server.index = blobs(diff_id=digest(b"other"))
    with pytest.raises(UnreadableImage, match="is not what its DiffID"):
        read(server)


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


@pytest.mark.parametrize("text", ["", "UPPER/case", "a b", "https://x/y", "a:b:c", "../x"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names no image"):
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
    found = read_layered(made, made.index(), lambda _: None, "linux/amd64")
    assert (found.file_bytes, found.download_bytes) == (5000, len(PACKED))
    with pytest.raises(UnreadableImage, match=r"no image for linux/s390x; it has linux/amd64"):
        read_layered(made, made.index(), lambda _: None, "linux/s390x")


def test_a_layout_that_lacks_or_shortens_a_layer(tmp_path: Path) -> None:
    made = layout(tmp_path)
    path = tmp_path / "blobs" / "sha256" / digest(PACKED)[7:]
    path.write_bytes(PACKED[:-1])
    with pytest.raises(UnreadableImage, match="its manifest says"):
        read_layered(made, made.index(), lambda _: None, "linux/amd64")
    path.unlink()
    with pytest.raises(UnreadableImage, match="lacks sha256"):
        read_layered(made, made.index(), lambda _: None, "linux/amd64")
    with pytest.raises(ConfigurationError, match="no OCI layout"):
        LayoutFolder(tmp_path / "nowhere").index()
