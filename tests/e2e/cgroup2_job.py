"""What runs inside the cgroup v2 machine: measures, and leaves what it saw in /job/out. See test_cgroup2_vm.py.

Standard library only, and none of our modules: in there is only what the images bring.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

IN, OUT = Path(__file__).parent, Path("/job/out")
VENV = Path("/opt/membudget")  # where the image has it; the machine is of the same Debian release
TRUTH, TROUBLE, HELPER = "membudget-test/truth", "membudget-test/trouble", "membudget-test/helper"
SPIKE = ("20", "200", "1000", "1", "500")
SPIKES = ("20", "64", "500", "5", "1000")
CHILD_OVER_LIMIT = ("20", "100", "500", "1", "100", "child")
CHILD_SPIKES = ("10", "30", "300", "1", "0", "child")
READS_AGAIN = ("reread", "24", "5000")
OF_THE_PROBE = ("disk", "probe", "memory", "pressure", "self-test")
BUDGETS = """\
version = 1
[images.api]
limit = "128MiB"
trials = 1
budgets.peak_rss = { growth = { percent = 5, floor = "5MiB" } }
[images.service]
limit = "128MiB"
trials = 1
settle = "2s"
build = { dockerfile = "service.Dockerfile" }
workload = { kind = "exec", commands = [["/truth", "0", "40", "1000", "1", "500"]] }
"""


def main() -> None:
    """Every case, each with its output, errors and exit code in a file of its own."""
    told("docker", "load", "--input", str(IN / "images.tar"))
    container = told("docker", "create", HELPER)
    told("docker", "cp", f"{container}:{VENV}", str(VENV))
    told("docker", "rm", container)
    membudget = str(VENV / "bin/membudget")
    folder = repository()
    before = everything(folder)

    measure = (membudget, "measure", "--json", "--trials", "1")
    case("host-truth", *measure, TRUTH, "--", *SPIKE)
    case("host-oom", *measure, "--limit", "64MiB", TRUTH, "--", *CHILD_OVER_LIMIT)
    case("host-spikes", *measure, TRUTH, "--", *SPIKES)
    with group_kills():
        case("host-oom-group", *measure, "--limit", "64MiB", TRUTH, "--", *CHILD_OVER_LIMIT)
    fit = (membudget, "fit", "--format", "json", "--confirm", "1", "--no-cache")
    case("fit", *fit, "--only-survives", TRUTH, "--", *CHILD_SPIKES)
    with group_kills():
        case("fit-oom-group", *fit, "--only-survives", TRUTH, "--", *CHILD_SPIKES)
    case("fit-reclaim", *fit, "--only-survives", TROUBLE, "--", *READS_AGAIN)
    inside = ("docker", "run", "--rm", "--volume", "/var/run/docker.sock:/var/run/docker.sock", HELPER)
    case("action-oom", *inside, *measure[1:], "--limit", "64MiB", TRUTH, "--", *CHILD_OVER_LIMIT)
    case("doctor", membudget, "doctor", "--json", folder=folder)
    case("action-doctor", *inside, "doctor", "--json", *(f"--only={name}" for name in OF_THE_PROBE))
    case("check", membudget, "check", "--no-cache", folder=folder)
    shutil.copy(folder / ".membudget/report.json", OUT)

    (OUT / "before.json").write_text(json.dumps(before))
    (OUT / "after.json").write_text(json.dumps(everything(folder)))


def case(name: str, *command: str, folder: Path | None = None) -> None:
    """Run a command and keep all of it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    kept = {"exit_code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    (OUT / f"{name}.json").write_text(json.dumps(kept))


@contextmanager
def group_kills() -> Iterator[None]:
    """Set memory.oom.group, which no option of the engine's sets, in every container of membudget's that starts."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for scope in Path("/sys/fs/cgroup").glob("membudget_*.slice/*.slice/docker-*.scope/memory.oom.group"):
                with suppress(OSError):
                    scope.write_text("1")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def repository() -> Path:
    """A git repository whose head holds 10 MiB more than its base."""
    folder = Path("/tmp/repository")
    folder.mkdir()
    os.chdir(folder)
    told("git", "init", "--quiet", "--initial-branch=main")
    (folder / "budgets.toml").write_text(BUDGETS)
    (folder / "service.Dockerfile").write_text(f'FROM {TRUTH}\nCMD ["20", "0", "1", "1", "600000"]\n')
    for mib in (20, 30):
        (folder / "Dockerfile").write_text(f'FROM {TRUTH}\nCMD ["{mib}", "0", "500", "1", "0"]\n')
        told("git", "add", "--all")
        told("git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message", "x")
    return folder


def everything(repository: Path) -> dict[str, list[str]]:
    """All that may not stay behind."""
    image = "{{.Repository}}:{{.Tag}} {{.ID}}"
    return {
        "containers": told("docker", "ps", "--all", "--quiet").splitlines(),
        "images": sorted(told("docker", "images", "--all", "--format", image).splitlines()),
        "networks": sorted(told("docker", "network", "ls", "--quiet").splitlines()),
        "volumes": sorted(told("docker", "volume", "ls", "--quiet").splitlines()),
        "worktrees": told("git", "-C", str(repository), "worktree", "list").splitlines(),
        "cgroups": sorted(path.name for path in Path("/sys/fs/cgroup").rglob("*membudget*")),
        "slices": told("systemctl", "list-units", "--all", "--plain", "--no-legend", "membudget*").splitlines(),
        "temporary": sorted(path.name for path in Path("/tmp").glob("membudget*")),
    }


def told(*command: str) -> str:
    """What a command says."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
