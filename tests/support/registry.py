"""A registry of one image, `team/api`, on this machine alone."""

import gzip
import hashlib
import json
from contextlib import ExitStack

from werkzeug import Request, Response
from werkzeug.serving import make_server

from tests.support.serving import serving
from tests.unit.contents.archives import file, tar

LAYER = tar([file("a", b"x" * 5000)])
PACKED = gzip.compress(LAYER, mtime=0)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def blobs(stored: bytes = PACKED, diff_id: str = digest(LAYER), kind: str = GZIP) -> tuple[dict[str, bytes], bytes]:
    """Blobs of an image by digest, and its index with an attestation."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [diff_id]}}).encode()
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
    """The registry: it asks for whatever the test wants."""

    def __init__(self) -> None:
        self.blobs, self.index = blobs()
        self.tag = "1.0"
        self.asks: str | None = None
        """What it answers with 401 to those who do not bring `brings`."""
        self.brings = ""
        self.busy = 0
        """How many times it first answers 429."""
        self.retry_after = "0"
        self.storage: str | None = None
        """Where it sends those who want a layer."""
        self.seen: list[tuple[str, str | None]] = []
        self._server = make_server("127.0.0.1", 0, Request.application(self.answer), threaded=True)
        self._serving = ExitStack()
        self._serving.enter_context(serving(self._server))
        self.host = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._serving.close()

    def answer(self, request: Request) -> Response:
        authorization = request.headers.get("Authorization")
        self.seen.append((request.path, authorization))
        if request.path == "/token":
            return Response(json.dumps({"token": "the-token"}))
        if self.busy:
            self.busy -= 1
            return Response(status=429, headers={"Retry-After": self.retry_after})
        if self.asks is not None and authorization != self.brings:
            return Response(status=401, headers={"WWW-Authenticate": self.asks})
        name = request.path.rpartition("/")[2]
        if self.storage is not None and name == digest(PACKED) and request.path.startswith("/v2/"):
            return Response(status=307, headers={"Location": f"http://{self.storage}/storage/{name}"})
        if request.path == f"/v2/team/api/manifests/{self.tag}":
            return Response(self.index)
        found = self.blobs.get(name)
        return Response(found) if found is not None else Response(status=404)
