"""What docker's clients and the engine could tell of our secrets: logins of registries and proxies."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from membudget.core.files import read_plain
from membudget.core.masking import Mask, environment_secrets, login_in, login_in_base64

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
