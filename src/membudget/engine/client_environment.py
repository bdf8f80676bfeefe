"""What docker's command line clients get of our environment: how to reach engine and registries, and no token."""

from collections.abc import Mapping

_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON_PREFIXES = ("BUILDKIT_", "BUILDX_", "DOCKER_", "XDG_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def client_environment(engine_address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a client that talks to the engine at `engine_address`."""
    passed_on = {
        key: value
        for key, value in environ.items()
        if key in _PASSED_ON or key.startswith(_PASSED_ON_PREFIXES) or key.lower() in _PROXIES
    }
    return {**passed_on, "DOCKER_HOST": engine_address}
