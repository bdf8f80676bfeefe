"""Issues and comments on commits on the stand-in of GitHub: imported for its operations."""

from typing import Any

from tests.support.github_description import GithubDescription
from tests.support.github_operations import LONGEST_BODY, REPOSITORY, Answer, Call, Refusal, plays
from tests.support.github_state import CommitComment, Issue, PullRequest, Repository

_WEB = "https://github.com"
LIST_OF_ISSUES = f"{REPOSITORY}/issues"
_ISSUE = f"{REPOSITORY}/issues/{{issue_number}}"
_OF_COMMIT = f"{REPOSITORY}/commits/{{commit_sha}}/comments"
_COMMENT = f"{REPOSITORY}/comments/{{comment_id}}"


@plays("GET", LIST_OF_ISSUES)
def _list_issues(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    """Pull requests are in this list as well, as on GitHub. The newest comes first."""
    repository, wanted = call.repository(owner, repo), call.request.args.get("state", "open")
    issues = [_issue(call, description, repository, one) for one in repository.told.issues.values()]
    pulls = [_pull(call, description, repository, one) for one in repository.pull_requests.values()]
    since = call.request.args.get("since", "")
    listed = [one for one in [*issues, *pulls] if wanted in (one["state"], "all") and one["updated_at"] >= since]
    return call.page(repository, sorted(listed, key=lambda one: -one["number"]))


@plays("POST", f"{REPOSITORY}/issues")
def _create_issue(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    repository, given = call.writable(owner, repo), call.content
    if repository.told.issues_are_off:
        raise Refusal(410, "Issues has been disabled in this repository.")
    if not given["title"].strip() or len(given["body"]) > LONGEST_BODY:
        raise Refusal(422, "Validation Failed", {"resource": "Issue", "field": "title", "code": "missing_field"})
    number = repository.told.next_number(repository.pull_requests)
    made = repository.told.issues[number] = Issue(number, call.token.login, given["title"], given["body"])
    return Answer(201, _issue(call, description, repository, made))


@plays("PATCH", _ISSUE)
def _edit_issue(call: Call, description: GithubDescription, owner: str, repo: str, issue_number: int) -> Answer:
    repository = call.writable(owner, repo)
    issue = repository.told.issues.get(issue_number)
    if issue is None:
        raise Refusal(404, "Not Found")
    for name in ("title", "body", "state"):
        setattr(issue, name, call.content.get(name, getattr(issue, name)))
    return Answer(200, _issue(call, description, repository, issue))


@plays("GET", _OF_COMMIT)
def _list_comments(call: Call, description: GithubDescription, owner: str, repo: str, commit_sha: str) -> Answer:
    repository = call.repository(owner, repo)
    found = [one for one in repository.told.commit_comments.values() if one.sha == commit_sha]
    return call.page(repository, [_comment(call, description, repository, one) for one in found])


@plays("POST", _OF_COMMIT)
def _create_comment(call: Call, description: GithubDescription, owner: str, repo: str, commit_sha: str) -> Answer:
    repository = call.writable(owner, repo)
    if not repository.has_commit(commit_sha):
        raise Refusal(422, f"No commit found for SHA: {commit_sha}")
    made = CommitComment(call.state.next_id(), commit_sha, call.token.login, call.content["body"])
    repository.told.commit_comments[made.id] = made
    return Answer(201, _comment(call, description, repository, made))


@plays("PATCH", _COMMENT)
def _edit_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    repository = call.writable(owner, repo)
    comment = repository.told.commit_comments.get(comment_id)
    if comment is None:
        raise Refusal(404, "Not Found")
    comment.body = call.content["body"]
    return Answer(200, _comment(call, description, repository, comment))


@plays("DELETE", _COMMENT)
def _delete_comment(call: Call, _: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    comments = call.writable(owner, repo).told.commit_comments
    if comment_id not in comments:
        raise Refusal(404, "Not Found")
    del comments[comment_id]
    return Answer(204)


def _issue(call: Call, description: GithubDescription, repository: Repository, issue: Issue) -> dict[str, Any]:
    return {
        **description.smallest("issue"),
        "id": 10_000 + issue.number,
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "updated_at": issue.updated_at,
        "html_url": f"{_WEB}/{repository.full_name}/issues/{issue.number}",
        "user": call.state.user(issue.author) if issue.author else None,
    }


def _pull(call: Call, description: GithubDescription, repository: Repository, pull: PullRequest) -> dict[str, Any]:
    shown = _issue(call, description, repository, Issue(pull.number, "ann", "A pull request", "", pull.state))
    urls = dict.fromkeys(("diff_url", "html_url", "patch_url", "url"), f"{_WEB}/{repository.full_name}")
    return {**shown, "pull_request": urls}


def _comment(call: Call, description: GithubDescription, repository: Repository, one: CommitComment) -> dict[str, Any]:
    return {
        **description.smallest("commit-comment"),
        "id": one.id,
        "commit_id": one.sha,
        "body": one.body,
        "html_url": f"{_WEB}/{repository.full_name}/commit/{one.sha}#commitcomment-{one.id}",
        "user": call.state.user(one.author) if one.author else None,
    }
