"""The extended copy of the tree, one for each class of tests."""

from typing import cast

import pytest

import extension
from tests.extension.extended_tree import ExtendedTree, Extension, extended


@pytest.fixture(scope="class")
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    """A copy with the patch of the test's class."""
    name = cast("type[Extension]", request.cls).patch
    return extended(extension.PATCHES / f"{name}.patch", tmp_path_factory.mktemp(name))
