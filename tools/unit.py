"""Runs the quick unit tests, in one process for each CPU.

    python tools/unit.py [PYTEST OPTIONS...]

`make unit` runs it.
"""

import os
import sys

import in_turns

_QUICK = ("-m", "not thorough", "--hypothesis-profile=quick")


def main() -> int:
    """Run them; pytest's exit code of the first process that failed."""
    return in_turns.run([*_QUICK, *sys.argv[1:]], in_turns.modules_in(["tests/unit"]), os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())
