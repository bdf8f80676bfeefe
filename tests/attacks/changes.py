"""Changes of a repository, each in a line: what one of the two commits does."""

import shutil
from collections.abc import Callable, Mapping

from tests.support.repository import Repository

Change = Callable[[Repository], None]

BUDGETS = """\
version = 1

[defaults]
limit = "128MiB"
trials = 1
settle = "0s"
timeout = "30s"

[defaults.budgets]
peak_rss = { max = "40MiB" }

[images.api]
build = { context = "api" }
"""
"""Of the base, where a case says nothing else. What is added at its end belongs to the image."""


def holding(mib: int, more: str = "") -> str:
    """A Dockerfile whose image holds so many MiB."""
    return f'FROM membudget-test/truth\nCMD ["{mib}", "0", "100", "1", "0"]\n{more}'


def obeying(*condition: str, more: str = "", few: int = 20) -> str:
    """A Dockerfile whose image holds few MiB under a condition (obedient.c), and 90 otherwise."""
    words = ", ".join(f'"{word}"' for word in ("90", str(few), "100", *condition))
    return f"FROM membudget-test/obedient\n{more}CMD [{words}]\n"


def image(name: str, context: str | None = None, more: str = "") -> str:
    """Another image of the budgets file."""
    return f'\n[images.{name}]\nbuild = {{ context = "{context or name}" }}\n{more}'


def write(files: Mapping[str, str]) -> Change:
    """Write files by path."""
    return lambda repository: repository.write(dict(files))


def write_bytes(path: str, data: bytes) -> Change:
    """Write a file that may be no text."""

    def change(repository: Repository) -> None:
        (repository.folder / path).write_bytes(data)

    return change


def edit(old: str, new: str, path: str = "budgets.toml") -> Change:
    """Replace text that is there."""

    def change(repository: Repository) -> None:
        text = (repository.folder / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        repository.write({path: text.replace(old, new)})

    return change


def more(text: str, path: str = "budgets.toml") -> Change:
    """Add text at the end."""
    return lambda repository: repository.write({path: f"{(repository.folder / path).read_text()}{text}\n"})


def remove(*paths: str) -> Change:
    """Remove files and folders."""

    def change(repository: Repository) -> None:
        for path in paths:
            target = repository.folder / path
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink()

    return change


def move(old: str, new: str) -> Change:
    """Move a file or folder."""

    def change(repository: Repository) -> None:
        target = repository.folder / new
        target.parent.mkdir(parents=True, exist_ok=True)
        (repository.folder / old).rename(target)

    return change


def link(path: str, target: str) -> Change:
    """A symbolic link, in the place of a file or link if there is one."""

    def change(repository: Repository) -> None:
        link = repository.folder / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    return change


def submodule(path: str, files: Mapping[str, str]) -> Change:
    """Another commit of a submodule, checked out."""

    def change(repository: Repository) -> None:
        module = Repository(repository.folder / path)
        if not (module.folder / ".git").exists():
            module.folder.mkdir(parents=True, exist_ok=True)
            module.git("init", "--quiet", "--initial-branch=main")
            settings = f'[submodule "{path}"]\n\tpath = {path}\n\turl = ./elsewhere\n'
            repository.write({".gitmodules": settings})
        module.commit("The submodule's own", dict(files))

    return change


SERVING = 'FROM membudget-test/obedient\n{more}CMD ["1", "1", "60000", "root"]\n'
"""A service: it holds 1 MiB, and waits for commands."""
WORK = '["/obedient", "90", "20", "100", "exists", "/small"]'
"""A command inside of it: 20 MiB where the image has the file /small, else 90."""
SERVICE = write({"api/Dockerfile": SERVING.format(more="COPY small /small\n"), "api/small": "small\n"})
LARGER_SERVICE = write({"api/Dockerfile": SERVING.format(more="")})

LARGER = write({"api/Dockerfile": holding(90)})
"""Breaks the base's budget by far."""
