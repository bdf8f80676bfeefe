"""Conditions that tests await."""

import time
from collections.abc import Callable
from pathlib import Path

from membudget.engine.connection import RUN_LABEL, Engine
from membudget.engine.run_id import RunId

PATIENCE_S = 240


def until(condition: Callable[[], bool], what: str) -> None:
    """Await a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {PATIENCE_S} s"
        time.sleep(0.02)


def running_trials(engine: Engine, owner_pid: int | None = None) -> list[str]:
    """Ids of the measured containers that run; of one membudget process, where its pid is given."""
    filters = {"label": "membudget.role=trial", "status": "running"}
    found = engine.client.api.containers(filters=filters)
    return [str(one["Id"]) for one in found if owner_pid in (None, _owner_pid(one["Labels"].get(RUN_LABEL, "")))]


def _owner_pid(label: str) -> int | None:
    run = RunId.parse(label)
    return run.owner.pid if run is not None else None


def program_runs(words: str) -> bool:
    """Whether any process on this machine has this command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == words:
                return True
        except OSError:
            continue
    return False
