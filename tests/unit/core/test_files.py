"""What is no file, or too large, is refused at once: nothing waits for a writer, and nothing is read without end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.files import (
    DEFAULT_REPORT,
    NewFile,
    left_by_killed_runs,
    read_plain,
    remove_report,
    repository_top,
    write_all,
    write_text,
    write_whole,
)
from membudget.publish.report_file import read_report
from membudget.publish.servers.github_event import read_event

RUN = """
import re, sys
from pathlib import Path
from membudget.cli.main import main
print(int(main(sys.argv[1:])))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
READERS: dict[str, Callable[[Path], object]] = {
    "budgets": budgets_file.read,
    "report": read_report,
    "event": lambda path: read_event({"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "push"}),
}


def huge(folder: Path) -> Path:
    path = folder / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    return path


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


@pytest.mark.thorough
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [fifo, lambda _: Path("/dev/zero"), lambda folder: folder, huge])
def test_what_cannot_be_read_whole_is_a_clear_error(tmp_path: Path, make: Callable[[Path], Path], reader: str) -> None:
    path = make(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)


def test_no_more_is_read_than_a_file_may_have(tmp_path: Path) -> None:
    assert len(read_plain(huge(tmp_path), 1000)) == 1001
    (tmp_path / "small").write_bytes(b"abc")
    assert read_plain(tmp_path / "small", 3) == b"abc"


@pytest.mark.thorough
def test_a_budgets_file_of_a_gigabyte_costs_no_memory(tmp_path: Path) -> None:
    path = huge(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "plan", "--shards", "2", "--budgets", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"{path}: the budgets file is too large\n  fix: use a file of 1,000,000 bytes or fewer" in done.stderr
    code, peak_kib = map(int, done.stdout.split())
    assert code == 2
    assert peak_kib >> 10 < 150


def test_a_file_is_written_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a/b/file", b"first")
    write_whole(tmp_path / "a/b/file", b"second")
    assert (tmp_path / "a/b/file").read_bytes() == b"second"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["file"]


@pytest.mark.thorough
def test_a_file_that_cannot_be_written_whole_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom membudget.core.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_whole(Path(sys.argv[1]), bytes(5000))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def new_files(folder: Path, *, overwrites: bool = False) -> list[NewFile]:
    return [
        NewFile(folder / "one", "one", b"new one", overwrites=overwrites),
        NewFile(folder / "a/b/two", "two", bytes(5000), overwrites=overwrites),
    ]


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_several_files_are_written_together(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"old")
    write_all(new_files(tmp_path, overwrites=True))
    assert everything(tmp_path) == {"one": b"new one", "a": None, "a/b": None, "a/b/two": bytes(5000)}
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("overwrites", [False, True])
def test_a_second_file_that_cannot_be_placed_leaves_everything_as_it_was(tmp_path: Path, overwrites: bool) -> None:
    if overwrites:
        (tmp_path / "one").write_bytes(b"old")
    (tmp_path / "a/b/two").mkdir(parents=True)
    before = everything(tmp_path)
    with pytest.raises(EnvironmentFault) as error:
        write_all(new_files(tmp_path, overwrites=overwrites))
    assert error.value.where == "two"
    assert everything(tmp_path) == before


@pytest.mark.thorough
@pytest.mark.parametrize("overwrites", [False, True])
def test_a_full_disk_at_the_second_file_leaves_everything_as_it_was(tmp_path: Path, overwrites: bool) -> None:
    if overwrites:
        (tmp_path / "one").write_bytes(b"old")
    before = everything(tmp_path)
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom membudget.core.files import write_all\n"
        "from tests.unit.core.test_files import new_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"write_all(new_files(Path(sys.argv[1]), overwrites={overwrites}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "two: it cannot be written: File too large" in done.stderr
    assert everything(tmp_path) == before


def test_a_signal_while_files_are_placed_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").write_bytes(b"old")
    before, replace = everything(tmp_path), Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        if target.name == "two":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_all(new_files(tmp_path, overwrites=True))
    assert everything(tmp_path) == before


@pytest.mark.thorough
def test_what_a_killed_run_left_is_found(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom membudget.core.files import write_all\n"
        "from tests.unit.core.test_files import new_files\n"
        "Path.replace = lambda path, target: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_all(new_files(Path(sys.argv[1]), overwrites=True))\n"
    )
    (tmp_path / "one").write_bytes(b"old")
    (tmp_path / ".one.txt").write_bytes(b"mine")
    (tmp_path / ".one.mine").write_bytes(b"mine")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = left_by_killed_runs(tmp_path / "one")
    assert left.read_bytes() == b"new one"
    assert len(left_by_killed_runs(tmp_path / "a/b/two")) == 1
    assert left_by_killed_runs(tmp_path / "missing/three") == []


def test_the_own_folder_ignores_itself_once(tmp_path: Path) -> None:
    report = tmp_path / DEFAULT_REPORT
    write_text("one", report, "the report")
    ignore = report.parent / ".gitignore"
    assert ignore.read_text().splitlines()[-1] == "*"
    ignore.write_text("!report.json\n")
    write_text("two", report, "the report")
    assert (report.read_text(), ignore.read_text()) == ("two", "!report.json\n"), "what the user writes stays"


def test_no_other_folder_gets_an_ignore_file(tmp_path: Path) -> None:
    write_text("one", tmp_path / "out/report.json", "the report")
    assert [found.name for found in (tmp_path / "out").iterdir()] == ["report.json"]


def test_a_link_as_the_own_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/report.json").write_text("kept")
    (tmp_path / ".membudget").symlink_to("elsewhere")
    with pytest.raises(EnvironmentFault, match=r"cannot be written: .*\.membudget is a link"):
        write_text("one", Path(DEFAULT_REPORT), "the report")
    with pytest.raises(EnvironmentFault, match=r"cannot be removed: .*\.membudget is a link"):
        remove_report(Path(DEFAULT_REPORT))
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*\.membudget is a link"):
        read_report(Path(DEFAULT_REPORT))
    assert [found.name for found in (tmp_path / "elsewhere").iterdir()] == ["report.json"]
    assert (tmp_path / "elsewhere/report.json").read_text() == "kept"


@pytest.mark.parametrize("report", ["out/report.json", "out/deep/report.json", "sub/../out/report.json", "here/deep/r"])
@pytest.mark.parametrize("below", ["", "sub"])
def test_no_link_of_the_working_tree_is_followed_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: str, below: str
) -> None:
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    for folder in (tree / ".git", tree / "sub/sub", tree / "here", elsewhere / "deep"):
        folder.mkdir(parents=True)
    for folder in (tree, tree / "sub"):
        (folder / "out").symlink_to(elsewhere)
    (tree / "here/deep").symlink_to(elsewhere)
    (tree / "sub/here").symlink_to(tree / "here")
    monkeypatch.chdir(tree / below)
    for path in (Path(report), Path.cwd() / report):
        with pytest.raises(EnvironmentFault, match="is a link in the working tree"):
            write_text("one", path, "the report")
        with pytest.raises(ConfigurationError, match="is a link in the working tree"):
            read_report(path)
    assert [found.name for found in elsewhere.rglob("*")] == ["deep"]


def test_links_outside_of_the_working_tree_are_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, disk = tmp_path / "tree", tmp_path / "disk"
    for folder in (tree / ".git", tree / "out", disk):
        folder.mkdir(parents=True)
    (tmp_path / "reports").symlink_to(disk)
    (tmp_path / "shortcut").symlink_to(tree)
    monkeypatch.chdir(tree)
    for path in (tmp_path / "reports/one.json", Path("../reports/two.json"), tmp_path / "shortcut/out/three.json"):
        write_text("one", path, "the report")
    assert sorted(found.name for found in tmp_path.rglob("*.json")) == ["one.json", "three.json", "two.json"]


def test_links_below_a_folder_without_a_repository_are_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "reports").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    write_text("one", Path("reports/one.json"), "the report")
    assert (tmp_path / "disk/one.json").read_text() == "one"


def test_a_report_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept").write_text("kept")
    Path("report.json").symlink_to("kept")
    write_text("one", Path("report.json"), "the report")
    assert (Path("report.json").read_text(), Path("kept").read_text()) == ("one", "kept")


@pytest.mark.parametrize("content", ["", "{}", ' \n\t{"schema_version": 9}', " " * 2_000_000 + "{}"])
def test_the_report_of_an_earlier_check_is_removed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    remove_report(path)  # there is none
    path.write_text(content)
    remove_report(path)
    assert not path.exists()


def test_a_link_in_place_of_a_report_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "report.json").symlink_to("kept")
    remove_report(tmp_path / "report.json")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("kept", "kept")]


@pytest.mark.parametrize("content", ["version = 1\n", "[]", "\ufeff{}"])
def test_a_file_that_is_no_report_is_not_removed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="this file is not a report"):
        remove_report(path)
    assert path.read_text() == content


def test_a_device_in_place_of_a_report_is_not_removed() -> None:
    remove_report(Path(os.devnull))
    assert Path(os.devnull).exists()


def test_the_top_of_the_repository_is_where_git_is(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert repository_top(tmp_path / "a/b") == (tmp_path / "a/b").resolve(), "without a repository"
    (tmp_path / "a/.git").write_text("gitdir: elsewhere\n")
    assert repository_top(tmp_path / "a/b") == (tmp_path / "a").resolve()
