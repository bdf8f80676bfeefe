"""Runs the action's `report` once for each event file that it is given, in one process; then says its peak of memory.

python -m tests.support.reporting_process EVENT...
"""

import os
import re
import sys
from pathlib import Path

from membudget.cli.main import main


def run(events: list[str], token: str) -> None:
    """One line an event on the standard output: its exit code."""
    for event in events:
        os.environ |= {"INPUT_COMMAND": "report", "INPUT_GITHUB-TOKEN": token, "GITHUB_EVENT_PATH": event}
        print(f"exit code {main(['action']):d}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1:], os.environ.pop("TOKEN"))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(f"peak {int(peak[1]) // 1024 if peak else -1} MiB")
