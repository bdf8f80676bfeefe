"""Reads single values out of manifests. What is wrong with them is collected, with file, line and key."""

from collections.abc import Callable
from dataclasses import dataclass, field

from membudget.core.errors import shortened
from membudget.manifests.deployed import LONGEST_NAME, MOST_FAULTS, Amount, Fault, Place
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes
from membudget.manifests.yaml_text import YamlValue

_LONGEST_AMOUNT = 50


@dataclass(slots=True)
class Reading:
    """What is read of one text, and what was wrong in it."""

    path: str
    """The file that findings point to."""
    source: str
    """The path of the entry of `manifests` that the text comes from."""
    offset: int = 0
    """How many lines of the file are above the text."""
    is_rendered: bool = False
    """Whether a program made the text, so that its lines are not those of a file."""
    faults: list[Fault] = field(default_factory=list)

    def place(self, value: YamlValue) -> Place:
        """Return where a value is written."""
        if self.is_rendered:
            return Place(self.path, is_exact=False)
        return Place(self.path, value.line + self.offset)

    def fault(self, value: YamlValue, key: str, reason: str) -> None:
        """Note that a value cannot be used."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(self.place(value), shortened(key, 500), shortened(reason, 300)))

    def name(self, value: YamlValue) -> str:
        """Return a name, or a text to the same effect. Empty if there is none."""
        return (value.text or "")[:LONGEST_NAME]

    def amount(self, value: YamlValue, key: str, parse: Callable[[str], int] = kubernetes_bytes) -> Amount | None:
        """Return an amount of memory. None if there is none, or if it is wrong, which is then noted."""
        if not value or value.is_null:
            return None
        if value.text is None:
            self.fault(value, key, "it is no amount of memory, but a table or a list")
            return None
        try:
            size_bytes = parse(value.text)
        except InvalidQuantity as error:
            self.fault(value, key, f"{shortened(value.text, 60)!r} is no amount of memory: {error}")
            return None
        return Amount(size_bytes, value.text.strip()[:_LONGEST_AMOUNT], self.place(value))
