"""The main job on the bundled example: a shop of four images, and a pull request that makes three of them worse.

Makes a throw-away git repository with base and head, runs `membudget check` there, renders the comment, and says
where everything is. Run by `make demo`, with an engine at hand.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import base_image
import debian
import own_image
from membudget.engine.connection import connect
from membudget.engine.vantage import vantage_on
from membudget.version import VERSION

_TOP = Path(__file__).resolve().parent.parent
_EXAMPLE = _TOP / "examples" / "bookshop"
_OVER_BUDGET = 1


def main() -> int:
    """Run it; 0 when the check found what the example's head did wrong."""
    demo = _TOP / "build" / "demo"
    base_image.provide("bookworm")
    _provide_helper_image()
    repository = demo / "repository"
    make_repository(repository)
    summary = demo / "comment.md"
    summary.unlink(missing_ok=True)
    report = demo / "report.json"
    debian.say("membudget check")
    checked = _membudget(["check", "--report", str(report)], repository)
    if checked != _OVER_BUDGET:
        print(f"the check ended with {checked}, and should find the example over budget", file=sys.stderr)
        return checked or 1
    debian.say("membudget publish (to a file: there is no pull request here)")
    _membudget(["publish", str(report)], repository, {"GITHUB_STEP_SUMMARY": str(summary)})
    page = demo / "report.html"
    _membudget(["report", str(report), "--format", "html", "--output", str(page)], repository)
    print(f"\nThe comment it would post: {_short(summary)}\nThe report: {_short(report)}")
    print(f"The same as a page to look into: {_short(page)}")
    print(f"The repository, to play with: {_short(repository)} (cd there, edit, commit, membudget check)")
    return 0


def make_repository(folder: Path) -> None:
    """A git repository whose main branch is the example's base, and whose checkout is a branch with its head."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(_EXAMPLE / "base", folder)
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _commit(folder, "The shop")
    _git(folder, "checkout", "--quiet", "-b", "more")
    shutil.copytree(_EXAMPLE / "head", folder, dirs_exist_ok=True)
    _commit(folder, "Faster pages, a search index, titles that come twice")


def _provide_helper_image() -> None:
    """Where membudget cannot look at the engine's machine itself, it needs its own image."""
    engine = connect()
    try:
        alone = vantage_on(engine).acts_alone
    finally:
        engine.close()
    if alone:
        return
    own_image.build(f"membudget:{VERSION}")


def _membudget(arguments: list[str], folder: Path, environ: dict[str, str] | None = None) -> int:
    command = [sys.executable, "-m", "membudget", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **(environ or {})}, check=False).returncode


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "--all")
    identity = ["-c", "user.name=Demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
    _git(folder, *identity, "commit", "--quiet", "--no-verify", "--message", message)


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
