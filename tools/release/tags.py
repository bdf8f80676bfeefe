"""The release's commit and tags.

The release commit is the only one whose action.yml runs the published image by digest. Its parent is the released
commit. It lies on no branch: on main, the action builds its image. The same release always makes the same commit.
"""

import os
import re
import tempfile
from pathlib import Path

from release.source import Source, git

_BUILDS = "  image: Dockerfile\n"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "membudget release",
    "GIT_AUTHOR_EMAIL": "release@membudget.invalid",
    "GIT_COMMITTER_NAME": "membudget release",
    "GIT_COMMITTER_EMAIL": "release@membudget.invalid",
}
_VERSION_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def with_image(action: str, image: str) -> str:
    """action.yml, with a published image in place of the Dockerfile. Raises SystemExit if it builds none."""
    if action.count(_BUILDS) != 1:
        raise SystemExit(f"action.yml does not have the line {_BUILDS.strip()!r} once: nothing can be replaced")
    return action.replace(_BUILDS, f"  image: docker://{image}\n")


def release_commit(source: Source, image: str) -> str:
    """Make the release commit in the clone and return its id. Neither the work tree nor a branch changes."""
    moment = f"{source.committed_at} +0000"
    dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, **_IDENTITY, **dates, "GIT_INDEX_FILE": str(Path(scratch, "index"))}
        action = with_image(git(source.folder, "show", f"{source.commit}:action.yml") + "\n", image)
        blob = git(source.folder, "hash-object", "-w", "--stdin", stdin=action)
        git(source.folder, "read-tree", source.commit, env=env)
        git(source.folder, "update-index", "--cacheinfo", f"100644,{blob},action.yml", env=env)
        tree = git(source.folder, "write-tree", env=env)
        message = f"Release {source.version}\n\nThe action runs {image}.\nThe image was built from {source.commit}.\n"
        return git(source.folder, "commit-tree", tree, "-p", source.commit, "-F", "-", env=env, stdin=message)


def publish(source: Source, remote: str, commit: str) -> bool:
    """Push the release's tag, if the remote does not have it. Returns whether it was pushed.

    Raises SystemExit if the remote has the tag on another commit: a published release does not change.
    """
    tag = source.release_tag
    there = _remote_tags(source.folder, remote).get(tag)
    if there == commit:
        return False
    if there is not None:
        raise SystemExit(f"{remote} has {tag} at {there}, and this release is {commit}\nfix: raise the version")
    git(source.folder, "push", "--quiet", remote, f"{commit}:refs/tags/{tag}")
    return True


def move(source: Source, remote: str, commit: str) -> str | None:
    """Move the floating tag to the release. Returns its name, or None if it stays.

    It stays for a candidate, for a release that it is on already, and where a later release of the same major version
    exists. A tag that somebody else moved meanwhile is left to them: git refuses the push.
    """
    tag = source.floating_tag
    tags = _remote_tags(source.folder, remote)
    if tag is None or tags.get(tag) == commit or _later(source.version, tags):
        return None
    lease = f"--force-with-lease=refs/tags/{tag}:{tags.get(tag, '')}"
    git(source.folder, "push", "--quiet", lease, remote, f"{commit}:refs/tags/{tag}")
    return tag


def _remote_tags(folder: Path, remote: str) -> dict[str, str]:
    """The commits of a remote's tags. Of an annotated tag, its commit, which git lists after it."""
    listed = (line.split("\t") for line in git(folder, "ls-remote", "--tags", remote).splitlines())
    return {ref.removeprefix("refs/tags/").removesuffix("^{}"): commit for commit, ref in listed}


def _later(version: str, tags: dict[str, str]) -> bool:
    """Whether a remote has a later release of the same major version."""
    found = (_VERSION_TAG.fullmatch(tag) for tag in tags)
    numbers = [tuple(int(part) for part in one.groups()) for one in found if one is not None]
    own = tuple(int(part) for part in version.split("."))
    return any(one > own for one in numbers if one[0] == own[0])
