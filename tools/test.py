"""Runs every test, with everything that tests need: base images, membudget's own image, and a browser.

    python tools/test.py [PYTEST ARGUMENTS...]

`make test` runs it, with an engine at hand. Without arguments, every test file goes to the next free process, one more
than there are CPUs, and the emulated cgroup v2 machine works beside them.

Nothing is skipped for want of a machine or a program: that fails. The emulated machine is the exception, for its tool
cannot be installed (tools/cgroup2_vm.py): where it is missing, its tests are left out, and the first and the last line
say so. MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves them out where it is there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import base_image
import browser
import cgroup2_vm
import debian
import own_image
from membudget.version import VERSION

_OF_THE_MACHINE = "tests/e2e/test_cgroup2_vm.py"
_SIDE_BY_SIDE = ("--dist", "loadfile", "--no-loadscope-reorder", "--ignore", _OF_THE_MACHINE)
"""In the order of tests/conftest.py: the longest files first."""


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
    code = int(pytest.main(sys.argv[1:])) if sys.argv[1:] else _every_test(with_machine=left_out is None)
    _say(left_out)
    return code


def _every_test(*, with_machine: bool) -> int:
    processes = ["-n", str((os.cpu_count() or 1) + 1)]  # most tests wait most of the time
    if not with_machine:
        return int(pytest.main([*processes, *_SIDE_BY_SIDE]))
    with _in_background("-m", "pytest", _OF_THE_MACHINE) as machine:
        code = int(pytest.main([*processes, *_SIDE_BY_SIDE]))
        return machine() or code


@contextmanager
def _in_background(*command: str) -> Iterator[Callable[[], int]]:
    """Run Python beside us. The function waits for its end, prints what it said, and returns its exit code."""
    with tempfile.NamedTemporaryFile("w+", prefix="cgroup2-machine-", suffix=".txt") as said:
        process = subprocess.Popen([sys.executable, *command], stdout=said, stderr=subprocess.STDOUT)

        def ended() -> int:
            code = process.wait()
            print(Path(said.name).read_text(errors="replace"), end="", flush=True)
            return code

        try:
            yield ended
        finally:
            process.terminate()
            process.wait()


def _say(left_out: str | None) -> None:
    if left_out is not None:
        debian.say(f"NOT TESTED: cgroup v2, for which an emulated machine is used: {left_out}")


if __name__ == "__main__":
    sys.exit(main())
