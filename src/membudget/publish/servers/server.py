"""The server whose runner started us, as its environment names it."""

from collections.abc import Mapping

from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.publish.commit_state import CommitStates, StatusMode
from membudget.publish.pull_request import WorkflowRun
from membudget.publish.servers.comments import ApiCommenter, github_names
from membudget.publish.servers.commit_states import CheckRun, CommitStatus
from membudget.publish.servers.dialect import GITHUB
from membudget.publish.servers.forgejo import address_of, dialect_of, forgejo_names
from membudget.publish.servers.github_event import repository_name
from membudget.publish.servers.http_api import WEB_ADDRESS, HttpApi, is_web_address

_GITHUB = "https://github.com"
_GITHUB_API = "https://api.github.com"


class Server:
    """GitHub, GitHub Enterprise Server, Forgejo or Gitea, and our token there."""

    def __init__(self, environ: Mapping[str, str], token: SecretStr) -> None:
        """Raises ConfigurationError for addresses that are none."""
        self._environ = environ
        self.dialect = dialect_of(environ)
        self.url = (environ.get("GITHUB_SERVER_URL") or _GITHUB).rstrip("/")
        if not is_web_address(self.url):
            raise ConfigurationError(f"is no address: {WEB_ADDRESS}", where="GITHUB_SERVER_URL")
        api_url = environ.get("GITHUB_API_URL") or (_GITHUB_API if self.is_github else f"{self.url}/api/v1")
        self.api = HttpApi(api_url, token, self.dialect) if token.get_secret_value() else None
        """None without a token."""
        names = github_names(token) if self.is_github else forgejo_names
        self.commenter = ApiCommenter(self.api, names) if self.api is not None else None

    @property
    def is_github(self) -> bool:
        """Whether it can all that is described of GitHub."""
        return self.dialect is GITHUB

    @property
    def repository(self) -> str:
        """The "owner/name" whose workflow this is. Raises ConfigurationError."""
        return repository_name(self._environ)

    def run_link(self, run: WorkflowRun) -> str:
        """The address of a workflow run."""
        address = f"{run.id}/attempts/{run.attempt}" if self.is_github else address_of(run, self.dialect)
        return f"{self.url}/{self.repository}/actions/runs/{address}"

    def possible(self, mode: StatusMode) -> StatusMode:
        """What the server has of what is wanted."""
        return StatusMode.STATUS if mode is StatusMode.CHECK and not self.is_github else mode

    def commit_states(self, mode: StatusMode, run: WorkflowRun | None, key: str) -> CommitStates | None:
        """Where the state of a run's commit is kept; None where it is not, or nobody knows the commit."""
        if mode is StatusMode.NONE or self.api is None or run is None:
            return None
        kind = CheckRun if self.possible(mode) is StatusMode.CHECK else CommitStatus
        name = "membudget" if key == "default" else f"membudget/{key}"
        return kind(self.api, self.repository, run.head_sha, name, self.run_link(run))
