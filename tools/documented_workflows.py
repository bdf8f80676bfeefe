"""The workflows that the documentation shows, which are there to be pasted: linted like our own, and run by tests."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_YAML_BLOCK = re.compile(r"^```ya?ml[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_JOBS = re.compile(r"^jobs:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DocumentedWorkflow:
    """One whole workflow on a page."""

    page: str
    line: int
    text: str

    def write_to(self, folder: Path) -> Path:
        """A file that is named after where it stands."""
        file = folder / f"{self.page.replace('/', '-')}-line-{self.line}.yml"
        file.write_text(self.text)
        return file


def workflows_of(top: Path, names: Iterable[str]) -> Iterator[DocumentedWorkflow]:
    """Those of the pages among the files `names` below `top`."""
    for name in names:
        if name.endswith(".md"):
            yield from workflows_on(name, (top / name).read_text())


def workflows_on(page: str, text: str) -> Iterator[DocumentedWorkflow]:
    """Those of one page. What is a part of a workflow, a step for one, is none."""
    for block in _YAML_BLOCK.finditer(text):
        if _JOBS.search(block[1]) is not None:
            yield DocumentedWorkflow(page, text.count("\n", 0, block.start()) + 2, block[1])
