"""Containers that break the rules for runtimes, and containers that keep them: what bench-runtime-rules runs.

Which of them breaks a rule follows from how it is made, and not from what membudget says of it: a heap of 97 % of the
limit leaves no room for the rest of a JVM, and one of half of the limit does.
"""

from collections.abc import Callable, Mapping
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
        if fitting.startswith("pm.max_children"):
            return self._with("MAX_CHILDREN", fitting.rpartition(" ")[2])
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


def cases(group: str, count: int) -> list[Case]:
    """Return `count` containers that break a rule, and as many that keep it."""
    made = _MAKERS[group]
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
    if number % 3 == 1:  # below 250 MiB, HotSpot takes half of the memory, whatever the flag says
        return _jvm(rule, number, breaks, f"-XX:MaxRAMPercentage={100 * share:.1f}", limit + 64, load=FILL)
    old = limit - 5 - number % 2 if breaks else round(share * limit)  # V8 adds its young generation
    environment = {"NODE_OPTIONS": f"--max-old-space-size={old}"}
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


def _freed_memory_kept(number: int, breaks: bool) -> Case:
    rule, is_tcmalloc = RuntimeRule.FREED_MEMORY_KEPT, number // 2 % 2
    limit = 256 + 4 * (number % 8) + (0 if is_tcmalloc else 128)  # jemalloc may hold several bursts
    library = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4")[is_tcmalloc]
    load = http(HttpRequests(path="/", count=20, concurrency=1))
    environment = {
        "LD_PRELOAD": f"/lib/{library}",
        "BURST_MIB": str(44 + number + 50 * is_tcmalloc),
        "KEPT_MIB": str(4 + number % 5),
    }
    if not breaks and number % 3 < 2:  # what it holds is in use
        environment |= {"BURST_MIB": str(1 + number % 3), "KEPT_MIB": str(50 + 2 * number)}
    elif not breaks:  # what it holds at rest is little
        environment |= {"BURST_MIB": str(2 + number % 4), "KEPT_MIB": "2"}
    return Case(rule, breaks, f"native:{DEBIANS[number % 2]}", limit, environment, smoke=load, load=load)


def _buffers_above_limit(number: int, breaks: bool) -> Case:
    rule, limit = RuntimeRule.BUFFERS_ABOVE_LIMIT, _LIMITS[number % 6]
    heap, direct = round(0.4 * limit), round(((0.62 + 0.02 * number) if breaks else (0.1 + 0.005 * number)) * limit)
    flags = f"{_COLLECTORS[number % 4]} -Xmx{heap}m -XX:MaxDirectMemorySize={direct}m"
    both = http(
        HttpRequests(path="/fill", count=100, concurrency=4), HttpRequests(path="/direct", count=80, concurrency=4),
        ready=READY,
    )  # fmt: skip
    return _jvm(rule, number, breaks, flags, limit, load=both)


def _children_of_php(number: int, breaks: bool) -> Case:
    rule, limit, children = RuntimeRule.CEILING_ABOVE_LIMIT, 128 + 16 * (number % 8), 3 + number % 6
    each = round((1.1 + 0.03 * number if breaks else 0.35 + 0.008 * number) * limit / children)
    environment = {"MAX_CHILDREN": str(children), "MEMORY_LIMIT": f"{each}M"}
    one = "SCRIPT_FILENAME=/app/fill.php REQUEST_METHOD=GET cgi-fcgi -bind -connect 127.0.0.1:9000 >/dev/null"
    smoke, load = (
        DriverWorkload(
            kind="driver", image="php:bookworm", ready=Readiness(tcp=9000),
            command=("sh", "-c", f"for n in $(seq {2 * children}); do {prefix}{one} & done; wait"),
        )
        for prefix in ("", "FILL=1 ")
    )  # fmt: skip
    return Case(rule, breaks, f"php:{DEBIANS[number % 2]}", limit, environment, smoke=smoke, load=load)


_NOTES = " UNION ALL ".join(["SELECT note FROM orders"] * 7)
_SORTED = (
    f"BEGIN; DECLARE sorted CURSOR FOR SELECT note FROM (SELECT note FROM ({_NOTES}) every"
    " LIMIT (SELECT pg_size_bytes(current_setting('work_mem')) / 100)) notes ORDER BY note;"
    " FETCH 1 FROM sorted; SELECT pg_sleep(3); COMMIT;"
)
"""Sorts as many notes as fit into work_mem, about 100 bytes each, and keeps them until all others have done so."""


def _connections_of_postgres(number: int, breaks: bool) -> Case:
    rule, limit, most = RuntimeRule.CEILING_ABOVE_LIMIT, 192 + 16 * (number % 8), 16 + 2 * (number % 6)
    shared = 16 + 2 * (number % 5)
    each = (limit - shared) / most
    work = (1.1 + 0.03 * number) * each if breaks else (0.5 + 0.008 * number) * each - 2  # 2 MiB: an idle connection
    settings = (
        "listen_addresses=127.0.0.1", "fsync=off", "jit=off", "max_parallel_workers_per_gather=0",
        f"shared_buffers={shared}MB", f"max_connections={most}", f"work_mem={round(1024 * work)}kB",
    )  # fmt: skip
    command = ("postgres", *(word for setting in settings for word in ("-c", setting)))
    script = 'echo "{}" >/tmp/q.sql && pgbench -h 127.0.0.1 -U postgres -n -c {} -t 2 -f /tmp/q.sql shop'
    smoke, load = (
        DriverWorkload(
            kind="driver", image="postgres", ready=Readiness(tcp=5432), command=("sh", "-c", script.format(*of)),
        )
        for of in (("SELECT sum(price) FROM orders", 3), (_SORTED, most - 1))
    )  # fmt: skip
    return Case(rule, breaks, "postgres", limit, command=command, smoke=smoke, load=load)


_MAKERS: Mapping[str, Callable[[int, bool], Case]] = {
    RuntimeRule.HEAP_ABOVE_LIMIT: _heap_above_limit,
    RuntimeRule.CEILING_ABOVE_LIMIT: _ceiling_above_limit,
    RuntimeRule.CEILING_FAR_BELOW_LIMIT: _ceiling_far_below_limit,
    RuntimeRule.HEAP_RESERVED_UNUSED: _heap_reserved_unused,
    RuntimeRule.NO_CONTAINER_SUPPORT: _no_container_support,
    RuntimeRule.NO_GO_MEMORY_LIMIT: _no_go_memory_limit,
    RuntimeRule.NO_MAXMEMORY: _no_maxmemory,
    RuntimeRule.WORKERS_ABOVE_LIMIT: _workers_above_limit,
    RuntimeRule.MALLOC_ARENAS: _malloc_arenas,
    RuntimeRule.FREED_MEMORY_KEPT: _freed_memory_kept,
    RuntimeRule.BUFFERS_ABOVE_LIMIT: _buffers_above_limit,
    "children_of_php": _children_of_php,
    "connections_of_postgres": _connections_of_postgres,
}
GROUPS = tuple(map(str, _MAKERS))
"""The rules, and other runtimes that a rule is about."""
