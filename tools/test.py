"""Runs every test, with everything that tests need: base images, membudget's own image, and a browser.

    python tools/test.py [PYTEST ARGUMENTS...]

Run by `make test`, with an engine at hand. Nothing is skipped for want of a machine or a program: that fails.
MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves out the emulated cgroup v2 machine, whose tool cannot be installed; see
tools/cgroup2_vm.py.
"""

import os
import sys

import pytest

import base_image
import browser
import debian
import own_image
from membudget.version import VERSION


def main() -> int:
    """Provide, then test; pytest's exit code."""
    browser.provide()
    for suite in ("bookworm", "trixie"):
        base_image.provide(suite)
    own_image.build(f"membudget:{VERSION}")
    debian.say("pytest")
    os.environ["MEMBUDGET_TEST_ALL"] = "1"
    return int(pytest.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
