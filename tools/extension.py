"""Opens, saves and refreshes the patches in tests/extension/patches, each of which extends membudget.

    python tools/extension.py refresh NAME   apply NAME.patch to today's tree, and write it anew
    python tools/extension.py open NAME      make build/extension/NAME: today's tree with the patch applied
    python tools/extension.py save NAME      write the patch anew, from what build/extension/NAME holds

`refresh` is `open` and `save`. Where the patch conflicts with the tree, it stops in between: resolve the conflicts in
build/extension/NAME, then run `save`. A new patch begins with `open`, too. The tests apply the patches by the same
functions.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PATCHES = TOP / "tests" / "extension" / "patches"
SCHEMA = "docs/schema/budgets.schema.json"
_OPENED = TOP / "build" / "extension"
_AUTHOR = ("-c", "user.name=membudget", "-c", "user.email=membudget@example.invalid", "-c", "commit.gpgsign=false")


class DoesNotApply(Exception):
    """A patch that no longer fits the tree."""


def main() -> int:
    """Run one command; 1 when the patch conflicts with the tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["refresh", "open", "save"])
    parser.add_argument("name", help="the patch, without .patch")
    options = parser.parse_args()
    folder = _OPENED / options.name
    if options.command != "save" and not open_copy(options.name, folder):
        print(f"{options.name}.patch conflicts with the tree. In {folder.relative_to(TOP)}, edit what stands between")
        print(f"conflict markers or in *.rej files. Then run: python tools/extension.py save {options.name}")
        return 1
    if options.command != "open":
        save(options.name, folder)
    return 0


def tracked() -> list[str]:
    """Every file that git knows or would take, from the top of the tree."""
    listed = _git(TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    return [name for name in listed.split("\0") if (TOP / name).is_file()]


def copy_tree(folder: Path) -> None:
    """Copy those files into `folder`, as they are in the working tree: mypy's cache knows them by time and size."""
    for name in tracked():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, target, follow_symlinks=False)


def apply(patch: Path, folder: Path) -> None:
    """Apply a patch to a copy of the tree. Raises DoesNotApply, which says how to refresh it.

    One line of context around each change has to be as it was, at whatever line it stands.
    """
    try:
        _git(folder, "apply", "-C1", str(patch))
    except subprocess.CalledProcessError as error:
        refresh = f"python tools/extension.py refresh {patch.stem}"
        raise DoesNotApply(f"{patch.name} no longer applies: run `{refresh}`\n{error.stderr}") from None


def touched(patch: Path) -> list[str]:
    """The files that a patch changes, adds or removes."""
    listed = _git(TOP, "apply", "--numstat", "-z", str(patch))
    return [line.split("\t")[2] for line in listed.split("\0") if line]


def environment(folder: Path) -> dict[str, str]:
    """Of programs that run the copy's membudget, its tests' helpers and its tools."""
    paths = os.pathsep.join(str(folder / name) for name in ("src", ".", "tools"))
    return _without_git(os.environ) | {"PYTHONPATH": paths}


def open_copy(name: str, folder: Path) -> bool:
    """Whether the patch applies without conflicts. A patch that does not exist yet does."""
    if folder.exists():
        shutil.rmtree(folder)
    copy_tree(folder)
    _git(folder, "init", "--quiet")
    objects = (TOP / _git(TOP, "rev-parse", "--git-path", "objects").strip()).resolve()
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{objects}\n")  # a merge needs the old files
    _git(folder, "add", "--all")
    _git(folder, *_AUTHOR, "commit", "--quiet", "--no-verify", "--message=The tree")
    patch = PATCHES / f"{name}.patch"
    if not patch.exists():
        return True
    if _applies(folder, "--3way", patch):
        return True
    if not _git(folder, "diff", "--name-only", "--diff-filter=U"):  # a shallow clone lacks the files to merge with
        return _applies(folder, "--reject", patch)
    return False


def save(name: str, folder: Path) -> None:
    """Write the patch, with what is generated from the sources generated anew."""
    left = [str(path.relative_to(folder)) for path in folder.rglob("*.rej")]
    left += _git(folder, "grep", "--name-only", "-e", "^<<<<<<< ", "--or", "-e", "^>>>>>>> ", check=False).splitlines()
    if left:
        raise SystemExit(f"there are conflicts left in {', '.join(left)}")
    (folder / SCHEMA).write_text(_python(folder, "-m", "membudget", "schema"))
    _python(folder, "tools/metric_tables.py")
    _git(folder, "add", "--all")
    (PATCHES / f"{name}.patch").write_text(_git(folder, "diff", "--cached", "--full-index", "HEAD"))


def _python(folder: Path, *arguments: str) -> str:
    """What a program of the copy prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _applies(folder: Path, how: str, patch: Path) -> bool:
    command = ["git", "apply", how, str(patch)]
    return subprocess.run(command, cwd=folder, env=_without_git(os.environ), check=False).returncode == 0


def _git(folder: Path, *arguments: str, check: bool = True) -> str:
    """What git prints. It takes `folder` for a repository's top or for none at all, never for part of one above it."""
    environment = _without_git(os.environ) | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=check).stdout


def _without_git(given: Mapping[str, str]) -> dict[str, str]:
    """Without what git tells its hooks, whose repository is another one."""
    return {name: value for name, value in given.items() if not name.startswith("GIT_")}


if __name__ == "__main__":
    sys.exit(main())
