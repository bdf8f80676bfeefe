"""Profiles of Python processes of this machine by memray, in this interpreter's version."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from membudget.measure.profiling.cpython import IN_PYTHON, capture, read
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.in_python import membudget_memray
from membudget.measure.profiling.interpreter import Interpreter, Libc
from tests.support.memray import memray_folder
from tests.support.python_processes import READY, SEARCH, python

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="memray and memfd are Linux's"),
]


@pytest.fixture
def modules(tmp_path: Path) -> str:
    """Our modules' folder with memray beside it, as in a container."""
    return beside(tmp_path, "-memray")


def beside(tmp_path: Path, suffix: str) -> str:
    folder = tmp_path / "own"
    shutil.copytree(IN_PYTHON, folder)
    found = memray_folder(Interpreter(sys.version_info.minor, Libc.GLIBC))
    Path(f"{folder}{suffix}").symlink_to(found, target_is_directory=True)
    return str(folder)


def profile(program: Path | str, path: str) -> HeapProfile:
    with python(program, path=path) as process:
        return read(capture(process, time.monotonic() + 60))


def ran(program: str, path: str, *arguments: str, most_files: int = 1024) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    limited = ["sh", "-c", f'ulimit -S -n {most_files}; exec "$@"', "sh", sys.executable, "-c", program, *arguments]
    return subprocess.run(limited, env=environ, capture_output=True, text=True, check=False)


def held_by(found: HeapProfile, name: str) -> int:
    innermost = ((found.frames[stack.frames[0]].name, stack.held_bytes) for stack in found.stacks)
    return sum(held for function, held in innermost if function == name)


def test_the_line_that_holds_the_most_is_first_with_its_function(tmp_path: Path, modules: str) -> None:
    service = tmp_path / "search.py"
    service.write_text(SEARCH + READY)
    found = profile(service, modules)
    assert found.profiled_by is ProfiledBy.MEMRAY
    first = found.stacks[0]
    frames = [found.frames[number] for number in first.frames]
    assert frames[:2] == [Frame("Index.build", str(service), 4), Frame("main", str(service), 8)]
    assert frames[-1] == Frame("<module>", str(service), 10)
    assert first.held_bytes == pytest.approx(2_000 * 4_033, rel=0.01)
    assert not any("own" in (frame.file or "") for frame in found.frames)


def test_small_objects_that_are_kept_count_where_they_are_made(modules: str) -> None:
    """Not where an arena of the allocator is taken, which objects do that are freed at once."""
    program = """
import json
cache = {}
def keep(number):
    cache[number] = [str(number * 1000 + one) for one in range(200)]
for number in range(400):
    json.loads(json.dumps([{"id": one, "tags": ["a" * 20, str(one)]} for one in range(100)]))
    keep(number)
"""
    found = profile(program + READY, modules)
    assert held_by(found, "keep") > 0.8 * found.held_bytes


def test_memory_that_extensions_take_counts(modules: str) -> None:
    program = "import sqlite3\ndef fill():\n    base = sqlite3.connect(':memory:')\n"
    program += "    base.execute('create table t (a)'); base.execute('insert into t values (zeroblob(8000000))')\n"
    found = profile(program + "    return base\nbase = fill()\n" + READY, modules)
    assert held_by(found, "fill") == pytest.approx(8_000_000, rel=0.1)


BURST = """
def burst():
    return [bytes(4000) for _ in range(5_000)]
burst()
def keep():
    return [bytes(4000) for _ in range(1_000)]
kept = keep()
"""


@pytest.mark.parametrize(("suffix", "of_burst", "of_keep"), [("-memray", 20_165_000, 0), ("-memray-now", 0, 4_033_000)])
def test_it_tells_the_peak_or_what_is_kept(tmp_path: Path, suffix: str, of_burst: int, of_keep: int) -> None:
    found = profile(BURST + READY, beside(tmp_path, suffix))
    assert held_by(found, "burst") == pytest.approx(of_burst, rel=0.02, abs=10_000)
    assert held_by(found, "keep") == pytest.approx(of_keep, rel=0.02, abs=10_000)


def test_a_forked_process_answers_for_itself(modules: str) -> None:
    program = """
import os, signal
def parent():
    return [bytes(4000) for _ in range(2_000)]
def child():
    return [bytes(4000) for _ in range(1_000)]
kept = parent()
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    own = child()
    os.kill(os.getpid(), signal.SIGRTMAX - 1)
    for file in os.listdir("/proc/self/fd"):
        try:
            if "membudget-profile" in os.readlink("/proc/self/fd/" + file):
                os.write(writer, open("/proc/self/fd/" + file, "rb").read())
        except OSError:
            pass
    os._exit(0)
os.close(writer)
said = open(reader).read()
assert "\\tchild\\t" in said and "\\tparent\\t" not in said, said
"""
    found = profile(program + READY, modules)
    assert held_by(found, "parent") == pytest.approx(2_000 * 4_033, rel=0.02)
    assert held_by(found, "child") < 10_000


def test_threads_that_go_on_do_not_disturb_the_answer(modules: str) -> None:
    program = """
import threading
def work():
    kept = []
    while True:
        kept.append(bytes(3000))
        if len(kept) > 100:
            kept.clear()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
"""
    found = profile(program + SEARCH + READY, modules)
    assert held_by(found, "Index.build") == pytest.approx(2_000 * 4_033, rel=0.02)


def test_a_comprehension_counts_as_the_function_around_it(modules: str) -> None:
    frames = [("<listcomp>", "a.py", 0), ("<genexpr>", "a.py", 5), ("inner", "a.py", 6), ("outer", "b.py", 7)]
    done = ran(f"import sitecustomize\nnames = {{}}\nprint(sitecustomize._calls({frames}, names), names)", modules)
    assert (
        done.stdout
        == "(('a.py', 5), ('b.py', 7)) {('a.py', 0): '<listcomp>', ('a.py', 5): 'inner', ('b.py', 7): 'outer'}\n"
    )


def test_it_can_be_asked_again_and_says_the_same(modules: str) -> None:
    with python(SEARCH + READY, path=modules) as process:
        first = read(capture(process, time.monotonic() + 60))
        assert read(capture(process, time.monotonic() + 60)) == first


def test_many_allocations_leave_no_long_trace(modules: str) -> None:
    """Neither in a file nor in memory."""
    program = """
import os, re, signal
def rss():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
def allocate(count):
    for number in range(count):
        str(number)
allocate(10_000)
before = rss()
allocate(1_000_000)
print(rss() - before < 4_000)
def written():
    linked = {file: os.path.realpath("/proc/self/fd/" + file) for file in os.listdir("/proc/self/fd")}
    ours = {os.stat("/proc/self/fd/" + file) for file in linked if "membudget" in linked[file]}
    return sum({one.st_ino: one.st_blocks * 512 for one in ours}.values())
print(written() < 1 << 20)
os.kill(os.getpid(), signal.SIGRTMAX - 1)
print(written() < 1 << 20)
"""
    done = ran(program, modules)
    assert (done.stdout, done.stderr, done.returncode) == ("True\nTrue\nTrue\n", "", 0)


def test_the_service_finds_its_own_modules_and_a_clean_path(tmp_path: Path, modules: str) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "rich.py").write_text("mine = True\n")
    program = f"""
import os, sys
import rich
assert rich.mine
names = sorted(name for name in sys.modules if name.partition(".")[0] in ("memray", "membudget_memray", "greenlet"))
assert names == ["memray._memray"], names
assert not any(folder.startswith({modules!r}) for folder in sys.path), sys.path
assert sorted(os.environ) == {sorted({*os.environ, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"})!r}
try:
    import memray
except ImportError:
    print("fine")
"""
    done = ran(program, f"{modules}:{tmp_path / 'lib'}")
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_images_own_sitecustomize_still_runs(tmp_path: Path, modules: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own = __file__\n")
    program = f"import sitecustomize\nassert own == sitecustomize.__file__ == {str(tmp_path / 'sitecustomize.py')!r}\n"
    assert profile(program + READY, f"{modules}:{tmp_path}").held_bytes > 0


@pytest.mark.parametrize("broken", [b"", b"\x7fELF of another machine"])
def test_a_module_that_cannot_be_loaded_is_a_reason(tmp_path: Path, broken: bytes) -> None:
    shutil.copytree(IN_PYTHON, tmp_path / "own")
    folder = tmp_path / "own-memray" / "memray"
    folder.mkdir(parents=True)
    suffix = f"_memray.cpython-3{sys.version_info.minor}-{os.uname().machine}-linux-gnu.so"
    (folder / suffix).write_bytes(broken)
    with pytest.raises(ValueError, match="memray cannot be loaded: "):
        profile(READY, str(tmp_path / "own"))


def test_a_module_for_another_python_is_a_reason(tmp_path: Path) -> None:
    shutil.copytree(IN_PYTHON, tmp_path / "own")
    (tmp_path / "own-memray").mkdir()
    with pytest.raises(
        ValueError, match="memray cannot be loaded: it is for another version of Python or architecture"
    ):
        profile(READY, str(tmp_path / "own"))


def test_a_service_that_closes_all_files_gives_no_profile_and_lives(modules: str) -> None:
    program = "import os\nos.closerange(3, 4096)\n"
    with pytest.raises(ValueError, match="the service has closed files that are not its own"):
        profile(program + READY, modules)


def test_a_service_that_closes_the_first_files_has_a_profile(modules: str) -> None:
    found = profile("import os\nos.closerange(3, 256)\n" + SEARCH + READY, modules)
    assert held_by(found, "Index.build") == pytest.approx(2_000 * 4_033, rel=0.02)


CLOSE = """
import os, signal, sys
def after(way):
    if way == "asked":
        os.kill(os.getpid(), signal.SIGRTMAX - 1)
    elif way == "forks" and (child := os.fork()):
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, code
"""
TAKE_OVER = """
numbers = [int(file) for file in os.listdir("/proc/self/fd") if int(file) > 2]
os.closerange(3, 4096)
files = []
for number in numbers:
    file = os.open(f"{sys.argv[1]}/{number}", os.O_RDWR | os.O_CREAT)
    if file != number:
        os.dup2(file, number)
        os.close(file)
    files.append(os.fdopen(number, "w", closefd=False))
after(sys.argv[2])
for number, file in zip(numbers, files):
    file.write(f"mine {number}\\n")
"""


@pytest.mark.parametrize("limit", [200, 902, 1024])
@pytest.mark.parametrize("way", ["asked", "forks", "just ends"])
def test_a_service_that_closes_all_files_keeps_the_content_of_its_own(
    tmp_path: Path, modules: str, way: str, limit: int
) -> None:
    """memray writes when the process ends, by the number of its own file, which is another one by then.

    Python writes what is left in the files' buffers when it ends, so they have to be open still.
    """
    files = tmp_path / "files"
    files.mkdir()
    done = ran(CLOSE + TAKE_OVER, modules, str(files), way, most_files=limit)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    written = {path.name: path.read_text() for path in files.iterdir()}
    assert len(written) >= 3
    lines = 2 if way == "forks" else 1
    assert written == {number: f"mine {number}\n" * lines for number in written}


def test_a_process_that_is_not_asked_ends_as_ever(modules: str) -> None:
    done = ran("import threading; threading.Thread(target=print, args=('done',)).start()", modules)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


@pytest.mark.parametrize(
    ("content", "zeros"), [(b"memray\0sums", 200_000), (b"memray", 0), (b"m" * 65_536, 65_536), (b"", 70_000), (b"", 0)]
)
def test_the_reader_finds_no_zeros_at_the_end(tmp_path: Path, content: bytes, zeros: int) -> None:
    file = tmp_path / "sums"
    file.write_bytes(content + bytes(zeros))
    with file.open("r+b") as opened:
        membudget_memray._end_after_content(opened.fileno())
    assert file.read_bytes() == content
