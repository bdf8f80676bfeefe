"""The environment variables that child processes receive, and the secrets that they could print.

A runner's environment contains tokens (`ACTIONS_RUNTIME_TOKEN`, `ACTIONS_ID_TOKEN_REQUEST_TOKEN`) and the secrets that
a workflow sets. No child needs them. Children receive only listed variables, because a list of variables to remove
would miss new ones.
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
"""In lower or upper case. Their values may contain a password."""
_DOCKER = _EVERY_CHILD | frozenset({
    "DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
})  # fmt: skip
"""How to reach the engine (docs.docker.com/reference/cli/docker, "Environment variables")."""
_BUILDER = _DOCKER | _CERTIFICATES | {"DOCKER_AUTH_CONFIG", "DOCKER_CONTENT_TRUST", "DOCKER_CONTENT_TRUST_SERVER"}
"""How to reach registries as well. Not all of DOCKER_*: many workflows keep a password in DOCKER_PASSWORD."""
_BUILDER_PREFIXES = ("BUILDKIT_", "BUILDX_")
_GIT = _EVERY_CHILD | _CERTIFICATES | {"CURL_CA_BUNDLE", "LOGNAME", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME"}
"""Where git's settings are, and what it needs to fetch missing objects of a partial clone or to run a filter."""
_PYTHON = _EVERY_CHILD | {"LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"}
"""What the interpreter needs to start and to find membudget."""


def builder_environment(engine_address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of `docker buildx`, which uses the engine at `engine_address` and registries."""
    settings = {key: value for key, value in environ.items() if key.startswith(_BUILDER_PREFIXES)}
    return {**_only(environ, _BUILDER, with_proxies=True), **settings, "DOCKER_HOST": engine_address}


def engine_client_environment(engine_address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a docker client that only uses the engine, without proxies and registry passwords."""
    return {**_only(environ, _DOCKER), "DOCKER_HOST": engine_address}


def reader_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of `docker compose config`. A pull request's compose file can read all its variables."""
    return _only(environ, frozenset({"PATH", "HOME"}))


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of git. It has no GIT_*: variables such as GIT_DIR would point to another repository."""
    return {**_only(environ, _GIT, with_proxies=True), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def helper_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of membudget's own Python programs: the probe and the HTTP driver."""
    return _only(environ, _PYTHON)


def _only(environ: Mapping[str, str], names: frozenset[str], *, with_proxies: bool = False) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key in names or (with_proxies and key.lower() in _PROXIES)}


_LARGEST_CONFIG = 1 << 20
_SECRET_KEYS = ("password", "identitytoken", "registrytoken")


def client_mask(environ: Mapping[str, str] = os.environ) -> Mask:
    """Return a mask for the secrets in the environment and in docker's configuration file.

    Secrets in a credential helper are not known.
    """
    return Mask([*environment_secrets(environ), *_configured_secrets(environ)])


def _configured_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of docker's configuration file (docker-config(5), `auths`, `proxies` and `HttpHeaders`)."""
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
