"""The open pull request that a workflow run was for, by what GitHub says of the run.

`workflow_run.pull_requests` is empty for forks, and GitHub links a commit of a fork with no pull request. What it
does know is the open pull requests of a branch of an owner, and which commit each has at its head.
"""

from urllib.parse import quote

from membudget.publish.pull_request import NotPosted, PullRequest
from membudget.publish.servers.github_event import MeasuringRun
from membudget.publish.servers.http_api import ApiModel, HttpApi


class _Repository(ApiModel):
    full_name: str


class _Head(ApiModel):
    sha: str
    ref: str
    repo: _Repository | None = None


class _PullRequest(ApiModel):
    number: int
    state: str
    head: _Head


def pull_request_of(api: HttpApi, repository: str, measured: MeasuringRun) -> PullRequest | NotPosted:
    """The one open pull request whose head is what was measured; or why there is none to tell. Raises ApiFault."""
    if measured.event != "pull_request":
        return NotPosted("the run was for no pull request", is_wanted=True)
    if measured.head_owner is None or measured.head_branch is None:
        return NotPosted("the repository of the pull request's head is gone")
    head = f"{measured.head_owner}:{measured.head_branch}"
    pages = api.pages(
        lambda github: github.repository(quote(repository)).get_pulls(state="open", head=head), list[_PullRequest]
    )
    found = [
        one
        for one in next(pages)
        if one.state == "open"
        and one.head.ref == measured.head_branch
        and one.head.repo is not None
        and one.head.repo.full_name == measured.head_repository
    ]
    current = [one for one in found if one.head.sha == measured.run.head_sha]
    match current:
        case [one]:
            return PullRequest(repository, one.number)
        case []:
            return NotPosted(
                "the pull request's head has moved on since: its own run reports it"
                if found
                else "no open pull request has this head"
            )
        case _:
            numbers = ", ".join(f"#{one.number}" for one in current)
            return NotPosted(f"several open pull requests have this head ({numbers}): which was measured is not known")
