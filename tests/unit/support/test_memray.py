"""memray for the tests comes from the index that the machine names."""

from contextlib import nullcontext
from pathlib import Path

import pytest

import dev_cache
from membudget.measure.profiling.interpreter import Interpreter, Libc
from tests.support.memray import memray_folder


def test_the_tests_fetch_memray_as_the_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_cache, "folder", lambda name: tmp_path / name)
    monkeypatch.setattr(dev_cache, "locked", lambda _: nullcontext())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(AssertionError, match="PIP_NO_INDEX is set"):
        memray_folder(Interpreter(11, Libc.GLIBC))
