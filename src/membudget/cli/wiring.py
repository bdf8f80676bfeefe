"""The adapters that several commands need: the engine, the cache, and a display of progress."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from rich.console import Console

from membudget.contents.stores.layer_cache import LayerCache
from membudget.core.progress import Progress
from membudget.engine.connection import Engine, connect
from membudget.measure.cache import Took, read_durations
from membudget.publish.progress_display import LogProgress, QuietProgress, WorkflowProgress
from membudget.publish.progress_terminal import TerminalProgress
from membudget.publish.workflow import obeys_commands


@contextmanager
def connected_engine() -> Iterator[Engine]:
    """Provide the engine. Raises EnvironmentFault if none answers."""
    engine = connect()
    try:
        yield engine
    finally:
        engine.close()


def cache_folder() -> Path:
    """Return the folder of everything that is kept between runs."""
    return Path(os.environ.get("MEMBUDGET_CACHE_DIR") or platformdirs.user_cache_dir("membudget"))


def layer_cache() -> LayerCache:
    """Return the cache of what layers contain."""
    return LayerCache(cache_folder())


def progress_display(environ: Mapping[str, str], what: Took = Took.CHECK, *, is_quiet: bool = False) -> Progress:
    """Return the display that fits where standard error goes. `what` was timed earlier, and tells how long it takes."""
    if is_quiet:
        return QuietProgress(sys.stderr)
    remembered_ms = read_durations(cache_folder(), what)
    if obeys_commands(environ):
        return WorkflowProgress(sys.stderr, remembered_ms)
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalProgress(console, remembered_ms)
    return LogProgress(sys.stderr, remembered_ms)
