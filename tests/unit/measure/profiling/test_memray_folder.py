"""memray's wheel: fetched once, checked whenever it is used, and unpacked as far as a container needs it."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.measure.profiling import memray_folder
from membudget.measure.profiling.interpreter import Interpreter, Libc
from membudget.measure.profiling.memray_folder import MemrayFolders, unpack
from membudget.measure.profiling.memray_wheels import Wheel

PYTHON = Interpreter(11, Libc.GLIBC)
EXTENSION = "memray/_memray.cpython-311-x86_64-linux-gnu.so"
LIBRARY = "memray.libs/libunwind-7e4e9a3c.so.8.0.1"


def zipped(*names: str, content: bytes = b"ELF") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return written.getvalue()


CONTENT = zipped(EXTENSION, LIBRARY, "memray/__init__.py", "memray/_inject.abi3.so", "memray-1.20.0.dist-info/METADATA")
WHEEL = Wheel("memray.whl", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Index:
    """An index that has the wheel, or does not answer."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.asked = 0

    def fetch(self, project: str, file: str, size_bytes: int, sha256: str) -> bytes:
        assert (project, file, size_bytes, sha256) == ("memray", WHEEL.file, WHEEL.size_bytes, WHEEL.sha256)
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return CONTENT


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memray_folder, "wheel_for", lambda interpreter, _: WHEEL if interpreter == PYTHON else None)


def folders(tmp_path: Path, index: Index, run: str = "run") -> MemrayFolders:
    (tmp_path / run).mkdir()
    found = MemrayFolders(tmp_path / "cache", tmp_path / run, {})
    found._index = index  # type: ignore[assignment]
    return found


def files(folder: Path | str) -> list[str]:
    assert isinstance(folder, Path), folder
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_the_extension_and_its_libraries_are_unpacked_for_all_users(tmp_path: Path) -> None:
    folder = folders(tmp_path, Index()).folder(PYTHON, "linux/amd64")
    assert files(folder) == [LIBRARY, EXTENSION]
    assert isinstance(folder, Path)
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))} == {0o755}


def test_the_wheel_is_fetched_once_for_all_runs(tmp_path: Path) -> None:
    index = Index()
    first = folders(tmp_path, index)
    assert first.folder(PYTHON, "linux/amd64") == first.folder(PYTHON, "linux/amd64")
    assert files(folders(tmp_path, index, "another").folder(PYTHON, "linux/amd64")) == [LIBRARY, EXTENSION]
    assert index.asked == 1


@pytest.mark.parametrize("damaged", [b"", b"x" * len(CONTENT), CONTENT + b"x", CONTENT[:-1]])
def test_a_wheel_in_the_cache_that_is_another_one_is_fetched_again(tmp_path: Path, damaged: bytes) -> None:
    kept = tmp_path / "cache" / "memray" / WHEEL.file
    kept.parent.mkdir(parents=True)
    kept.write_bytes(damaged)
    index = Index()
    assert files(folders(tmp_path, index).folder(PYTHON, "linux/amd64")) == [LIBRARY, EXTENSION]
    assert (index.asked, kept.read_bytes()) == (1, CONTENT)


def test_what_cannot_be_fetched_is_a_reason_and_is_not_tried_again(tmp_path: Path) -> None:
    index = Index(EnvironmentFault("pypi.org cannot be reached: ConnectionError"))
    tried = folders(tmp_path, index)
    reasons = {tried.folder(PYTHON, "linux/amd64") for _ in range(3)}
    assert reasons == {"memray could not be fetched: pypi.org cannot be reached: ConnectionError"}
    assert index.asked == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (OSError("invalid path: /secret"), "memray could not be unpacked: OSError"),
        (OSError(28, "No space left on device", "/secret"), "memray could not be unpacked: No space left on device"),
        (AssertionError("secret"), "memray could not be provided: AssertionError"),
        (ValueError("netloc 'me:secret@host' contains invalid characters"), "memray could not be provided: ValueError"),
    ],
)
def test_an_unexpected_error_ends_no_check(tmp_path: Path, fault: Exception, reason: str) -> None:
    index = Index(fault)
    tried = folders(tmp_path, index)
    assert {tried.folder(PYTHON, "linux/amd64") for _ in range(2)} == {reason}
    assert index.asked == 1


def test_an_address_of_the_index_that_is_none_is_a_reason(tmp_path: Path) -> None:
    tried = MemrayFolders(tmp_path / "cache", tmp_path, {"PIP_INDEX_URL": "https://me:pa[ss@host/simple"})
    reason = tried.folder(PYTHON, "linux/amd64")
    assert reason == "memray could not be fetched: PIP_INDEX_URL is no address of http or https"


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert files(folders(tmp_path, Index()).folder(PYTHON, "linux/amd64")) == [LIBRARY, EXTENSION]


def test_a_disk_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    tried = folders(tmp_path, Index())
    (tmp_path / "run" / f"memray-{WHEEL.sha256[:16]}").write_text("no folder")
    assert tried.folder(PYTHON, "linux/amd64") == "memray could not be unpacked: Not a directory"


def test_a_python_without_a_wheel_is_a_reason(tmp_path: Path) -> None:
    index = Index()
    reason = folders(tmp_path, index).folder(Interpreter(8, Libc.MUSL), "linux/amd64")
    assert (reason, index.asked) == ("memray has no wheel for Python 3.8 with musl on linux/amd64", 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4",
        CONTENT[:-30],
        zipped(),
        zipped("memray/__init__.py"),
        zipped("../memray/_memray.x.so", "/memray/_memray.x.so", "memray.libs/../../x"),
        zipped(EXTENSION, *(f"memray.libs/{number}" for number in range(100))),
        zipped(EXTENSION, content=bytes(129 << 20)),
    ],
    ids=["empty", "cut", "without its end", "no file", "no extension", "outside", "many", "large"],
)
def test_what_is_no_such_wheel_is_not_unpacked(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(EnvironmentFault, match="not a wheel"):
        unpack(content, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
