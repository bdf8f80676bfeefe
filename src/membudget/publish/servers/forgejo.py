"""Forgejo and Gitea: how their API and their runners differ from GitHub's.

Sources: their code of 2026 (`routers/api/v1/repo/issue_comment.go`, `routers/api/v1/permissions/`,
`modules/structs/commit_status.go`, `models/user/user_system.go`, `services/actions/context.go`,
`models/actions/run.go`, the runner's `run_context.go` and `runner.go`) and their description of the API, which the
tests check requests and answers against. Facts marked * come from users of these servers, not from the code.

- `GET .../issues/N/comments` returns all comments at once, without pages. Other lists have the parameter `limit`.
- There are no check runs. A commit status can also be "warning", and on Gitea "skipped". Answers name the state
  `status` instead of `state`.
- If the token lacks a right, the server answers 403 and names a scope or a permission. Whoever can read a pull request
  can comment on it, and edit their own comments. The token of a fork's workflow can read.* So it can comment, but not
  set the commit's status.
- A workflow's token has no scopes and can GET /user. The answer is `gitea-actions`, or `forgejo-actions`.* Such a token
  looks like a person's. A person's token needs `read:user` for that request.
- `GITHUB_RUN_NUMBER` counts the runs of a repository, not of a workflow. Forgejo's addresses of runs contain it.
  Gitea's contain the run's ID since 1.26 (go-gitea/gitea#36842), and contained the number before.
- Forgejo's runner sets each GITHUB_ variable under FORGEJO_ as well, including the token. Other runners set
  GITEA_TOKEN.* Gitea's runner sets GITEA_ACTIONS. Forgejo's sets it too, and FORGEJO_ACTIONS since its 7.0.*
- There are issues, whose lists have pull requests as well, and no comments on commits.
- There is no merge queue, and membudget does not read artifacts of other runs there.
"""

import re

from membudget.publish.pull_request import WorkflowRun
from membudget.publish.server import Access, Capabilities, Right, Server
from membudget.publish.servers.exchange import Dialect
from membudget.publish.servers.github_api import OwnNames, asked_name
from membudget.publish.servers.github_server import GithubServer
from membudget.publish.servers.http_api import HttpApi

_ACTIONS_USERS = frozenset({"forgejo-actions", "gitea-actions"})
"""The authors of comments with a workflow's token, if that token may not ask."""
_REFUSAL = re.compile(r"required scope|permission")
_ADVICE = {
    Right.COMMENTS: "a token of your own needs the scopes `write:issue` and `read:user`",
    Right.ISSUES: "a token of your own needs the scopes `write:issue` and `read:user`",
    Right.STATUSES: "a token of your own needs the scope `write:repository` (a fork's token never may)",
}
FORGEJO = Dialect("Forgejo", _ADVICE, _REFUSAL)
GITEA = Dialect("Gitea", _ADVICE, _REFUSAL)


class ForgejoServer(GithubServer):
    """Forgejo: no check runs, no removal of a label by its name, no comments on commits, no suggestions as GitHub's."""

    dialect = FORGEJO
    capabilities = Capabilities()
    usual_url = ""
    remove_label = Server.remove_label
    report_of = Server.report_of
    suggestions = Server.suggestions
    commit_comments = Server.commit_comments

    def access(self) -> Access:
        """Return whose token it is. A workflow's token belongs to the server's own account."""
        return Access(self.repository, next(iter(asked_name(self.api, frozenset())), None))

    def _usual_api_url(self) -> str:
        return f"{self._url}/api/v1"

    def _own_names(self) -> OwnNames:
        return forgejo_names

    def _run_address(self, run: WorkflowRun) -> str:
        """Forgejo's addresses have the number, and show the newest attempt."""
        return str(run.number)


class GiteaServer(ForgejoServer):
    """Gitea, which differs from Forgejo in the addresses of runs."""

    dialect = GITEA

    def _run_address(self, run: WorkflowRun) -> str:
        """Gitea's addresses have the ID, and show the newest attempt."""
        return str(run.id)


def forgejo_names(api: HttpApi, _: frozenset[str]) -> frozenset[str]:
    """Return who comments with the token."""
    return asked_name(api, _ACTIONS_USERS)
