"""Releases on the stand-in of GitHub: imported for the operations that it registers."""

from tests.support.github_description import GithubDescription
from tests.support.github_operations import REPOSITORY, Answer, Call, Refusal, plays


@plays("GET", f"{REPOSITORY}/releases/tags/{{tag}}")
def _get_release(call: Call, description: GithubDescription, owner: str, repo: str, tag: str) -> Answer:
    found = call.repository(owner, repo).releases.get(tag)
    if found is None:
        raise Refusal(404, "Not Found")
    return Answer(200, {**description.smallest("release"), **found})


@plays("POST", f"{REPOSITORY}/releases")
def _create_release(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    releases, tag = call.writable(owner, repo).releases, call.content["tag_name"]
    if tag in releases:
        raise Refusal(422, "Validation Failed", {"resource": "Release", "code": "already_exists", "field": "tag_name"})
    names = ("tag_name", "name", "body", "prerelease")
    releases[tag] = {name: call.content[name] for name in names if name in call.content}
    return Answer(201, {**description.smallest("release"), **releases[tag]})
