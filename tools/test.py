"""Runs every test, with everything that tests need: base images, membudget's own image, and a browser.

    python tools/test.py [PYTEST ARGUMENTS...]

Run by `make test`, with an engine at hand. Nothing is skipped for want of a machine or a program: that fails. The
emulated cgroup v2 machine is the exception, for its tool cannot be installed (tools/cgroup2_vm.py): where it is
missing, its tests are left out, and the first and the last line say so. MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves them out
where it is there.
"""

import os
import sys

import pytest

import base_image
import browser
import cgroup2_vm
import debian
import own_image
from membudget.version import VERSION


def main() -> int:
    """Provide, then test; pytest's exit code."""
    left_out = cgroup2_vm.why_left_out()
    if left_out is not None:
        os.environ["MEMBUDGET_WITHOUT_CGROUP2_VM"] = "1"
    _say(left_out)
    browser.provide()
    for suite in ("bookworm", "trixie"):
        base_image.provide(suite)
    own_image.build(f"membudget:{VERSION}")
    debian.say("pytest")
    os.environ["MEMBUDGET_TEST_ALL"] = "1"
    code = int(pytest.main(sys.argv[1:]))
    _say(left_out)
    return code


def _say(left_out: str | None) -> None:
    if left_out is not None:
        debian.say(f"NOT TESTED: cgroup v2, for which an emulated machine is used: {left_out}")


if __name__ == "__main__":
    sys.exit(main())
