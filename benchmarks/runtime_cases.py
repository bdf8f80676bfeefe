"""Containers that break the rules for runtimes, and containers that keep them: what bench-runtime-rules runs.

Which of them breaks a rule follows from how it is made, and not from what membudget says of it: a heap of 97 % of the
limit leaves no room for the rest of a JVM, and one of half of the limit does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from membudget.budgets.runtimes import RuntimeRule
from membudget.budgets.workload import DriverWorkload
from membudget.budgets.workload_parts import HttpRequests, Readiness, WorkloadKind
from tests.support.trials import http

READY = Readiness(http="/")
SMOKE = http(HttpRequests(path="/", count=30, concurrency=4), ready=READY)
FILL = http(HttpRequests(path="/fill", count=160, concurrency=4), ready=READY)
DEBIANS = ("bookworm", "trixie")
_LIMITS = (192, 224, 256, 288, 320, 384)


@dataclass(frozen=True, slots=True)
class Case:
    """A container with its settings, which breaks one rule or keeps it."""

    rule: RuntimeRule
    breaks: bool
    image: str
    """A folder of ceilings/ or of the other services, and after a colon the version of Debian."""
    limit_mib: int
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    """None: the image's own."""
    smoke: WorkloadKind = SMOKE
    """What the check runs."""
    load: WorkloadKind | None = None
    """What fills memory as far as it may grow. None: the case is not loaded."""

    @property
    def settings(self) -> str:
        """The settings in a line."""
        return " ".join((*(f"{key}={value}" for key, value in self.environment.items()), *(self.command or ())))

    def with_setting(self, setting: str | None, fitting: str) -> "Case":
        """Return the case with the value that a finding prints, in the place of the setting that it names."""
        name, _, value = fitting.partition("=")
        if self.command is not None:
            return replace(self, command=_with_word(self.command, fitting))
        if fitting.startswith("--workers"):
            return self._with("GUNICORN_CMD_ARGS", fitting)
        if fitting.startswith("--"):
            return self._with("NODE_OPTIONS", fitting)
        if fitting.startswith("-X"):
            words = self.environment.get("JAVA_TOOL_OPTIONS", "").split()
            return self._with("JAVA_TOOL_OPTIONS", " ".join((*(word for word in words if word != setting), fitting)))
        return self._with(name, value)

    def _with(self, name: str, value: str) -> "Case":
        return replace(self, environment={**self.environment, name: value})


def _with_word(command: tuple[str, ...], fitting: str) -> tuple[str, ...]:
    """Return a command of Redis or PostgreSQL with another setting."""
    if command[0] == "redis-server":
        return (*command, f"--{fitting}")
    name = fitting.partition("=")[0]
    return tuple(fitting if word.startswith(f"{name}=") else word for word in command)


def cases(rule: RuntimeRule, count: int) -> list[Case]:
    """Return `count` containers that break a rule, and as many that keep it."""
    made = _MAKERS[rule]
    return [made(number, breaks) for breaks in (True, False) for number in range(count)]


def _jvm(rule: RuntimeRule, number: int, breaks: bool, flags: str, limit: int, **more: WorkloadKind | None) -> Case:
    environment = {"JAVA_TOOL_OPTIONS": flags.strip()} if flags.strip() else {}
    image = f"jvm:{DEBIANS[number % 2]}"
    return replace(Case(rule, breaks, image, limit, environment), **more)  # type: ignore[arg-type]  # by name


_COLLECTORS = ("", "-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseG1GC")


def _heap_above_limit(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.HEAP_ABOVE_LIMIT, _LIMITS[number % 6]
    share = (1.05 + 0.07 * number) if breaks else (0.45 + 0.005 * number)
    mib = round(share * limit)
    if number % 3 == 0:
        return _jvm(rule, number, breaks, f"{_COLLECTORS[number // 3 % 4]} -Xmx{mib}m", limit, load=FILL)
    if number % 3 == 1:
        environment = {"NODE_OPTIONS": f"--max-old-space-size={mib}"}
        return Case(rule, breaks, f"node:{DEBIANS[number % 2]}", limit, environment, load=FILL)
    environment = {"GOMEMLIMIT": f"{mib}MiB", "LIVE_MIB": str(round(0.4 * limit))}
    return Case(rule, breaks, f"golang:{DEBIANS[number % 2]}", limit, environment, smoke=FILL, load=FILL)


def _ceiling_above_limit(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.CEILING_ABOVE_LIMIT, _LIMITS[number % 6]
    share = (0.97 + 0.001 * number) if breaks else (0.45 + 0.005 * number)
    if number % 3 == 0:
        return _jvm(
            rule, number, breaks, f"{_COLLECTORS[number // 3 % 4]} -Xmx{round(share * limit)}m", limit, load=FILL
        )
    if number % 3 == 1:
        return _jvm(rule, number, breaks, f"-XX:MaxRAMPercentage={100 * share:.1f}", limit, load=FILL)
    environment = {"NODE_OPTIONS": f"--max-old-space-size={round(share * limit) - (5 if breaks else 0)}"}
    return Case(rule, breaks, f"node:{DEBIANS[number % 2]}", limit, environment, load=FILL)


def _ceiling_far_below_limit(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.CEILING_FAR_BELOW_LIMIT, 448 + 16 * number
    if breaks:
        share = 0.12 + 0.005 * number
        flags = "" if number % 5 == 0 else f"-Xmx{round(share * limit)}m"
    else:
        share = 0.52 + 0.005 * number
        flags = f"-Xmx{round(share * limit)}m" if number % 4 else f"-XX:MaxRAMPercentage={100 * share:.0f}"
    if number % 3 < 2:
        return _jvm(rule, number, breaks, f"{_COLLECTORS[number % 4]} {flags}", limit, load=FILL)
    environment = {"NODE_OPTIONS": f"--max-old-space-size={round(share * limit)}"}
    return Case(rule, breaks, f"node:{DEBIANS[number % 2]}", limit, environment, load=FILL)


def _heap_reserved_unused(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.HEAP_RESERVED_UNUSED, _LIMITS[number % 6] + 64
    mib = round((0.5 + 0.005 * number) * limit)
    collector = _COLLECTORS[1:][number % 3]
    if breaks:
        return _jvm(rule, number, breaks, f"{collector} -Xms{mib}m -Xmx{mib}m", limit, load=FILL)
    if number % 3 == 0:  # it starts small
        return _jvm(rule, number, breaks, f"{collector} -Xms{mib // 4}m -Xmx{mib}m", limit)
    if number % 3 == 1:  # it uses what it reserves
        return _jvm(rule, number, breaks, f"{collector} -Xms{mib}m -Xmx{mib}m", limit, smoke=FILL)
    return _jvm(rule, number, breaks, f"{collector} -Xms{mib}m -Xmx{mib}m -XX:+AlwaysPreTouch", limit)


def _no_container_support(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.NO_CONTAINER_SUPPORT, _LIMITS[number % 6]
    collector = _COLLECTORS[number % 4]
    if breaks:
        return _jvm(rule, number, breaks, f"{collector} -XX:-UseContainerSupport", limit, load=FILL)
    blind = f"-XX:-UseContainerSupport -Xmx{limit // 2}m"  # it need not see the limit
    return _jvm(rule, number, breaks, f"{collector} {blind if number % 2 else '-XX:MaxRAMPercentage=55'}", limit)


def _no_go_memory_limit(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.NO_GO_MEMORY_LIMIT, _LIMITS[number % 6]
    image = f"golang:{DEBIANS[number % 2]}"
    live = round((0.45 + 0.005 * number) * limit)
    if breaks:
        return Case(rule, breaks, image, limit, {"LIVE_MIB": str(live)}, smoke=FILL, load=FILL)
    if number % 2:
        environment = {"LIVE_MIB": str(live), "GOMEMLIMIT": f"{round(0.88 * limit)}MiB"}
        return Case(rule, breaks, image, limit, environment, smoke=FILL)
    return Case(rule, breaks, image, limit, {"LIVE_MIB": str(round((0.05 + 0.004 * number) * limit))}, smoke=FILL)


def _redis_load(count: int) -> DriverWorkload:
    client = ("redis-benchmark", "-q", "-n", str(count), "-r", str(count), "-d", "4096", "-t", "set")
    return DriverWorkload(kind="driver", image="sessions", ready=Readiness(tcp=6379), command=client)


def _no_maxmemory(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.NO_MAXMEMORY, 48 + 8 * (number % 12)
    command: tuple[str, ...] = ("redis-server", "--save", "", "--protected-mode", "no", "--maxmemory-policy",
                                ("allkeys-lru", "noeviction", "volatile-ttl")[number % 3])  # fmt: skip
    if not breaks:
        command = (*command, "--maxmemory", (f"{round(0.7 * limit)}mb", str(limit << 19))[number % 2])
    return Case(rule, breaks, "sessions", limit, command=command, smoke=_redis_load(500), load=_redis_load(40_000))


def _workers_above_limit(number: int, breaks: bool) -> Case:
    rule, workers, each = RuntimeRule.WORKERS_ABOVE_LIMIT, 3 + number % 6, 20 + 4 * (number % 7)
    private, rest = 5, 12
    limit = rest + (each + private) * (workers + (0.4 if breaks else 2))
    environment = {"GUNICORN_CMD_ARGS": f"--workers={workers}", "WORKER_MIB": str(each)}
    most = http(HttpRequests(path="/", count=40 * workers, concurrency=2 * workers), ready=READY)
    loaded = http(HttpRequests(path="/", count=200 * workers, concurrency=2 * workers), ready=READY)
    return Case(rule, breaks, f"prefork:{DEBIANS[number % 2]}", round(limit), environment, smoke=most, load=loaded)


def _malloc_arenas(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.MALLOC_ARENAS, 160 + 8 * (number % 10)
    load = http(HttpRequests(path="/", duration="3s", concurrency=12))
    environment = {}
    if not breaks:
        environment = (
            {"MALLOC_ARENA_MAX": str(1 + number % 4)}, {"GLIBC_TUNABLES": f"glibc.malloc.arena_max={1 + number % 3}"}
        )[number % 2]  # fmt: skip
    return Case(rule, breaks, "threads", limit, environment, smoke=load, load=load)


_MAKERS = {
    RuntimeRule.HEAP_ABOVE_LIMIT: _heap_above_limit,
    RuntimeRule.CEILING_ABOVE_LIMIT: _ceiling_above_limit,
    RuntimeRule.CEILING_FAR_BELOW_LIMIT: _ceiling_far_below_limit,
    RuntimeRule.HEAP_RESERVED_UNUSED: _heap_reserved_unused,
    RuntimeRule.NO_CONTAINER_SUPPORT: _no_container_support,
    RuntimeRule.NO_GO_MEMORY_LIMIT: _no_go_memory_limit,
    RuntimeRule.NO_MAXMEMORY: _no_maxmemory,
    RuntimeRule.WORKERS_ABOVE_LIMIT: _workers_above_limit,
    RuntimeRule.MALLOC_ARENAS: _malloc_arenas,
}
RULES = tuple(_MAKERS)
