"""The rules for how memory is used, and their switches."""

from enum import StrEnum

from membudget.budgets.fields import FileModel
from membudget.budgets.runtimes import Switch


class MemoryRule(StrEnum):
    """The rules for how memory is used. The values are their keys in the budgets file."""

    SIDECAR_SHARE = "sidecar_share"
    PAGE_CACHE = "page_cache"
    DIRTY_PAGES = "dirty_pages"
    SHARED_PAGES = "shared_pages"
    MEMORY_KEPT = "memory_kept"
    MEMORY_RETURNED = "memory_returned"
    HUGE_PAGES = "huge_pages"
    BUFFERED_BODIES = "buffered_bodies"


class MemoryRules(FileModel):
    """What happens if memory is used in a way that costs more than needed: "warn" reports it, "off" turns the rule off.

    A broken rule never changes a verdict.
    """

    sidecar_share: Switch = "warn"
    """The sidecars hold a third of the pod's peak RSS or more."""
    page_cache: Switch = "warn"
    """A tenth of the limit or more holds page cache that the kernel can drop at once."""
    dirty_pages: Switch = "warn"
    """Data that waits to be written to files takes a tenth of the limit or more."""
    shared_pages: Switch = "warn"
    """The limit is at least the sum of the RSS of all processes, which counts shared pages several times."""
    memory_kept: Switch = "warn"
    """After the load, the container keeps most of the memory that the load added."""
    memory_returned: Switch = "warn"
    """After the load, the container returns half of its peak RSS or more."""
    huge_pages: Switch = "warn"
    """Transparent huge pages hold half of the RSS or more."""
    buffered_bodies: Switch = "warn"
    """The peak RSS grows with the bodies of requests or responses (`larger_bodies`)."""

    @property
    def switched_on(self) -> frozenset[MemoryRule]:
        """The rules that are told."""
        return frozenset(rule for rule in MemoryRule if getattr(self, rule.value) == "warn")
