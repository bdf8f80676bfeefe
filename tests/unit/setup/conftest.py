"""Repositories for the tests of `init`, without git: the files are what the test writes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from membudget.setup.repository import RepositoryFiles

MakeFiles = Callable[[dict[str, str]], RepositoryFiles]


@pytest.fixture
def make_files(tmp_path: Path) -> MakeFiles:
    """Writes files by path, and opens them as a repository that has committed all of them."""

    def make(texts: dict[str, str]) -> RepositoryFiles:
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return RepositoryFiles(tmp_path, texts, texts.get)

    return make
