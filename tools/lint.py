"""Runs every linter, also when one finds something, and says in the end which did. Run by `make lint`.

The workflows that the documentation shows are linted like the project's own: they are there to be pasted.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import debian
from documented_workflows import workflows_of

_TOP = Path(__file__).resolve().parent.parent
_PROGRAMS = Path(sys.executable).parent


def main() -> int:
    """Run them all; 1 when one found something."""
    with tempfile.TemporaryDirectory(prefix="membudget-lint-") as folder:
        failed = [gate for gate, command in gates(Path(folder)) if not passes(gate, command)]
    print(f"FAILED: {', '.join(failed)}" if failed else "every linter is content", flush=True)
    return 1 if failed else 0


def gates(scratch: Path) -> Iterator[tuple[str, list[str]]]:
    """Each linter's name and its command. Which files they read is in their own configuration, where they have one."""
    own = [str(file.relative_to(_TOP)) for file in sorted(_TOP.glob(".github/workflows/*.yml"))]
    shown = [str(one.write_to(scratch)) for one in workflows_of(_TOP, tracked())]
    yield "ruff check", ["ruff", "check", "--quiet"]
    yield "ruff format", ["ruff", "format", "--check", "--quiet", "--diff"]
    yield "mypy", ["mypy"]
    yield "import-linter", ["lint-imports", "--no-logo"]
    yield "actionlint", ["actionlint", *own, *shown]
    yield "schema of workflows", ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *own, *shown]
    yield "schema of actions", ["check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
    yield "zizmor", ["zizmor", "--offline", "--strict-collection", "--quiet", "--pedantic", "action.yml", *own]
    yield "zizmor of the documentation", ["zizmor", "--offline", "--strict-collection", "--quiet", *shown]
    yield "hadolint", ["hadolint", *(name for name in tracked() if Path(name).name.startswith("Dockerfile"))]


def passes(gate: str, command: list[str]) -> bool:
    """Whether a linter finds nothing; what it finds, it prints."""
    debian.say(f"{gate}: {' '.join(command)}")
    program, *arguments = command
    return subprocess.run([_PROGRAMS / program, *arguments], cwd=_TOP, check=False).returncode == 0


def tracked() -> list[str]:
    """Every file that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=_TOP, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (_TOP / name).is_file()]


if __name__ == "__main__":
    sys.exit(main())
