"""tools/in_turns.py: each test runs once, whoever takes its module."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import in_turns

_TESTS = Path(__file__).parents[1]
_TOOL = _TESTS.parents[1] / "tools/in_turns.py"
_CONFTEST = """\
import os, pathlib, pytest
@pytest.fixture(scope="session")
def kept():
    return open(f"process-{os.getpid()}", "x")
"""
_MODULE = """\
def test_one(kept):
    open("{name}-one", "x")
def test_other(kept):
    open("{name}-other", "x")
    assert "{name}" != "{failing}"
"""


def test_each_module_is_there_once() -> None:
    found = in_turns.modules_in([str(_TESTS / "core"), __file__, str(_TESTS)])

    assert sorted(found) == sorted(map(str, _TESTS.rglob("test_*.py")))
    sizes = [Path(module).stat().st_size for module in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.thorough
@pytest.mark.parametrize(("failing", "code"), [("none", 0), ("m0", 1), ("m7", 1)])
def test_each_test_runs_once_and_one_that_fails_decides(failing: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    names = [f"m{number}" for number in range(8)]
    for name in names:
        (tmp_path / f"test_{name}.py").write_text(_MODULE.format(name=name, failing=failing))

    done = _run(tmp_path, "--", str(tmp_path))

    assert done.returncode == code, done.stdout + done.stderr
    left = {path.name for path in tmp_path.iterdir() if path.suffix == "" and path.is_file()}
    processes = {name for name in left if name.startswith("process-")}
    assert left - processes == {f"{name}-{test}" for name in names for test in ("one", "other")}
    assert 1 <= len(processes) <= (os.cpu_count() or 1)


@pytest.mark.thorough
def test_a_module_that_cannot_be_imported_is_an_error_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("import no_such_module\n")
    (tmp_path / "test_fine.py").write_text("def test_one():\n    open('ran', 'x')\n")

    done = _run(tmp_path, "--", str(tmp_path))

    assert done.returncode == 1
    assert "no_such_module" in done.stdout
    assert (tmp_path / "ran").exists()


@pytest.mark.thorough
def test_nothing_chosen_is_nothing_tested(tmp_path: Path) -> None:
    (tmp_path / "test_fine.py").write_text("def test_one(): pass\n")

    assert _run(tmp_path, "-k", "two", "--", str(tmp_path)).returncode == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.thorough
def test_no_folder_of_temporary_files_is_shared_with_other_runs(tmp_path: Path) -> None:
    """pytest's own one is: of two runs that end at once, one fails, since the other removes links that it wants to."""
    (tmp_path / "test_fine.py").write_text("def test_one(tmp_path): open('seen', 'x').write(str(tmp_path))\n")

    done = _run(tmp_path, "--", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    seen = Path((tmp_path / "seen").read_text())
    assert not any(parent.name.startswith("pytest-of-") for parent in seen.parents if parent not in tmp_path.parents)
    assert not seen.exists(), "it was left behind"


@pytest.fixture
def no_folder_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)


@pytest.mark.usefixtures("no_folder_named")
@pytest.mark.parametrize(
    ("free_blocks", "available_kib", "flags", "usable"),
    [
        (8 << 18, 16 << 20, 0, True),
        (8 << 18, 16 << 20, os.ST_NOEXEC, False),
        (1 << 18, 16 << 20, 0, False),
        (8 << 18, 4 << 20, 0, False),
    ],
    ids=["room", "no programs", "a small folder", "little memory"],
)
def test_files_lie_in_memory_where_there_is_room(
    free_blocks: int,
    available_kib: int,
    flags: int,
    usable: bool,
    tmp_path: Path,
) -> None:
    known = os.statvfs(tmp_path)
    fields = [*known[: os.statvfs_result.n_sequence_fields]]
    fields[1], fields[4], fields[8] = 4096, free_blocks, flags  # f_frsize, f_bavail, f_flag
    memory = tmp_path / "meminfo"
    memory.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {available_kib} kB\n")

    found = in_turns.in_memory(str(tmp_path), memory, lambda _: os.statvfs_result(fields))

    assert found == (str(tmp_path) if usable else None)


def test_a_folder_that_somebody_names_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    assert in_turns.in_memory() is None


def test_no_shared_memory_is_the_usual_folder(tmp_path: Path) -> None:
    assert in_turns.in_memory(str(tmp_path / "none"), tmp_path / "none") is None


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, str(_TOOL), "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
