"""Real helm and kubectl, as a user brings them."""

import os
from pathlib import Path

import pytest

import kubernetes_tools
from membudget.engine.rendering import Renderers
from tests.support.missing import skip_for_want_of

CHARTS = Path(__file__).parent / "charts"


@pytest.fixture(scope="session")
def programs() -> dict[str, str]:
    """An environment in which both are found."""
    try:
        folder = kubernetes_tools.folder()
    except kubernetes_tools.CannotHaveThem as error:
        skip_for_want_of(str(error))
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


@pytest.fixture
def renderers(programs: dict[str, str]) -> Renderers:
    """Both, as checks use them."""
    return Renderers(programs)
