"""Anonymous files (memfd_create(2)) that a process keeps open. In them, a runtime can answer without a writable folder.

Standard library only. What is read is written by hostile code, so names, numbers and sizes are bounded.
"""

import os
import re
import stat
import time
from collections.abc import Iterator

from membudget.measure.live_heap.confined import NoAnswer

_MOST_FILES = 100_000


def open_files(folder: int, deadline: float) -> Iterator[tuple[str, int]]:
    """Yield what each open file of a process links to, and the number of its descriptor there.

    `folder` is the process's folder in /proc. An anonymous file links to "/memfd:NAME (deleted)". Raises NoAnswer for
    too many files, TimeoutError at the deadline (on `time.monotonic`), and OSError.
    """
    files = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(files) as listed:
            for count, entry in enumerate(listed):
                if count > _MOST_FILES:
                    raise NoAnswer(f"it has more than {_MOST_FILES:,} open files")
                if time.monotonic() > deadline:
                    raise TimeoutError
                try:
                    link = os.readlink(entry.name, dir_fd=files)
                except OSError:  # it has just been closed
                    continue
                yield link, int(entry.name)
    finally:
        os.close(files)
    if time.monotonic() > deadline:
        raise TimeoutError


def numbered_files(folder: int, name: re.Pattern[str], deadline: float) -> Iterator[tuple[int, int]]:
    """Yield the number in the name of each open file of a process, and the number of its descriptor.

    `name` matches whole links, and its first group is the number. Raises the same errors as `open_files`.
    """
    for link, descriptor in open_files(folder, deadline):
        if (numbered := name.fullmatch(link)) is not None:
            yield int(numbered[1]), descriptor


def content(folder: int, number: int, most_bytes: int) -> bytes:
    """Return the beginning of an open file of a process. Raises NoAnswer if it is no plain file, and OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(f"fd/{number}", flags, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NoAnswer("its answer is no file")
        return file.read(most_bytes)
