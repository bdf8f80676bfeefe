"""The release on GitHub: its page with the notes."""

import github
from github import Auth, Github

from release.image import Image
from release.source import Source


def text(source: Source, image: Image) -> str:
    """The page's text: the notes, and what to pin and verify."""
    return (
        f"{source.notes}\n\n"
        f"Image: `{image.reference}`, built from {source.commit}.\n"
        "How to verify it: [docs/releasing.md]"
        f"(https://github.com/membudget/membudget/blob/{source.release_tag}/docs/releasing.md#verify-a-release).\n"
    )


def provide(source: Source, image: Image, repository: str, api: str, token: str) -> bool:
    """Make the release's page, if there is none. Returns whether it was made. A page that exists is left alone."""
    with_api = Github(auth=Auth.Token(token), base_url=api, lazy=True)
    try:
        found = with_api.get_repo(repository)
        try:
            found.get_release(source.release_tag).tag_name  # noqa: B018 - asks for it
        except github.UnknownObjectException:
            found.create_git_release(
                source.release_tag,
                name=f"membudget {source.version}",
                message=text(source, image),
                prerelease=source.is_candidate,
            )
            return True
        return False
    except github.GithubException as error:
        raise SystemExit(f"{api} refuses the release of {repository}: {error.status} {error.data}") from None
    finally:
        with_api.close()
