"""The step that runs us, by the files and the stream that its environment names; outside of a workflow, nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from membudget.publish.pull_request import Place
from membudget.publish.workflow import MOST_ANNOTATIONS, append_summary, error_annotation, write_outputs


class WorkflowStep:
    """Writes to the step's summary, outputs and log, where there are such."""

    def __init__(
        self, environ: Mapping[str, str], stream: TextIO, warn: Callable[[str], None], *, annotates: bool = True
    ) -> None:
        self._summary = environ.get("GITHUB_STEP_SUMMARY")
        self._outputs = environ.get("GITHUB_OUTPUT")
        self._annotates = annotates and environ.get("GITHUB_ACTIONS") == "true"
        self._stream = stream
        self._warn = warn
        self._annotations = 0

    def summary(self, markdown: str) -> None:
        """Append to the step summary."""
        if self._summary:
            self._write("the step summary", lambda path: append_summary(path, markdown), self._summary)

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set step outputs."""
        if self._outputs:
            self._write("the step outputs", lambda path: write_outputs(path, values), self._outputs)

    def annotate(self, title: str, message: str, place: Place | None = None) -> None:
        """Annotate an error, as long as GitHub shows it, at lines of a file if they are known."""
        self._annotations += 1
        if self._annotates and self._annotations <= MOST_ANNOTATIONS:
            print(error_annotation(title, message, place), file=self._stream, flush=True)

    def _write(self, what: str, write: Callable[[Path], None], path: str) -> None:
        try:
            write(Path(path))
        except OSError as error:
            self._warn(f"{what} cannot be written: {error.strerror}")
