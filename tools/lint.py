"""Runs every linter, also when one finds something, and says in the end which did. Run by `make lint`.

The workflows that the documentation shows are linted like the project's own: they are there to be pasted.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import debian

_TOP = Path(__file__).resolve().parent.parent
_PROGRAMS = Path(sys.executable).parent
_YAML_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Run them all; 1 when one found something."""
    with tempfile.TemporaryDirectory(prefix="membudget-lint-") as folder:
        failed = [gate for gate, command in gates(Path(folder)) if not passes(gate, command)]
    print(f"FAILED: {', '.join(failed)}" if failed else "every linter is content", flush=True)
    return 1 if failed else 0


def gates(scratch: Path) -> Iterator[tuple[str, list[str]]]:
    """Each linter's name and its command. Which files they read is in their own configuration, where they have one."""
    own = [str(file.relative_to(_TOP)) for file in sorted(_TOP.glob(".github/workflows/*.yml"))]
    shown = [*documented_workflows(scratch)]
    yield "ruff check", ["ruff", "check", "--quiet"]
    yield "ruff format", ["ruff", "format", "--check", "--quiet", "--diff"]
    yield "mypy", ["mypy"]
    yield "import-linter", ["lint-imports", "--no-logo"]
    yield "actionlint", ["actionlint", *own, *shown]
    yield "zizmor", ["zizmor", "--offline", "--strict-collection", "--quiet", "--pedantic", "action.yml", *own]
    if shown:
        config = "--config=tools/zizmor-documentation.yml"
        yield "zizmor of the documentation", ["zizmor", "--offline", "--strict-collection", "--quiet", config, *shown]
    yield "hadolint", ["hadolint", *(name for name in tracked() if Path(name).name.startswith("Dockerfile"))]


def passes(gate: str, command: list[str]) -> bool:
    """Whether a linter finds nothing; what it finds, it prints."""
    debian.say(f"{gate}: {' '.join(command)}")
    program, *arguments = command
    return subprocess.run([_PROGRAMS / program, *arguments], cwd=_TOP, check=False).returncode == 0


def documented_workflows(scratch: Path) -> Iterator[str]:
    """The workflows in the documentation, each as a file named after where it stands."""
    for name in tracked():
        if not name.endswith(".md"):
            continue
        text = (_TOP / name).read_text()
        for block in _YAML_BLOCK.finditer(text):
            if re.search(r"^jobs:", block[1], re.MULTILINE) is None:
                continue
            line = text.count("\n", 0, block.start()) + 2
            file = scratch / f"{name.replace('/', '-')}-line-{line}.yml"
            file.write_text(block[1])
            yield str(file)


def tracked() -> list[str]:
    """Every file that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=_TOP, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (_TOP / name).is_file()]


if __name__ == "__main__":
    sys.exit(main())
