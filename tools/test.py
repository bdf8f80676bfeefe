"""Runs every test, with everything that tests need: base images, membudget's own image, and a browser.

    python tools/test.py [PYTEST ARGUMENTS...]

`make test` runs it, with an engine at hand. Without arguments, several runs of pytest go on side by side:

- the tests on the engine, one after another, for a run of membudget removes what a killed one left;
- most integration tests, on a second engine, where one can be started;
- the tests that need no engine, in one process for each CPU.

The emulated cgroup v2 machine takes a quarter of an hour of CPU time. Its tests are a run of their own:
`make test-cgroup2`.

Nothing is skipped for want of a machine or a program: that fails. The emulated machine is the exception, for its tool
cannot be installed (tools/cgroup2_vm.py): where it is missing, its tests are left out, and the first and the last line
say so. MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves them out where it is there.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import base_image
import browser
import cgroup2_vm
import debian
import own_image
import second_engine
from membudget.version import VERSION

_OF_THE_MACHINE = "tests/e2e/test_cgroup2_vm.py"
_OF_THE_RELEASE = "tests/release/test_released_image.py"
_WITHOUT_ENGINE = ("tests/unit", "tests/extension", "tests/browser", "tests/release/steps")
_ON_SECOND_ENGINE = "tests/integration"
_WITH_A_WAY_OUT = ("test_containerd_store.py", "test_init.py", "test_networks.py", "test_production_examples.py")
"""Those of the former that are left to the first engine: they reach the machine's network, or install programs."""


def main() -> int:
    """Provide, then test; pytest's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs beside us ends with us
    asked = sys.argv[1:]
    left_out = cgroup2_vm.why_left_out() if asked else "make test-cgroup2 runs its tests"
    if left_out is not None:
        os.environ["MEMBUDGET_WITHOUT_CGROUP2_VM"] = "1"
    _say(left_out)
    browser.provide()
    for suite in ("bookworm", "trixie"):
        base_image.provide(suite)
    own_image.build(f"membudget:{VERSION}")
    debian.say("pytest")
    os.environ["MEMBUDGET_TEST_ALL"] = "1"
    code = int(pytest.main(asked)) if asked else _every_test()
    _say(left_out)
    return code


def _every_test() -> int:
    """The exit code of the first run that failed; 0 where none did."""
    elsewhere = [*_WITHOUT_ENGINE, _OF_THE_MACHINE, _OF_THE_RELEASE]
    with ExitStack() as stack:
        beside = [stack.enter_context(_in_background("-n", str(os.cpu_count() or 1), *_WITHOUT_ENGINE))]
        if (os.cpu_count() or 1) > 1 and second_engine.why_none() is None:
            environ = stack.enter_context(second_engine.opened())
            tests = sorted(Path(_ON_SECOND_ENGINE).glob("test_*.py"))
            there = [str(path) for path in tests if path.name not in _WITH_A_WAY_OUT]
            beside.append(stack.enter_context(_in_background(*there, environ=environ)))
            elsewhere += there
        here = [*(f"--ignore={path}" for path in elsewhere), "tests"]
        codes = [int(pytest.main(here)), *(ended() for ended in beside)]
    return next((code for code in codes if code != 0), 0)


@contextmanager
def _in_background(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Callable[[], int]]:
    """Run pytest beside us. The function waits for its end, prints what it said, and returns its exit code."""
    with tempfile.NamedTemporaryFile("w+", prefix="tests-beside-", suffix=".txt") as said:
        command = [sys.executable, "-m", "pytest", *arguments]
        process = subprocess.Popen(command, env=environ, stdout=said, stderr=subprocess.STDOUT)

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
