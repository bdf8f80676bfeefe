"""Conditions that tests await."""

import time
from collections.abc import Callable
from pathlib import Path

from membudget.engine.docker_engine import Engine

PATIENCE_S = 60


def until(condition: Callable[[], bool], what: str) -> None:
    """Await a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {PATIENCE_S} s"
        time.sleep(0.02)


def running_trials(engine: Engine) -> list[str]:
    """Ids of the measured containers that run."""
    filters = {"label": "membudget.role=trial", "status": "running"}
    return [str(container["Id"]) for container in engine.client.api.containers(filters=filters)]


def program_runs(words: str) -> bool:
    """Whether any process on this machine has this command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == words:
                return True
        except OSError:
            continue
    return False
