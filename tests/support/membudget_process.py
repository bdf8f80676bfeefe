"""membudget as its users run it: a process, its output, its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes
from tests.support import forked
from tests.support.started import started

_NOT_OURS = ("GITHUB_", "INPUT_", "MEMBUDGET_", "RUNNER_")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process left."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its standard output, as JSON."""
        return json.loads(self.stdout)


def start(
    *arguments: str, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `membudget ARGUMENTS`, its own process group, away from any workflow this test runs in.

    A check remembers nothing, unless `environ` says where: tests would measure what others left. It fetches nothing
    from a package index, unless `environ` lets it.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_OURS)}
    if arguments[:1] == ("check",) and "MEMBUDGET_CACHE_DIR" not in (environ or {}):
        arguments += ("--no-cache",)
    whole = {**inherited, "PIP_NO_INDEX": "1", **(environ or {})}
    if forked.is_possible(whole):
        return started(forked.Forked(arguments, folder, whole))
    return start_program(*arguments, folder=folder, environ=whole)


def start_program(*arguments: str, folder: Path | None, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    """The same by a program of its own, which imports membudget, with this environment and no other."""
    with processes.default_signals():
        return started(
            subprocess.Popen(
                [sys.executable, "-m", "membudget", *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )


def finish(process: subprocess.Popen[str], timeout_s: float = 240) -> Finished:
    """Wait until it ends; it is ended, with all that it started, when it takes longer than that."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        processes.end_group(process)
        raise
    return Finished(process.returncode, stdout, stderr)


def run(*arguments: str, folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Finished:
    """Run `membudget ARGUMENTS` to its end."""
    return finish(start(*arguments, folder=folder, environ=environ))
