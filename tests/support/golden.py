"""Golden files: what people read, as it was last looked at. UPDATE_GOLDEN=1 writes them anew; then look at them."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    """`text` is what tests/golden/NAME holds."""
    path = _FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text(), f"look at the difference; if it is meant: UPDATE_GOLDEN=1 make unit ({path.name})"
