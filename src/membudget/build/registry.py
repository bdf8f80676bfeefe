"""Reads images in a registry without pulling them (OCI distribution specification 1.1; Docker's token scheme)."""

import hashlib
import io
import json
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from docker import auth
from docker.errors import DockerException
from urllib3.exceptions import HTTPError

from membudget.contents.image import Blob, ImageContents, describe_layer
from membudget.contents.stores.archive import KnownLayer
from membudget.contents.stores.blobs import read_layered
from membudget.contents.stores.manifest import LARGEST_DOCUMENT, Selection
from membudget.contents.stores.streams import Peekable, RawStream
from membudget.core.errors import ConfigurationError, EnvironmentFault, UnreadableImage
from membudget.core.masking import Mask, masked_errors
from membudget.web.bounded_http import Deadline, LimitExceeded, Limits, TooLarge, ask, body, bounded_session
from membudget.web.retries import FailedAnswer, Policy, Retries, TriedRequest, repeated

_ALLOWED_S = 900.0
"""How long one image may take, whose layers may have gigabytes."""
_IDLE_S = 60.0
_RETRIES = Policy(tries=5, backoff_s=0.5)
_MORE_THAN_CONTENT = 1 << 20
"""How many bytes a response may have in addition to its content, for the lengths of chunks."""
_BUFFER = 1 << 20
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:[A-Za-z0-9][\w.-]*|\[[0-9a-fA-F:]+\])(?::\d+)?")
_NAME = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json,"
    " application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True, slots=True)
class RegistryReference:
    """An image in a registry."""

    host: str
    name: str
    version: str
    """A tag or a digest."""


def parse_reference(text: str) -> RegistryReference:
    """Return the image that a reference in docker's format names. Raises ConfigurationError."""
    first, slash, rest = text.partition("/")
    has_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    match = _NAME.fullmatch(rest if has_host else text)
    if match is None or (has_host and not _is_host(first)):
        raise ConfigurationError(f"{text!r} is not the name of an image in a registry", fix="write it as HOST/NAME:TAG")
    host, name = first if has_host else _DOCKER_HUB, match["name"]
    if host == _DOCKER_HUB and "/" not in name:
        name = f"library/{name}"
    return RegistryReference(host, name, match["digest"] or match["tag"] or "latest")


def read_image(name: str, known: KnownLayer, platform: str | None, deadline: Deadline | None = None) -> ImageContents:
    """Read an image by its name, until `deadline` at the latest.

    Raises ConfigurationError, EnvironmentFault and UnreadableImage.
    """
    image = RegistryImage(parse_reference(name), deadline)
    try:
        with masked_errors(image.mask):
            return read_layered(image, image.manifest(), known, Selection(platform))
    finally:
        image.close()


class RegistryImage:
    """One image of a registry."""

    def __init__(self, reference: RegistryReference, deadline: Deadline | None = None) -> None:
        """Set the deadline of all requests together. The default is 15 minutes from now."""
        self._reference = reference
        host = _DOCKER_HUB_API if reference.host == _DOCKER_HUB else reference.host
        self._is_local = urlsplit(f"//{host}").hostname in _LOCAL
        self._base = f"{'http' if self._is_local else 'https'}://{host}/v2/{reference.name}"
        self._limits = Limits(deadline or Deadline(_ALLOWED_S), LARGEST_DOCUMENT + _MORE_THAN_CONTENT, _IDLE_S)
        self._opened = ExitStack()
        self._session = self._opened.enter_context(bounded_session(self._limits))
        self._token: str | None = None
        self._basic: tuple[str, str] | None = None

    def mask(self) -> Mask:
        """Return a mask for the user's login, which the registry may repeat in its answers."""
        login = _credentials(self._reference.host)
        return Mask([*(login[1:] if login else ()), ":".join(login or ()), self._token or ""])

    def close(self) -> None:
        """Close the connections."""
        self._opened.close()

    def manifest(self) -> bytes:
        """Return the document of the image's tag: a manifest or an index."""
        return self._document(f"manifests/{self._reference.version}", self._reference.version)

    def document(self, digest: str) -> bytes:
        """Return a manifest or a configuration. Raises UnreadableImage if its content does not match its digest."""
        try:
            return self._document(f"blobs/{digest}", digest)
        except _NotThereError:
            return self._document(f"manifests/{digest}", digest)

    @contextmanager
    def open_layer(self, blob: Blob) -> Iterator[Peekable]:
        """Open a layer, which may be compressed. Raises UnreadableImage and EnvironmentFault."""
        try:
            with self._get(f"blobs/{blob.digest}", blob.size) as response:
                yield io.BufferedReader(_Body(response, blob), _BUFFER)
        except _NotThereError:
            raise UnreadableImage(f"the registry lacks {describe_layer(blob)}") from None

    def _document(self, path: str, digest: str) -> bytes:
        with self._get(path) as response:
            try:
                content = body(response, LARGEST_DOCUMENT)
            except TooLarge:
                raise UnreadableImage(f"a document of the image is larger than {LARGEST_DOCUMENT:,} bytes") from None
        if digest.startswith("sha256:") and f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise UnreadableImage(f"the document {digest} does not match its digest")
        return content

    @contextmanager
    def _get(self, path: str, most_bytes: int = LARGEST_DOCUMENT) -> Iterator[requests.Response]:
        what = f"{self._reference.host}/{self._reference.name}"
        self._limits.body_bytes = most_bytes + most_bytes // 8 + _MORE_THAN_CONTENT
        try:
            response = self._ask(path)
            if response.status_code == requests.codes.unauthorized:  # no token yet, or an expired one
                with response:
                    self._authorize(response.headers.get("WWW-Authenticate", ""))
                response = self._ask(path)
            with response:
                if response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
                    raise ConfigurationError(
                        f"the registry requires a login to read {what}",
                        fix=f"docker login {self._reference.host}",
                    )
                if response.status_code == requests.codes.not_found:
                    raise _NotThereError(f"the registry has no image {what}:{self._reference.version}")
                if not response.ok:
                    raise EnvironmentFault(f"the registry answered {response.status_code} for {what}")
                yield response
        except (requests.RequestException, HTTPError) as error:
            # The error's own text may contain the signed address of a storage.
            raise EnvironmentFault(f"the registry of {what} could not be read: {type(error).__name__}") from None
        except LimitExceeded as error:
            raise EnvironmentFault(f"the registry of {what} {error}") from None

    def _ask(self, path: str) -> requests.Response:
        headers = {"Accept": _ACCEPT if path.startswith("manifests/") else "*/*"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"  # `ask` drops it on redirects to another server
        url = f"{self._base}/{path}"
        return self._tried(url, login=self._basic, headers=headers)

    def _tried(self, url: str, **request: Any) -> requests.Response:  # noqa: ANN401 - passed on
        """Return the answer. Failed requests are repeated before the deadline."""

        def attempt() -> TriedRequest[requests.Response | requests.ConnectionError]:
            try:
                response = ask(self._session, self._limits, "GET", url, **request)
            except requests.ConnectionError as error:
                return TriedRequest(error, is_final=False)
            return TriedRequest(response, response.ok, FailedAnswer(response.status_code, response.headers))

        retries = Retries(_RETRIES, self._limits.deadline.left, time.time)
        outcome = repeated(attempt, retries, time.sleep, drop=_close)
        if isinstance(outcome, requests.ConnectionError):
            raise outcome
        return outcome

    def _authorize(self, challenge: str) -> None:
        """Authenticate as the registry asks for (distribution's "Token Authentication")."""
        credentials = _credentials(self._reference.host)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            self._basic = credentials
            return
        fields = dict(_CHALLENGE.findall(rest))
        realm = fields.get("realm", "")
        if scheme.lower() != "bearer" or not self._may_have_login(realm):
            return
        query = {key: fields[key] for key in ("service", "scope") if key in fields}
        with self._tried(realm, login=credentials, query=query) as response:
            if response.ok:
                self._token = _token(body(response, LARGEST_DOCUMENT))

    def _may_have_login(self, realm: str) -> bool:
        """Return whether a token server may get the login: over HTTPS, or on this machine for a registry on it."""
        try:
            parts = urlsplit(realm)
            host, _ = parts.hostname, parts.port
        except ValueError:  # brackets that hold no address, or a port that is none
            return False
        return parts.scheme == "https" or (self._is_local and parts.scheme == "http" and host in _LOCAL)


def _close(outcome: requests.Response | requests.ConnectionError) -> None:
    """Close an answer that was not read, so that its connection does not stay open."""
    if isinstance(outcome, requests.Response):
        outcome.close()


def _is_host(text: str) -> bool:
    try:
        return _HOST.fullmatch(text) is not None and urlsplit(f"//{text}").hostname is not None
    except ValueError:  # brackets without an address
        return False


class _NotThereError(ConfigurationError):
    """The registry does not have the image."""


class _Body(RawStream):
    """The content of a blob while it arrives."""

    def __init__(self, response: requests.Response, blob: Blob) -> None:
        super().__init__()
        self._response = response
        self._blob = blob
        self._left = blob.size

    def take(self, size: int) -> bytes:
        try:
            data = cast("bytes", self._response.raw.read(min(size, self._left), decode_content=False))
        except HTTPError as error:
            raise UnreadableImage(f"the layer {self._blob.digest} was cut off ({type(error).__name__})") from None
        except LimitExceeded as error:
            raise EnvironmentFault(f"the layer {self._blob.digest} cannot be read: the registry {error}") from None
        if not data and self._left:
            raise UnreadableImage(f"the layer {self._blob.digest} was cut off")
        self._left -= len(data)
        return data


def _credentials(host: str) -> tuple[str, str] | None:
    """Return the login that `docker login` stored."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about a credential helper that is not installed here
            found: Mapping[str, object] | None = auth.load_config().resolve_authconfig(host)
    except (DockerException, ValueError):  # the helper is missing or the file is damaged: read anonymously
        return None
    if not found:
        return None
    name, password = found.get("Username") or found.get("username"), found.get("Password") or found.get("password")
    return (str(name), str(password)) if name and password else None


def _token(content: bytes) -> str | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    token = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
