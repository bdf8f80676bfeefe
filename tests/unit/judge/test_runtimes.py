"""The rules for runtimes: which sums break them, and which value fits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import GIB, MIB
from membudget.judge.runtime_finding import Exactness
from membudget.judge.runtimes import go_memory_limit, judge_runtimes
from membudget.judge.whole import judge
from membudget.measure.runtimes.runtime import Malloc, PreforkServer, Runtime, SettingPlace
from tests.support import builders
from tests.support.runtimes import found, go, jvm, node, postgres, redis, threaded, workers


def rules_of(*args: object, **more: object) -> list[RuntimeRule]:
    return [finding.rule for finding in found(*args, **more)]  # type: ignore[arg-type]


def test_a_heap_and_what_is_beside_it_above_the_limit() -> None:
    (finding,) = found(jvm(200, beside=60, settings=("-Xmx200m",)))
    assert finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT
    assert (finding.ceiling_bytes, finding.beside_bytes, finding.sum_bytes) == (200 * MIB, 60 * MIB, 260 * MIB)
    assert finding.setting == "-Xmx200m"
    assert finding.fitting == "-Xmx183m", "256 MiB − 5 % − 60 MiB"
    assert finding.fitting_limit_bytes == 274 * MIB


def test_exactly_the_limit_keeps_the_rule() -> None:
    assert found(jvm(196, beside=60)) == ()
    assert rules_of(jvm(197, beside=60)) == [RuntimeRule.CEILING_ABOVE_LIMIT]


def test_a_heap_above_the_limit_needs_no_map() -> None:
    without = replace(jvm(300), has_map=False, areas=())
    assert rules_of(without) == [RuntimeRule.HEAP_ABOVE_LIMIT]


def test_without_a_map_nothing_is_said_of_a_sum() -> None:
    assert found(replace(jvm(250), has_map=False)) == ()


def without_heap_start(runtime: Runtime) -> Runtime:
    """A JVM that does not tell where its heap lies: Java 8, ZGC, or one without compressed pointers."""
    assert runtime.answer is not None
    return replace(runtime, answer=replace(runtime.answer, heap_start=None))


def test_if_the_place_of_the_heap_is_not_known_what_is_above_it_is_a_lower_bound() -> None:
    assert found(without_heap_start(jvm(250, heap=100, beside=60))) == (), "all 160 MiB may be heap"
    (finding,) = found(replace(without_heap_start(jvm(250, heap=100, beside=60)), others_bytes=10 * MIB))
    assert (finding.rule, finding.beside_bytes) == (RuntimeRule.CEILING_ABOVE_LIMIT, 10 * MIB)
    assert finding.beside_bound is Exactness.AT_LEAST
    assert finding.fitting == "-XX:MaxRAMPercentage=28", "leaves room for all 170 MiB"
    assert found(jvm(250))[0].beside_bound is Exactness.EXACT
    (finding,) = found(without_heap_start(jvm(64, heap=60, beside=224)), limit=256)
    assert (finding.rule, finding.beside_bytes) == (RuntimeRule.CEILING_ABOVE_LIMIT, 220 * MIB)


def test_if_the_place_of_the_heap_is_not_known_a_ceiling_is_far_below_by_an_upper_bound() -> None:
    (finding,) = found(without_heap_start(jvm(40, heap=30, beside=50)))
    assert (finding.rule, finding.beside_bytes) == (RuntimeRule.CEILING_FAR_BELOW_LIMIT, 80 * MIB)
    assert finding.beside_bound is Exactness.AT_MOST
    assert found(without_heap_start(jvm(40, heap=30, beside=60))) == (), "128 MiB is half of it"


def test_a_limit_that_fits_has_room_for_all_that_a_jvm_may_hold_beside_its_heap() -> None:
    (finding,) = found(without_heap_start(jvm(300, heap=30, beside=60, settings=("-Xmx300m",))))
    assert finding.fitting_limit_bytes == 411 * MIB, "(300 + 90) / 0.95"


def test_a_ceiling_far_below_the_limit() -> None:
    (finding,) = found(jvm(64, beside=63))
    assert finding.rule is RuntimeRule.CEILING_FAR_BELOW_LIMIT
    assert finding.fitting == "-XX:MaxRAMPercentage=70"
    assert finding.fitting_limit_bytes is None
    assert found(jvm(64, beside=64)) == (), "half of it is enough"


def test_the_heap_of_the_last_flag_is_named_and_a_size_stands_before_a_share() -> None:
    both = jvm(200, settings=("-XX:MaxRAMPercentage=50",), variables={"JAVA_TOOL_OPTIONS": "-Xmx200m"})
    (finding,) = found(both)
    assert (finding.setting, finding.fitting) == ("-Xmx200m", "-Xmx183m")


@pytest.mark.parametrize(
    ("variables", "words", "obeyed"),
    [
        ({"_JAVA_OPTIONS": "-Xmx512m", "JAVA_TOOL_OPTIONS": "-Xmx80m"}, ("-Xmx100m",), "-Xmx512m"),
        ({"JDK_JAVA_OPTIONS": "-Xmx512m"}, ("-Xmx100m",), "-Xmx100m"),
        ({"JAVA_TOOL_OPTIONS": "-Xmx100m", "JDK_JAVA_OPTIONS": "-Xmx512m"}, (), "-Xmx512m"),
        ({"JAVA_TOOL_OPTIONS": "-Xmx100m -Xmx512m"}, (), "-Xmx512m"),
        ({"JAVA_TOOL_OPTIONS": "-Xmx100m"}, ("-Xmx80m", "-XX:MaxHeapSize=512m"), "-XX:MaxHeapSize=512m"),
    ],
)
def test_the_heap_of_the_setting_that_the_jvm_obeys_is_named(
    variables: dict[str, str], words: tuple[str, ...], obeyed: str
) -> None:
    """As OpenJDK 17 does: `java … -XX:+PrintFlagsFinal`."""
    (finding,) = found(jvm(512, variables=variables, settings=words))
    assert finding.setting == obeyed


def test_the_command_line_of_node_outranks_its_variable() -> None:
    runtime = node(515, variables={"NODE_OPTIONS": "--max-old-space-size=100"}, settings=("--max-old-space-size=512",))
    assert [finding.setting for finding in found(runtime)] == ["--max-old-space-size=512"]


def test_under_a_small_limit_a_share_of_it_sets_no_heap() -> None:
    (finding,) = found(jvm(48, beside=20), limit=192)
    assert finding.rule is RuntimeRule.CEILING_FAR_BELOW_LIMIT
    assert finding.fitting == "-Xmx162m"


def test_a_heap_above_the_limit_without_a_map_leaves_room_for_all_that_is_held() -> None:
    (finding,) = found(replace(jvm(512, beside=60, heap=30, settings=("-Xmx512m",)), has_map=False))
    assert finding.fitting == "-Xmx153m"


def test_no_value_fits_if_all_of_the_limit_is_taken() -> None:
    (finding,) = found(jvm(100, beside=250, settings=("-Xmx100m",)))
    assert finding.fitting is None
    assert finding.fitting_limit_bytes == 369 * MIB


def test_other_processes_count_beside_the_heap() -> None:
    assert rules_of(replace(jvm(150, beside=60), others_bytes=50 * MIB)) == [RuntimeRule.CEILING_ABOVE_LIMIT]


def test_a_jvm_that_does_not_see_the_limit() -> None:
    blind = jvm(2048, sees_limit=False, settings=("-XX:-UseContainerSupport",))
    (finding,) = found(blind)
    assert (finding.rule, finding.fitting) == (RuntimeRule.NO_CONTAINER_SUPPORT, "-XX:+UseContainerSupport")
    sized = jvm(150, sees_limit=False, settings=("-XX:-UseContainerSupport", "-Xmx150m"))
    assert found(sized) == (), "its heap is set"


def test_a_reserved_heap_that_is_not_used() -> None:
    flags = ("-Xms180m", "-Xmx180m")
    (finding,) = found(jvm(180, heap=89, initial=180, settings=flags))
    assert (finding.rule, finding.fitting) == (RuntimeRule.HEAP_RESERVED_UNUSED, "-Xms89m")
    assert found(jvm(180, heap=90, initial=180, settings=flags)) == (), "half of it is used"
    assert found(jvm(180, heap=10, initial=90, settings=flags)) == (), "it begins with less"
    assert found(jvm(180, heap=10, initial=180)) == (), "not by -Xms"
    assert rules_of(jvm(63, beside=70, heap=10, initial=63, settings=("-Xms63m",))) == [], "a small heap"


def test_a_reserved_heap_that_is_set_by_a_long_flag() -> None:
    (finding,) = found(jvm(180, heap=89, initial=180, settings=("-XX:InitialHeapSize=180m", "-Xmx180m")))
    assert (finding.rule, finding.fitting) == (RuntimeRule.HEAP_RESERVED_UNUSED, "-XX:InitialHeapSize=89m")


@pytest.mark.parametrize("name", ["--workers", "-w", "WEB_CONCURRENCY"])
def test_where_the_number_of_workers_is_written(name: str) -> None:
    start, exact = SettingPlace("Dockerfile", 9, is_exact=False), SettingPlace("Dockerfile", 5, is_exact=True)
    (finding,) = found(replace(workers(*[40] * 8), places={"": start, name: exact}))
    assert finding.place == exact
    (finding,) = found(replace(workers(*[40] * 8), places={"": start, "GOMEMLIMIT": exact}))
    assert finding.place == start


def test_node() -> None:
    (finding,) = found(node(260, settings=("--max-old-space-size=256",)))
    assert (finding.rule, finding.fitting) == (RuntimeRule.HEAP_ABOVE_LIMIT, "--max-old-space-size=229")
    (finding,) = found(node(250, variables={"NODE_OPTIONS": "--max_old_space_size=246"}))
    assert (finding.rule, finding.setting) == (RuntimeRule.CEILING_ABOVE_LIMIT, "--max_old_space_size=246")
    assert found(node(131)) == (), "the default, half of the limit"
    (finding,) = found(node(2096), limit=8192)
    assert finding.rule is RuntimeRule.CEILING_FAR_BELOW_LIMIT, "the default of a large container"


def test_what_node_holds_above_its_ceiling_is_beside_it() -> None:
    assert rules_of(node(130, held=260)) == [RuntimeRule.CEILING_ABOVE_LIMIT]


def test_go_near_its_limit_without_a_memory_limit() -> None:
    (finding,) = found(go(), peak=192)
    assert (finding.rule, finding.fitting) == (RuntimeRule.NO_GO_MEMORY_LIMIT, "GOMEMLIMIT=230MiB")
    assert found(go(), peak=191) == ()
    assert rules_of(go("off"), peak=192) == [RuntimeRule.NO_GO_MEMORY_LIMIT]
    assert rules_of(go(), peak=50, killed=True) == [RuntimeRule.NO_GO_MEMORY_LIMIT], "it reached its limit"
    assert found(go("230MiB"), peak=250) == ()


def test_a_memory_limit_of_go_above_the_limit() -> None:
    assert rules_of(go("1GiB")) == [RuntimeRule.HEAP_ABOVE_LIMIT]
    (finding,) = found(go("250MiB", others=10))
    assert (finding.rule, finding.fitting) == (RuntimeRule.CEILING_ABOVE_LIMIT, "GOMEMLIMIT=220MiB")


def test_redis() -> None:
    (finding,) = found(redis(), peak=30)
    assert (finding.rule, finding.fitting) == (RuntimeRule.NO_MAXMEMORY, "maxmemory 192mb")
    assert found(redis(256)) == ()
    assert rules_of(redis(257)) == [RuntimeRule.HEAP_ABOVE_LIMIT]
    assert found(replace(redis(), answer=None)) == (), "it did not answer"


def test_connections_of_a_database() -> None:
    (finding,) = found(postgres(64, 16, 100))
    assert (finding.rule, finding.ceiling_bytes) == (RuntimeRule.CEILING_ABOVE_LIMIT, 1664 * MIB)
    assert finding.fitting == "work_mem=1223kB"
    assert found(postgres(64, 1223 / 1024, 100)) == ()
    (finding,) = found(postgres(200, 4, 100))
    assert finding.fitting == "max_connections=7", "with less than 1 MiB each, there are too many"
    assert found(postgres(200, 4, 10)) == ()
    (finding,) = found(postgres(300, 4, 100))
    assert finding.fitting is None
    assert finding.fitting_limit_bytes == 948 * MIB


def test_the_value_for_connections_leaves_room_for_what_each_holds_and_a_sort_takes() -> None:
    assert found(postgres(16, 2, 100, idle=(5, 1.5))) == (), "by its settings, 216 MiB"
    (finding,) = found(postgres(16, 4, 100, idle=(5, 1.5, 1.5)))
    assert (finding.ceiling_bytes, finding.held_bytes) == (416 * MIB, 1.5 * MIB)
    assert finding.fitting == f"max_connections={int((0.95 * 256 - 16) / (1.5 * 4 + 1.5))}"
    (finding,) = found(postgres(16, 8, 50, idle=(1.5,)))
    each = ((0.95 * 256 - 16) / 50 - 1.5) / 1.5
    assert finding.fitting == f"work_mem={int(1024 * each)}kB"
    assert found(postgres(16, each, 50, idle=(1.5,))) == ()


def test_workers_and_one_more() -> None:
    (finding,) = found(workers(50, 40, 40, 30))
    assert finding.rule is RuntimeRule.WORKERS_ABOVE_LIMIT
    assert (finding.held_bytes, finding.beside_bytes) == (50 * MIB, 20 * MIB)
    assert finding.ceiling_bytes == 4 * 50 * MIB
    assert finding.fitting == "--workers=3", "4.4 fit, and one of them is the next"
    assert found(workers(50, 40, 30)) == (), "20 MiB and four times 50 MiB fit"
    assert found(workers(250, rest=2)) == (), "one worker is not replaced beside itself"
    (finding,) = found(workers(120, 120, rest=30))
    assert finding.fitting is None
    assert found(workers(50, 40, 40, 30, exact=False)) == (), "shared pages may count several times"
    (finding,) = found(workers(50, 40, 40, 30, server=PreforkServer.PUMA))
    assert finding.fitting == "-w 3"


def test_workers_that_were_not_all_seen_break_no_rule() -> None:
    """The rest of the container would hold the others: 60 workers fit, but 40 of them and the rest do not."""
    many = replace(workers(*[60] * 40), container_bytes=(60 * 60 + 40) * MIB)
    assert found(many, limit=3680) == ()
    few = replace(workers(*[60] * 39), container_bytes=(60 * 60 + 40) * MIB)
    assert rules_of(few, limit=3680) == [RuntimeRule.WORKERS_ABOVE_LIMIT]
    assert found(replace(few, lists_all_processes=False), limit=3680) == ()


def test_apache_limits_its_processes_whatever_its_module_for_requests_is() -> None:
    """MaxRequestWorkers would count threads with the module event, which is the default."""
    (finding,) = found(workers(*[40] * 8, server=PreforkServer.APACHE))
    assert finding.fitting == "ServerLimit 4"


def test_arenas() -> None:
    (finding,) = found(threaded(16, 26))
    assert (finding.rule, finding.fitting) == (RuntimeRule.MALLOC_ARENAS, "MALLOC_ARENA_MAX=2")
    assert found(threaded(16, 25)) == ()
    assert found(threaded(4, 100)) == ()
    assert found(threaded(16, 100, {"MALLOC_ARENA_MAX": "8"})) == (), "somebody decided"
    assert found(threaded(16, 100, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"})) == ()
    assert found(replace(threaded(16, 100), malloc=Malloc.JEMALLOC)) == ()
    assert rules_of(replace(jvm(190, beside=60), arenas=20, arena_bytes=30 * MIB, malloc=Malloc.GLIBC)) == [
        RuntimeRule.MALLOC_ARENAS
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [("1024", 1024), ("10B", 10), ("2KiB", 2048), ("200MiB", 200 * MIB), ("1GiB", GIB), ("off", None), (None, None),
     ("1GB", None), ("1.5GiB", None), ("-1", None), ("9" * 40, None)],
)  # fmt: skip
def test_gomemlimit(text: str | None, size: int | None) -> None:
    assert go_memory_limit(text) == size


def test_a_rule_that_is_switched_off_is_not_told() -> None:
    only = (RuntimeRule.HEAP_ABOVE_LIMIT,)
    assert found(jvm(200), rules=only) == ()
    assert [one.rule for one in found(jvm(300), rules=only)] == [RuntimeRule.HEAP_ABOVE_LIMIT]


def test_a_finding_changes_no_verdict_and_no_warning() -> None:
    head = replace(builders.side(builders.trial(40)), runtimes=(jvm(300),))
    image = builders.image("api", base=builders.side(builders.trial(40)), head=head)
    judged = judge([image], runtime_rules=tuple(RuntimeRule))
    plain = judge([replace(image, head=replace(head, runtimes=()))], runtime_rules=tuple(RuntimeRule))
    assert judged.runtimes
    assert (judged.verdict, judged.has_warnings) == (plain.verdict, plain.has_warnings)


def test_the_base_is_not_judged() -> None:
    base = replace(builders.side(builders.trial(40)), runtimes=(jvm(300),))
    image = builders.image("api", base=base, head=builders.side(builders.trial(40)))
    assert judge_runtimes([image], tuple(RuntimeRule)) == ()


def test_the_place_of_a_setting_or_of_the_start() -> None:
    written, start = SettingPlace("Dockerfile", 3, is_exact=True), SettingPlace("Dockerfile", 9, is_exact=False)
    (finding,) = found(replace(jvm(200, settings=("-Xmx200m",)), places={"-Xmx200m": written, "": start}))
    assert finding.place == written
    (finding,) = found(replace(jvm(64, beside=10), places={"": start}))
    assert finding.place == start
    (finding,) = found(jvm(64, beside=10))
    assert finding.place is None


@pytest.mark.thorough
@given(st.integers(1, 4000), st.integers(0, 4000), st.integers(64, 4000), st.booleans())
def test_a_value_that_fits_keeps_all_rules_of_the_sum(ceiling: int, beside: int, limit: int, is_node: bool) -> None:
    made = node(ceiling, idle=beside, held=0) if is_node else jvm(ceiling, beside=beside, heap=0)
    for finding in found(made, limit=limit):
        if finding.fitting is None:
            continue
        number = int("".join(character for character in finding.fitting.rpartition("=")[2] if character.isdigit()))
        fitted = number + 4 if is_node else number * limit / 100
        again = node(fitted, idle=beside, held=0) if is_node else jvm(fitted, beside=beside, heap=0)
        rules = rules_of(again, limit=limit)
        assert RuntimeRule.CEILING_ABOVE_LIMIT not in rules
        assert RuntimeRule.HEAP_ABOVE_LIMIT not in rules
        assert RuntimeRule.CEILING_FAR_BELOW_LIMIT not in rules
