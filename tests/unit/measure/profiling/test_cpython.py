"""Profiles of Python processes of this machine."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.profiling.cpython import IN_PYTHON, capture, prepared, read
from membudget.measure.profiling.heap_profile import MOST_FRAMES, Frame, HeapProfile
from membudget.measure.profiling.profiler import ServiceSeen
from membudget.measure.trial import TrialInputs
from tests.support.python_processes import READY, SEARCH, python


def profile(program: Path | str, *options: str, path: str = str(IN_PYTHON), seconds: float = 60) -> HeapProfile:
    with python(program, *options, path=path) as process:
        return read(capture(process, time.monotonic() + seconds))


starts_processes = [
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="pidfd and memfd are Linux's"),
]


class TestOfProcesses:
    """Profiles of processes that are started."""

    pytestmark = starts_processes

    @pytest.mark.parametrize("before", ["enable", "disable"])
    def test_nothing_is_collected_during_an_answer(self, before: str) -> None:
        program = f"""
import gc, os, signal, sitecustomize
gc.{before}()
before, during = gc.isenabled(), []
def fails():
    during.append(gc.isenabled())
    raise ValueError
sitecustomize._profile = fails
os.kill(os.getpid(), signal.SIGRTMAX - 1)
print(during, gc.isenabled() is before)
"""
        environ = {**os.environ, "PYTHONPATH": str(IN_PYTHON), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == "[False] True\n"

    def test_a_later_answer_has_the_names_of_functions_that_are_new(self) -> None:
        program = f"""
import sitecustomize
{SEARCH}
first = sitecustomize._profile()
def more():
    return [bytes(4000) for _ in range(4_000)]
added = more()
second = sitecustomize._profile()
print([["N\\t" + name + "\\t" in one for name in ("Index.build", "more")] for one in (first, second)])
"""
        environ = {**os.environ, "PYTHONPATH": str(IN_PYTHON), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == "[[True, False], [True, True]]\n"

    def test_other_threads_wait_for_an_answer_and_not_longer(self) -> None:
        program = """
import os, signal, sitecustomize, sys
before, during = sys.getswitchinterval(), []
sitecustomize._profile = lambda: during.append(sys.getswitchinterval()) or ""
os.kill(os.getpid(), signal.SIGRTMAX - 1)
print(during[0] > 100 * before, sys.getswitchinterval() == before)
"""
        environ = {**os.environ, "PYTHONPATH": str(IN_PYTHON), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == "True True\n"

    def test_the_line_that_holds_the_most_is_first_with_its_function(self, tmp_path: Path) -> None:
        service = tmp_path / "search.py"
        service.write_text(SEARCH + READY)
        found = profile(service)
        first = found.stacks[0]
        frames = [found.frames[number] for number in first.frames]
        assert frames[0] == Frame("Index.build", str(service), 4)
        assert [(frame.name, frame.line) for frame in frames[1:]] == [("main", 8), ("<module>", 10)]
        assert first.held_bytes == pytest.approx(2_000 * 4_033, rel=0.01)
        assert found.held_bytes - first.held_bytes < MIB

    def test_installed_packages_are_libraries(self, tmp_path: Path) -> None:
        package = tmp_path / "site-packages"
        package.mkdir()
        (package / "index.py").write_text(SEARCH)
        found = profile("import index\n" + READY, path=f"{IN_PYTHON}:{package}")
        frames = [found.frames[number] for number in found.stacks[0].frames]
        assert frames[0].is_library
        assert not frames[-1].is_library

    def test_it_can_be_asked_again(self, tmp_path: Path) -> None:
        more = "import sys\nfor line in sys.stdin:\n    kept.append(bytes(3_000_000)); print('ready', flush=True)\n"
        with python("kept = []\nprint('ready', flush=True)\n" + more, path=str(IN_PYTHON)) as process:
            before = read(capture(process, time.monotonic() + 60))
            again = read(capture(process, time.monotonic() + 60))
        assert again.held_bytes == pytest.approx(before.held_bytes, abs=MIB)

    def test_the_images_own_sitecustomize_still_runs(self, tmp_path: Path) -> None:
        (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own = __file__\n")
        checks = (
            f"import sitecustomize\nassert own == sitecustomize.__file__ == {str(tmp_path / 'sitecustomize.py')!r}\n"
        )
        assert profile(checks + READY, path=f"{IN_PYTHON}:{tmp_path}").held_bytes > 0

    @pytest.mark.parametrize("option", ["-I", "-E", "-S"])
    def test_python_without_its_environment_cannot_be_asked(self, option: str) -> None:
        with pytest.raises(NoAnswer, match="-I, -E or -S"):
            profile(READY, option)

    def test_a_process_that_hangs_when_asked_runs_out_of_time(self) -> None:
        with pytest.raises(TimeoutError):
            profile("import signal\nsignal.signal(63, lambda *_: None)\n" + READY, seconds=0.3)

    def test_an_answer_of_1_gb_is_refused(self) -> None:
        floods = """
import os, signal
def answer(*_):
    file = os.memfd_create("membudget-profile-1")
    os.truncate(file, 1 << 30)
signal.signal(63, answer)
"""
        with pytest.raises(NoAnswer, match="too large"):
            profile(floods + READY)

    def test_a_file_of_the_image_is_no_answer(self, tmp_path: Path) -> None:
        opens = f"""
import os, signal
def answer(*_):
    open({str(tmp_path / "memfd:membudget-profile-1 (deleted)")!r}, "w")
signal.signal(63, answer)
"""
        with pytest.raises(TimeoutError):
            profile(opens + READY, seconds=0.3)

    def test_an_error_in_the_service_is_a_reason(self) -> None:
        breaks = "import gc\ngc.get_objects = None\n"
        with pytest.raises(ValueError, match="TypeError: 'NoneType' object is not callable"):
            profile(breaks + READY)


@pytest.mark.thorough
def test_no_module_is_imported_before_it_is_asked() -> None:
    """The service would notice. Of `sitecustomize` itself, only what Python needs to start counts."""
    program = "import sys; print('ready', flush=True); print(*sorted(sys.modules), flush=True)\n"
    loaded = [
        subprocess.run(  # the same interpreter without and with the module
            [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True
        ).stdout.split()[1:]
        for path in ("", str(IN_PYTHON))
    ]
    assert set(loaded[1]) - set(loaded[0]) <= {b"sitecustomize", b"_tracemalloc", b"_signal"}


def test_stacks_and_rest_are_read() -> None:
    found = read("N\tf\t/app/ä.py\t3\t0\nN\tg\t/usr/x.py\t0\t1\nS\t7\t0,1\nR\t5\nE\n".encode())
    assert found.frames == (Frame("f", "/app/ä.py", 3), Frame("g", "/usr/x.py", None, is_library=True))
    assert (found.stacks[0].frames, found.stacks[0].held_bytes, found.held_bytes) == ((0, 1), 7, 12)


@pytest.mark.parametrize(
    "said",
    [
        b"\xff",
        b"N\tf",
        b"S\t7\t0\n",
        b"N\tf\tf\t1\t0\nS\t-7\t0\n",
        b"N\tf\tf\t1\t0\nS\t7\t\n",
        b"S\t" + b"9" * 5000 + b"\t0\n",
        b"N\tf\tf\t1\t0\nS\t\xd9\xa3\t0\n"[:-1] + b"x",
        b"\n" * 200_000,
    ],
)
def test_what_is_no_profile_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(said)


def test_terminal_escapes_and_deep_stacks_stay_data() -> None:
    names = "".join(f"N\t\x1b[2J\ud800f{number}\tf\t1\t0\n" for number in range(500))
    found = read(
        (names + f"S\t7\t{','.join(map(str, range(500)))}\n")
        .encode("utf-8", "surrogatepass")
        .replace(b"\xed\xa0\x80", b"?")
    )
    assert len(found.stacks[0].frames) == MOST_FRAMES
    assert found.frames[0].name == "\x1b[2J?f0"


@given(st.binary(max_size=200) | st.text(alphabet="NSRXE\t\n,0123456789", max_size=200).map(str.encode))
def test_reading_raises_nothing_else(said: bytes) -> None:
    with suppress(ValueError):
        assert read(said).held_bytes >= 0


def test_python_finds_the_module_before_the_images_own() -> None:
    given_path = prepared(TrialInputs({"PYTHONPATH": "/app"}), ServiceSeen(image_variables={"PYTHONPATH": "/lib"}))
    assert given_path.environment["PYTHONPATH"] == "/.membudget-profile:/app"
    of_image = prepared(TrialInputs(), ServiceSeen(image_variables={"PYTHONPATH": "/lib"}))
    assert of_image.environment["PYTHONPATH"] == "/.membudget-profile:/lib"
    assert prepared(TrialInputs(), ServiceSeen()).environment["PYTHONPATH"] == "/.membudget-profile"
    assert of_image.volumes == {"/.membudget-profile": IN_PYTHON}
