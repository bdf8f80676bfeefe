"""The rules for the settings of runtimes, and their switches."""

from enum import StrEnum
from typing import Literal

from membudget.budgets.fields import FileModel


class RuntimeRule(StrEnum):
    """The rules for runtimes. The values are their keys in the budgets file."""

    HEAP_ABOVE_LIMIT = "heap_above_limit"
    CEILING_ABOVE_LIMIT = "ceiling_above_limit"
    CEILING_FAR_BELOW_LIMIT = "ceiling_far_below_limit"
    HEAP_RESERVED_UNUSED = "heap_reserved_unused"
    NO_CONTAINER_SUPPORT = "no_container_support"
    NO_GO_MEMORY_LIMIT = "no_go_memory_limit"
    NO_MAXMEMORY = "no_maxmemory"
    WORKERS_ABOVE_LIMIT = "workers_above_limit"
    MALLOC_ARENAS = "malloc_arenas"
    FREED_MEMORY_KEPT = "freed_memory_kept"
    BUFFERS_ABOVE_LIMIT = "buffers_above_limit"


Switch = Literal["off", "warn"]


class RuntimeRules(FileModel):
    """What happens if the settings of a runtime break a rule: "warn" reports it, "off" turns the rule off.

    A broken rule never changes a verdict, because the workload passed.
    """

    heap_above_limit: Switch = "warn"
    """A runtime lets its heap grow above the container's limit."""
    ceiling_above_limit: Switch = "warn"
    """A runtime's largest heap and the measured memory beside it are above the limit together."""
    ceiling_far_below_limit: Switch = "warn"
    """A runtime's largest heap and the measured memory beside it need less than half of the limit."""
    heap_reserved_unused: Switch = "warn"
    """A JVM begins with its largest heap (-Xms is -Xmx), and less than half of it holds memory at the peak."""
    no_container_support: Switch = "warn"
    """A JVM sizes itself by the machine's memory, not by the container's limit."""
    no_go_memory_limit: Switch = "warn"
    """A Go program without GOMEMLIMIT comes within a quarter of its limit."""

    no_maxmemory: Switch = "warn"
    """Redis has no `maxmemory`, so it grows until the kernel kills it."""
    workers_above_limit: Switch = "warn"
    """If each worker of a server held as much as the largest, one more worker would not fit below the limit."""
    malloc_arenas: Switch = "warn"
    """The arenas of glibc's malloc hold a tenth of the limit or more. Their number follows the machine's cores."""

    freed_memory_kept: Switch = "warn"
    """jemalloc or tcmalloc keeps much memory that is free: a trial with another setting settled far lower."""
    buffers_above_limit: Switch = "warn"
    """A JVM's largest heap, the direct buffers that it allows and the measured memory beside them exceed the limit."""

    @property
    def switched_on(self) -> frozenset[RuntimeRule]:
        """The rules that are told."""
        return frozenset(rule for rule in RuntimeRule if getattr(self, rule.value) == "warn")
