"""Which server runs the job: one entry for each server.

Importing this module imports no HTTP library. A server's class is imported only after the tokens have left the
environment. `membudget check` drops them, and only asks for the event.
"""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

from pydantic import SecretStr

from membudget.publish.server import Server

ServerClass = Callable[[Mapping[str, str], SecretStr], Server]
"""Makes the server from the job's environment and a token, which may be empty."""


@dataclass(frozen=True, slots=True)
class KnownServer:
    """How a server is recognised, and where its class is."""

    variable: str
    """The environment variable that the server's runners set to "true"."""
    tokens: tuple[str, ...]
    """The variables that hold a token. The first one is read, and all are removed from the environment."""
    load: Callable[[], ServerClass]
    """Imports the server's class."""


def _forgejo() -> ServerClass:
    from membudget.publish.servers.forgejo import ForgejoServer

    return ForgejoServer


def _gitea() -> ServerClass:
    from membudget.publish.servers.forgejo import GiteaServer

    return GiteaServer


def _github() -> ServerClass:
    from membudget.publish.servers.github_server import GithubServer

    return GithubServer


_TOKENS = ("GITHUB_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN")
"""Runners of Forgejo and Gitea set the token under each of these names."""
SERVERS = (
    KnownServer("FORGEJO_ACTIONS", _TOKENS, _forgejo),
    KnownServer("GITEA_ACTIONS", _TOKENS, _gitea),
    KnownServer("GITHUB_ACTIONS", _TOKENS, _github),
)
"""The first entry whose variable is set counts: runners of Forgejo and Gitea set GITHUB_ACTIONS as well. Outside of any
job, the last entry counts.
"""


def server(environ: Mapping[str, str], token: SecretStr) -> Server:
    """Return the server that runs the job. Raises ConfigurationError for settings that cannot work."""
    return _entry(environ).load()(environ, token)


def is_job(environ: Mapping[str, str]) -> bool:
    """Return whether a server's job runs this process, so that its event says what is checked."""
    return bool(environ.get("GITHUB_EVENT_NAME")) or any(environ.get(entry.variable) == "true" for entry in SERVERS)


def take_token(environ: MutableMapping[str, str]) -> SecretStr:
    """Return the job's token, and remove all tokens from `environ`: a traceback may show the environment."""
    token = environ.get(_entry(environ).tokens[0], "").strip()
    for entry in SERVERS:
        for name in entry.tokens:
            environ.pop(name, None)
    return SecretStr(token)


def _entry(environ: Mapping[str, str]) -> KnownServer:
    return next((entry for entry in SERVERS if environ.get(entry.variable) == "true"), SERVERS[-1])
