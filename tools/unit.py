"""Runs the quick unit tests, in one process for each CPU. Each has its share of the test modules.

    python tools/unit.py [PYTEST ARGUMENTS...]

`make unit` runs it. pytest-xdist takes more CPU time for it: there, each process imports all modules, and
sends each test's result to another process. That pays for long tests, and these take two milliseconds.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from beside import in_background

_QUICK = ("-p", "no:xdist", "-m", "not thorough", "--hypothesis-profile=quick")
_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


def main() -> int:
    """Run all shares; pytest's exit code of the first that failed."""
    arguments = [*_QUICK, *sys.argv[1:]]
    first, *others = shares(Path("tests/unit"), os.cpu_count() or 1)
    with ExitStack() as stack:
        beside = [stack.enter_context(in_background("-p", "no:cacheprovider", *arguments, *share)) for share in others]
        codes = [int(pytest.main([*arguments, *first])), *(ended() for ended in beside)]
    ran = [code for code in codes if code != _NO_TESTS]  # a -k may choose nothing of a share
    return next((code for code in ran if code), 0) if ran else _NO_TESTS


def shares(folder: Path, count: int) -> list[list[str]]:
    """The test modules below a folder in `count` shares that take about as long: their sizes add up to the same."""
    found: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for module in sorted(folder.rglob("test_*.py"), key=lambda path: (-path.stat().st_size, path)):
        least = sizes.index(min(sizes))
        found[least].append(str(module))
        sizes[least] += module.stat().st_size
    return [sorted(share) for share in found]


if __name__ == "__main__":
    sys.exit(main())
