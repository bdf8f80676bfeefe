"""Reads single values out of manifests. What is wrong with them is collected, with file, line and key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from membudget.core.errors import shortened
from membudget.core.quantities import MOST_CPUS
from membudget.manifests.deployed import LONGEST_NAME, MOST_FAULTS, Amount, CpuLimit, ManifestFault, Place
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes, thousandths_of_cpus
from membudget.manifests.spots import Spot, SpotKeys, SpotSource
from membudget.manifests.yaml_text import YamlValue

_LONGEST_AMOUNT = 50


@dataclass(slots=True)
class ManifestReading:
    """What is read of one text, and what was wrong in it."""

    path: str
    """The file that findings point to."""
    source: str
    """The path of the entry of `manifests` that the text comes from."""
    offset: int = 0
    """How many lines of the file are above the text."""
    is_rendered: bool = False
    """Whether a program made the text, so that its lines are not those of a file."""
    faults: list[ManifestFault] = field(default_factory=list)
    lines: Sequence[str] = ()
    """All lines of the file, to find out where missing amounts can be written. Empty if nobody asks."""
    step: int = 2
    """By how many spaces the file indents."""

    def place(self, value: YamlValue) -> Place:
        """Return where a value is written."""
        if self.is_rendered:
            return Place(self.path, is_exact=False)
        return Place(self.path, value.line + self.offset)

    def spot(self, parent: YamlValue, *keys: SpotKeys) -> Spot | None:
        """Return where an amount below a mapping can be written. None if it is there, or if no place is known."""
        return SpotSource(self.path, self.lines, self.offset, self.step).spot(parent, *keys) if self.lines else None

    def fault(self, value: YamlValue, key: str, reason: str) -> None:
        """Note that a value cannot be used."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(ManifestFault(self.place(value), shortened(key, 500), shortened(reason, 300)))

    def name(self, value: YamlValue) -> str:
        """Return a name, or a text to the same effect. Empty if there is none."""
        return (value.text or "")[:LONGEST_NAME]

    def cpu_limit(self, value: YamlValue) -> CpuLimit | None:
        """Return a limit of CPU time. None if there is none, or if it is wrong: no rule for memory depends on it."""
        try:
            found = thousandths_of_cpus(value.text) if value.text is not None and not value.is_null else 0
        except InvalidQuantity:
            return None
        return CpuLimit(found, self.place(value)) if 1 <= found <= MOST_CPUS * 1000 else None

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
