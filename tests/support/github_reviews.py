"""Review comments and changed files of pull requests on the stand-in of GitHub: imported for its operations."""

from typing import Any

from tests.support.github_description import GithubDescription
from tests.support.github_operations import REPOSITORY, Answer, Call, Refusal, plays
from tests.support.github_state import ReviewComment

_PULL = f"{REPOSITORY}/pulls/{{pull_number}}"
_COMMENT = f"{REPOSITORY}/pulls/comments/{{comment_id}}"


@plays("GET", f"{_PULL}/files")
def _list_files(call: Call, description: GithubDescription, owner: str, repo: str, pull_number: int) -> Answer:
    repository, smallest = call.repository(owner, repo), description.smallest("diff-entry")
    files = repository.reviews.files.get(pull_number, {})
    shown = [
        {**smallest, "filename": path, **({} if patch is None else {"patch": patch})} for path, patch in files.items()
    ]
    return call.page(repository, shown)


@plays("GET", f"{_PULL}/comments")
def _list_comments(call: Call, description: GithubDescription, owner: str, repo: str, pull_number: int) -> Answer:
    repository = call.repository(owner, repo)
    found = [one for one in repository.reviews.comments.values() if one.number == pull_number]
    return call.page(repository, [_as_json(call, description, one) for one in found])


@plays("POST", f"{_PULL}/comments")
def _create_comment(call: Call, description: GithubDescription, owner: str, repo: str, pull_number: int) -> Answer:
    """GitHub takes comments only at lines that the diff shows."""
    reviews, given = call.writable(owner, repo).reviews, call.content
    patch = reviews.files.get(pull_number, {}).get(given["path"])
    if patch is None:
        raise Refusal(422, "Validation Failed", {"field": "pull_request_review_thread.path", "code": "invalid"})
    made = ReviewComment(
        call.state.next_id(), pull_number, call.token.login, given["body"], given["path"], given["line"],
        given["commit_id"],
    )  # fmt: skip
    reviews.comments[made.id] = made
    return Answer(201, _as_json(call, description, made))


@plays("PATCH", _COMMENT)
def _edit_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    comment = call.writable(owner, repo).reviews.comments.get(comment_id)
    if comment is None:
        raise Refusal(404, "Not Found")
    comment.body = call.content["body"]
    return Answer(200, _as_json(call, description, comment))


@plays("DELETE", _COMMENT)
def _delete_comment(call: Call, _: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    comments = call.writable(owner, repo).reviews.comments
    if comment_id not in comments:
        raise Refusal(404, "Not Found")
    del comments[comment_id]
    return Answer(204)


def _as_json(call: Call, description: GithubDescription, comment: ReviewComment) -> dict[str, Any]:
    return comment.as_json(description.smallest("pull-request-review-comment"), call.state.user(comment.author))
