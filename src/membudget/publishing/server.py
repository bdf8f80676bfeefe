"""The server whose runner started us, as its environment names it."""

import re
from collections.abc import Mapping

from pydantic import SecretStr

from membudget.errors import ConfigurationError
from membudget.publishing.commit_state import CommitStates, StatusMode
from membudget.publishing.forgejo import forgejo_names, is_forgejo
from membudget.publishing.github_check import CheckRun
from membudget.publishing.github_comment import ApiCommenter, github_names
from membudget.publishing.github_event import repository_name
from membudget.publishing.github_status import CommitStatus
from membudget.publishing.http_api import HttpApi
from membudget.publishing.pull_request import WorkflowRun

_GITHUB = "https://github.com"
_GITHUB_API = "https://api.github.com"
_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", re.ASCII)


class Server:
    """GitHub, GitHub Enterprise Server, Forgejo or Gitea, and our token there."""

    def __init__(self, environ: Mapping[str, str], token: SecretStr) -> None:
        """Raises ConfigurationError for addresses that are none."""
        self._environ = environ
        self.is_forgejo = is_forgejo(environ)
        self.url = (environ.get("GITHUB_SERVER_URL") or _GITHUB).rstrip("/")
        if not _ADDRESS.fullmatch(self.url):
            raise ConfigurationError(f"{self.url!r} is no address", where="GITHUB_SERVER_URL")
        api_url = environ.get("GITHUB_API_URL") or (f"{self.url}/api/v1" if self.is_forgejo else _GITHUB_API)
        name = "Forgejo" if self.is_forgejo else "GitHub"
        self.api = HttpApi(api_url, token, name) if token.get_secret_value() else None
        """None without a token."""
        names = forgejo_names if self.is_forgejo else github_names(token)
        self.commenter = ApiCommenter(self.api, names) if self.api is not None else None

    @property
    def repository(self) -> str:
        """The "owner/name" whose workflow this is. Raises ConfigurationError."""
        return repository_name(self._environ)

    def run_link(self, run: WorkflowRun) -> str:
        """The address of a workflow run."""
        runs = f"{self.url}/{self.repository}/actions/runs"
        return f"{runs}/{run.number}" if self.is_forgejo else f"{runs}/{run.id}/attempts/{run.attempt}"

    def commit_states(self, mode: StatusMode, run: WorkflowRun | None, key: str) -> CommitStates | None:
        """Where the state of a run's commit is kept; None where it is not, or nobody knows the commit."""
        if mode is StatusMode.NONE or self.api is None or run is None:
            return None
        kind = CheckRun if mode is StatusMode.CHECK and not self.is_forgejo else CommitStatus
        name = "membudget" if key == "default" else f"membudget/{key}"
        return kind(self.api, self.repository, run.head_sha, name, self.run_link(run))
