"""Runs every test, with everything that tests need: base images, membudget's own image, and a browser.

    python tools/test.py [PYTEST ARGUMENTS...]

`make test` runs it, with an engine at hand. Without arguments, several runs of pytest go on side by side:

- the tests on the engine, one after another, for a run of membudget removes what a killed one left;
- the soak, most integration tests and attacks, on four more engines, where such can be started;
- the tests that need no engine, in one process for each CPU, with what the others leave of the CPUs. They begin while
  the images are made.

Meanwhile membudget's own image is built. Tests that need it wait for it: they build it themselves, one at a time.

What takes minutes of CPU time and seldom breaks alone is a run of its own: the emulated cgroup v2 machine
(`make test-cgroup2`), a whole release (`make test-release`), and all commands and workflows that the documentation
shows (`make test-documentation`).

Nothing is skipped for want of a machine or a program: that fails. There are two exceptions, for what cannot be
installed, and the first and the last line say so: the emulated machine's tool (tools/cgroup2_vm.py), and a kernel that
runs programs of arm64 by an emulator, which the release of an image needs. MEMBUDGET_WITHOUT_CGROUP2_VM=1 leaves the
machine's tests out where its tool is there.
"""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import base_image
import browser
import cgroup2_vm
import debian
import emulation
import own_image
import processes
import second_engine
from beside import in_background
from membudget.version import VERSION

_OF_THE_MACHINE = "tests/e2e/test_cgroup2_vm.py"
_OF_THE_RELEASE = "tests/release/test_released_image.py"
_WITHOUT_ENGINE = (
    "tests/unit", "tests/rendering", "tests/prometheus", "tests/extension", "tests/browser", "tests/release/steps",
    "tests/e2e/test_pre_commit_hook.py",
)  # fmt: skip
_OF_THE_DOCUMENTATION = ("tests/e2e/test_documented_workflows.py", "tests/e2e/test_documented_commands.py")
_LONGEST_ON_OTHER_ENGINES = ("tests/soak/test_soak.py",)
_ON_OTHER_ENGINES = ("tests/integration", "tests/attacks")
_OTHER_ENGINES = 4
"""Tests on an engine wait for much of their time."""
_WITH_A_WAY_OUT = ("test_containerd_store.py", "test_init.py", "test_production_examples.py")
"""Those of the former that are left to the first engine: their images install programs."""

_FIRST = "integration"
"""The folder of tests that need no image of membudget: on the first engine, they come first, while it is built."""
_IN_TURNS = ("tools/in_turns.py",)
_BUILD_OWN_IMAGE = (sys.executable, "tools/own_image.py")

_AFTER_THE_FIRST, _AFTER_ALL = ("nice", "-n", "5"), ("nice", "-n", "10")
"""The first engine's tests cannot be shared out, and take longest. The other engines wait with their tests for them."""


def main() -> int:
    """Provide, then test; pytest's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs beside us ends with us
    asked = sys.argv[1:]
    left_out = cgroup2_vm.why_left_out() if asked else "make test-cgroup2 runs its tests"
    if left_out is not None:
        os.environ["MEMBUDGET_WITHOUT_CGROUP2_VM"] = "1"
    _say(left_out)
    if _OF_THE_RELEASE in asked and (missing := emulation.why_none("arm64")) is not None:
        debian.say(f"NOT TESTED: the release of an image: {missing}")
        return 0
    browser.provide()
    os.environ["MEMBUDGET_TEST_ALL"] = "1"
    code = _tests(asked) if asked else _every_test()
    _say(left_out)
    return code


def _tests(asked: list[str]) -> int:
    _provide_base_images()
    own_image.build(f"membudget:{VERSION}")
    debian.say("pytest")
    return int(pytest.main(asked))


def _provide_base_images() -> None:
    for suite in ("bookworm", "trixie"):
        base_image.provide(suite)


def _every_test() -> int:
    """The exit code of the first run that failed; 0 where none did."""
    os.environ["MEMBUDGET_TEST_ATTACKS"] = "sample"
    elsewhere = [*_WITHOUT_ENGINE, _OF_THE_MACHINE, _OF_THE_RELEASE, *_OF_THE_DOCUMENTATION]
    with ExitStack() as stack:
        debian.say("pytest")
        alone = in_background("--", *_WITHOUT_ENGINE, program=_IN_TURNS, before=_AFTER_ALL)
        beside = [stack.enter_context(alone)]
        with ThreadPoolExecutor() as threads:
            others = [second_engine.opened(_AFTER_THE_FIRST) for _ in range(_count_of_others())]
            opening = [threads.submit(stack.enter_context, one) for one in others]
            _provide_base_images()
        stack.callback(processes.end_group, subprocess.Popen(_BUILD_OWN_IMAGE, start_new_session=True))
        if environs := [opened.result() for opened in opening]:
            there = [*_LONGEST_ON_OTHER_ENGINES, *_on_other_engines()]
            options = ("-n", str(_OTHER_ENGINES), "--dist", "loadfile", "--no-loadscope-reorder")
            shared = second_engine.shared_out(environs)
            beside.append(stack.enter_context(in_background(*options, *there, environ=shared, before=_AFTER_THE_FIRST)))
            elsewhere += there
        here = [*(f"--ignore={path}" for path in elsewhere), *_folders(elsewhere)]
        codes = [int(pytest.main(here)), *(ended() for ended in beside)]
    return next((code for code in codes if code != 0), 0)


def _count_of_others() -> int:
    return _OTHER_ENGINES if (os.cpu_count() or 1) > 1 and second_engine.why_none() is None else 0


def _folders(elsewhere: list[str]) -> list[str]:
    """Those of tests that are not as a whole elsewhere, in the order in which the first engine has them.

    pytest would take a folder that it is given, though it is to ignore it.
    """
    folders = sorted(filter(Path.is_dir, Path("tests").iterdir()), key=lambda path: (path.name != _FIRST, path))
    return [str(path) for path in folders if str(path) not in elsewhere]


def _on_other_engines() -> list[str]:
    """The files whose tests need no way out, long ones first: the engines take file after file, and end together."""
    folders = [
        sorted(Path(folder).glob("test_*.py"), key=lambda path: -path.stat().st_size) for folder in _ON_OTHER_ENGINES
    ]
    return [str(path) for paths in folders for path in paths if path.name not in _WITH_A_WAY_OUT]


def _say(left_out: str | None) -> None:
    if left_out is not None:
        debian.say(f"NOT TESTED: cgroup v2, for which an emulated machine is used: {left_out}")


if __name__ == "__main__":
    sys.exit(main())
