"""What compiled Python is called (PEP 3147, PEP 488)."""

import re

FOLDER = "__pycache__"
_NAME = re.compile(r"(.+?)\.[^.]+(?:\.opt-[^.]+)?\.pyc", re.DOTALL)


def compiled_module(name: str) -> str | None:
    """The module that a file of a `__pycache__` folder was compiled from, without its ending; None: it is none."""
    match = _NAME.fullmatch(name)
    return match[1] if match is not None else None
