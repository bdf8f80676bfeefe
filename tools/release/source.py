"""What is released: the commit of a tag, after a check that tag, version, label and changelog agree.

A maintainer pushes the tag `release/v1.2.3`. The release itself makes the tag `v1.2.3`, on a commit of its own.
"""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

_TAG = re.compile(r"release/v(?P<version>\d+\.\d+\.\d+(?:rc\d+)?)")
_LABEL = re.compile(r"^LABEL membudget\.version=(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A commit to release."""

    folder: Path
    """A clone, with the commit checked out."""
    tag: str
    """What the maintainer pushed."""
    version: str
    commit: str
    committed_at: int
    """Seconds since 1970: the time of everything that is made from it."""
    notes: str
    """The version's section of the changelog, in Markdown."""

    @property
    def release_tag(self) -> str:
        """The tag of the release, which never moves."""
        return f"v{self.version}"

    @property
    def floating_tag(self) -> str | None:
        """The tag that moves with every release of a major version. None for a candidate, which does not move it."""
        return None if self.is_candidate else f"v{self.version.partition('.')[0]}"

    @property
    def is_candidate(self) -> bool:
        """Whether it is a release to try, like 1.2.3rc1."""
        return "rc" in self.version


def read(folder: Path, tag: str) -> Source:
    """Read what a tag releases from a clone that has it checked out.

    Raises SystemExit with every reason why it cannot be released.
    """
    named = _TAG.fullmatch(tag)
    if named is None:
        raise SystemExit(f"{tag} is no tag of a release\nfix: name it release/vVERSION, like release/v1.2.3")
    version = named["version"]
    problems = [*_disagreements(folder, version), *_misplaced(folder, tag)]
    if problems:
        raise SystemExit("\n".join([f"{tag} cannot be released:", *(f"- {problem}" for problem in problems)]))
    return Source(
        folder=folder,
        tag=tag,
        version=version,
        commit=git(folder, "rev-parse", "HEAD"),
        committed_at=int(git(folder, "show", "--no-patch", "--format=%ct", "HEAD")),
        notes=notes_of(version, (folder / "CHANGELOG.md").read_text()) or "",
    )


def notes_of(version: str, changelog: str) -> str | None:
    """Return a version's section of a changelog, without its heading. None if there is no dated section."""
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        return None
    section = changelog[found.end() :]
    following = re.search(r"^(?:## |\[[^\]]+\]: )", section, re.MULTILINE)
    return section[: following.start() if following else None].strip()


def git(folder: Path, *arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> str:
    """Run git in a clone and return what it printed. Raises SystemExit with git's own words."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"git {' '.join(arguments)} failed in {folder}:\n{done.stderr.strip()}")
    return done.stdout.strip()


def _disagreements(folder: Path, version: str) -> list[str]:
    """Places that state another version."""
    problems = []
    stated = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
    if stated != version:
        problems.append(f"pyproject.toml has version {stated}: change it to {version}")
    labels = _LABEL.findall((folder / "Dockerfile").read_text())
    if labels != [version]:
        problems.append(f"the Dockerfile has the label {' '.join(labels) or 'missing'}: change it to {version}")
    notes = notes_of(version, (folder / "CHANGELOG.md").read_text())
    if not notes:
        why = "has no section" if notes is None else "has nothing in its section"
        problems.append(f"CHANGELOG.md {why} for {version}: write one under `## [{version}] - YYYY-MM-DD`")
    return problems


def _misplaced(folder: Path, tag: str) -> list[str]:
    """What is wrong with the commit."""
    problems = []
    head, tagged = git(folder, "rev-parse", "HEAD"), git(folder, "rev-parse", f"refs/tags/{tag}^{{commit}}")
    if head != tagged:
        problems.append(f"the clone is at {head}, and the tag at {tagged}: check the tag out")
    if git(folder, "status", "--porcelain"):
        problems.append("the clone has changes that are not committed: start from a clean one")
    if not git(folder, "for-each-ref", "--contains", tagged, "refs/remotes/origin/main"):
        problems.append(f"{tagged} is not on origin/main: merge it first")
    return problems
