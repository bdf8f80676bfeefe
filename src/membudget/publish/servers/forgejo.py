"""Forgejo and Gitea: where their API and their runners are not GitHub's.

What follows was read in their sources of 2026 (`routers/api/v1/repo/issue_comment.go`, `routers/api/v1/permissions/`,
`modules/structs/commit_status.go`, `models/user/user_system.go`, `services/actions/context.go`,
`models/actions/run.go`, the runner's `run_context.go` and `runner.go`), and as their description of the API has it,
to which the tests hold what is sent and answered. What is marked * is known from others who use them, and was not
read:

- All comments of a pull request come at once: `GET .../issues/N/comments` knows no pages. Other lists say `limit`.
- There are no check runs. A commit status has the word "warning" more, Gitea's "skipped" too, and is answered with
  `status`, not `state`.
- A missing right is a 403 that names a scope or a permission. Who may read a pull request may comment on it, and edit
  what is their own. The token of a fork's workflow reads:* it may comment, and tell the commit nothing.
- A workflow's token has no scopes and may GET /user, which answers `gitea-actions`, or `forgejo-actions`;* nothing
  tells such a token from a person's by its looks. A person's needs `read:user` for it.
- `GITHUB_RUN_NUMBER` counts the runs of a repository, not of a workflow. It is what Forgejo's addresses of runs have.
  Gitea's had it, too, and have the run's id since 1.26 (go-gitea/gitea#36842).
- Forgejo's runner sets each GITHUB_ variable as FORGEJO_ as well, the token too; others set GITEA_TOKEN.* Gitea's
  sets GITEA_ACTIONS; Forgejo's does, and FORGEJO_ACTIONS since its 7.0.*
- There is no merge queue, and artifacts of other runs are not read here.
"""

import re

from membudget.publish.pull_request import WorkflowRun
from membudget.publish.server import Capabilities, Server
from membudget.publish.servers.github_api import OwnNames, asked_name
from membudget.publish.servers.github_server import GithubServer
from membudget.publish.servers.http_api import Dialect, HttpApi, Right

_ACTIONS_USERS = frozenset({"forgejo-actions", "gitea-actions"})
"""The authors of comments with a workflow's token, if that token may not ask."""
_REFUSAL = re.compile(r"required scope|permission")
_ADVICE = {
    Right.COMMENTS: "a token of your own needs the scopes `write:issue` and `read:user`",
    Right.STATUSES: "a token of your own needs the scope `write:repository`",
}
FORGEJO = Dialect("Forgejo", _ADVICE, _REFUSAL)
GITEA = Dialect("Gitea", _ADVICE, _REFUSAL)


class ForgejoServer(GithubServer):
    """Forgejo."""

    dialect = FORGEJO
    capabilities = Capabilities()
    take_label_off = Server.take_label_off
    report_of = Server.report_of

    def _usual_api_url(self) -> str:
        return f"{self._url}/api/v1"

    def _own_names(self) -> OwnNames:
        return forgejo_names

    def _run_address(self, run: WorkflowRun) -> str:
        """Forgejo's addresses have the number, and show the newest attempt."""
        return str(run.number)


class GiteaServer(ForgejoServer):
    """Gitea."""

    dialect = GITEA

    def _run_address(self, run: WorkflowRun) -> str:
        """Gitea's addresses have the ID, and show the newest attempt."""
        return str(run.id)


def forgejo_names(api: HttpApi, _: frozenset[str]) -> frozenset[str]:
    """Return who comments with the token."""
    return asked_name(api, _ACTIONS_USERS)
