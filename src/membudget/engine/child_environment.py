"""What the programs that membudget starts get of its environment, and what they could tell of its secrets.

A runner's environment holds tokens (`ACTIONS_RUNTIME_TOKEN`, `ACTIONS_ID_TOKEN_REQUEST_TOKEN`) and whatever secrets a
workflow sets. No child needs them, and a list of what to remove would miss the next one.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from membudget.core.files import read_plain
from membudget.core.masking import Mask, environment_secrets, login_in, login_in_base64

_EVERY_CHILD = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER"})
_CERTIFICATES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})
"""In either case. Their values may hold a password."""
_DOCKER = _EVERY_CHILD | frozenset({
    "DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
})  # fmt: skip
"""How to reach the engine (docs.docker.com/reference/cli/docker, "Environment variables")."""
_BUILDER = _DOCKER | _CERTIFICATES | {"DOCKER_AUTH_CONFIG", "DOCKER_CONTENT_TRUST", "DOCKER_CONTENT_TRUST_SERVER"}
"""And registries. Not DOCKER_*: many a workflow keeps a password in DOCKER_PASSWORD."""
_BUILDER_PREFIXES = ("BUILDKIT_", "BUILDX_")
_GIT = _EVERY_CHILD | _CERTIFICATES | {"CURL_CA_BUNDLE", "LOGNAME", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME"}
"""Where its settings are, and what a checkout of a partial clone, or a filter, needs to fetch what is missing."""
_PYTHON = _EVERY_CHILD | {"LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"}
"""What the interpreter needs to start, and to find membudget."""


def builder_environment(engine_address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of `docker buildx`: it talks to the engine at `engine_address`, and to registries."""
    settings = {key: value for key, value in environ.items() if key.startswith(_BUILDER_PREFIXES)}
    return {**_only(environ, _BUILDER, with_proxies=True), **settings, "DOCKER_HOST": engine_address}


def engine_client_environment(engine_address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a docker client that talks to the engine alone: no proxy, no password of a registry."""
    return {**_only(environ, _DOCKER), "DOCKER_HOST": engine_address}


def reader_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of `docker compose config`. A pull request's compose file can read every variable in it."""
    return _only(environ, frozenset({"PATH", "HOME"}))


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of git. No GIT_*: GIT_DIR and the like would lead it elsewhere than where the user stands."""
    return {**_only(environ, _GIT, with_proxies=True), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def helper_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of membudget's own Python programs: the probe and the HTTP driver."""
    return _only(environ, _PYTHON)


def _only(environ: Mapping[str, str], names: frozenset[str], *, with_proxies: bool = False) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key in names or (with_proxies and key.lower() in _PROXIES)}


_LARGEST_CONFIG = 1 << 20
_SECRET_KEYS = ("password", "identitytoken", "registrytoken")


def client_mask(environ: Mapping[str, str] = os.environ) -> Mask:
    """Hides what the environment and docker's configuration file have. What a credential helper keeps is not known."""
    return Mask([*environment_secrets(environ), *_configured_secrets(environ)])


def _configured_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Source: docker-config(5), `auths`, `proxies` and `HttpHeaders`."""
    config = _config(environ)
    for login in _objects(config, "auths"):
        yield from (text for key, text in login.items() if key.lower() in _SECRET_KEYS and isinstance(text, str))
        yield from login_in_base64(str(login.get("auth", "")))
    for proxy in _objects(config, "proxies"):
        yield from (secret for address in proxy.values() if isinstance(address, str) for secret in login_in(address))
    headers = config.get("HttpHeaders")
    yield from (text for text in (headers.values() if isinstance(headers, dict) else ()) if isinstance(text, str))


def _config(environ: Mapping[str, str]) -> Mapping[str, object]:
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", ""), ".docker")  # noqa: PTH118 - "" is here
    try:
        found: object = json.loads(read_plain(Path(folder, "config.json"), _LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _objects(config: Mapping[str, object], key: str) -> list[dict[str, object]]:
    found = config.get(key)
    return [one for one in found.values() if isinstance(one, dict)] if isinstance(found, dict) else []
