"""What is written to files and read again, by parts of the program that may not know each other.

Standard library only: the probe's messages are stored too, and the probe has to start fast.
"""

from typing import ClassVar


class Stored:
    """A dataclass whose JSON has its own keys and no others: pydantic refuses whatever else is in a file.

    Source: pydantic's documentation of `__pydantic_config__` on dataclasses of the standard library.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
