"""A run of pytest beside others."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_background(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
    program: tuple[str, ...] = ("-m", "pytest"),
) -> Iterator[Callable[[], int]]:
    """Run pytest, or a program that does, beside us, by the command `before` it.

    The function waits for its end, prints what it said, and returns its exit code.
    """
    with tempfile.NamedTemporaryFile("w+", prefix="tests-beside-", suffix=".txt") as said:
        command = [*before, sys.executable, *program, *arguments]
        process = subprocess.Popen(command, env=environ, stdout=said, stderr=subprocess.STDOUT)

        def ended() -> int:
            code = process.wait()
            print(Path(said.name).read_text(errors="replace"), end="", flush=True)
            return code

        try:
            yield ended
        finally:
            process.terminate()
            process.wait()
