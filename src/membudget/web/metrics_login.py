"""The address of a server of metrics, and the login that it gets: for servers that are asked and pushed to."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain
from membudget.core.masking import Mask
from membudget.web.bounded_http import Login, TokenLogin

_ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?(?:/[\w.~%/-]*)?", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_LOCAL = ("localhost", "127.0.0.1", "::1")
_LARGEST_FILE_BYTES = 1 << 16


def secret_in(path: str | None) -> SecretStr | None:
    """Return what a token file holds. None without a file. Raises ConfigurationError, which does not quote it.

    The token is not an argument: other processes of the machine see those.
    """
    if path is None:
        return None
    try:
        content = read_plain(Path(path), _LARGEST_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the token cannot be read: {error.strerror}", where=path) from None
    return SecretStr(content.decode(errors="replace").strip())


def _is_address(url: str) -> bool:
    if not _ADDRESS.fullmatch(url):
        return False
    try:
        return urlsplit(url).port != 0
    except ValueError:  # brackets that hold no address, or a port that is none
        return False


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """A server, and the login that goes to it alone.

    Raises ConfigurationError for an address or a secret that cannot be used. No message quotes either: the address may
    hold a password.
    """

    url: str
    """Without a slash at its end."""
    option: str
    """The option that names the server, for messages."""
    secret: SecretStr | None = None
    """A token, or USER:PASSWORD. A token has no colon."""
    login: Login | tuple[str, str] | None = field(init=False, repr=False)
    """What adds the secret to a request."""
    hide: Mask = field(init=False)
    """Removes the secret from texts of the server."""

    def __post_init__(self) -> None:
        """Check the address and the secret."""
        if not _is_address(self.url):
            fix = "write http or https, a host, a port and a path; a login belongs into --token-file"
            raise ConfigurationError("this is no address of a server", where=self.option, fix=fix)
        object.__setattr__(self, "url", self.url.rstrip("/"))
        object.__setattr__(self, "login", self._login())
        known = self.secret.get_secret_value() if self.secret is not None else ""
        object.__setattr__(self, "hide", Mask([known, known.partition(":")[2]]))

    def _login(self) -> Login | tuple[str, str] | None:
        if self.secret is None:
            return None
        text = self.secret.get_secret_value()
        if not _PRINTABLE.fullmatch(text):
            raise ConfigurationError(
                "this holds no token: it is empty, or has a space, an end of line or a character that no token has",
                where="--token-file",
                fix="write the token, or USER:PASSWORD, on one line",
            )
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            what = "a login over http can be read on its way"
            raise ConfigurationError(what, where=self.option, fix="name an address with https")
        user, colon, password = text.partition(":")
        return (user, password) if colon else TokenLogin(self.secret, "Bearer")
