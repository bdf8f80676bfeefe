"""Rules for freed memory, direct buffers, children of PHP-FPM, and .NET's limit."""

from dataclasses import replace

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import MIB
from tests.support.runtimes import buffered, dotnet, found, freeing, jvm, php_fpm

DIRECT = "-XX:MaxDirectMemorySize"


def test_freed_memory_that_is_kept() -> None:
    (finding,) = found(freeing(110, 30))
    assert (finding.rule, finding.held_bytes) == (RuntimeRule.FREED_MEMORY_KEPT, 80 * MIB)
    assert finding.fitting == "MALLOC_CONF=background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"
    assert finding.fitting_name == "MALLOC_CONF"
    assert found(freeing(110, 85)) == (), "less than a tenth of the limit"
    assert found(replace(freeing(110, 30), returned=None)) == ()


def test_direct_buffers_beside_the_heap() -> None:
    (finding,) = found(buffered(120, 160))
    assert finding.rule is RuntimeRule.BUFFERS_ABOVE_LIMIT
    assert (finding.setting, finding.fitting) == (f"{DIRECT}=160m", f"{DIRECT}=63m")
    assert finding.sum_bytes == 280 * MIB
    assert finding.fitting_limit_bytes == 358 * MIB
    assert found(buffered(120, 63)) == ()
    assert found(buffered(120, 136)) == (), "exactly the limit, with the measured rest in the buffers"
    assert [one.rule for one in found(buffered(200, 100))] == [RuntimeRule.CEILING_ABOVE_LIMIT], "the heap's rule"
    assert found(jvm(120)) == (), "nothing says what buffers may take"
    assert found(replace(buffered(120, 160), has_map=False)) == ()


def test_buffers_have_room_beside_all_memory_if_the_place_of_the_heap_is_not_known() -> None:
    made = buffered(120, 160, beside=30)
    assert made.answer is not None
    (finding,) = found(replace(made, answer=replace(made.answer, heap_start=None)))
    assert finding.rule is RuntimeRule.BUFFERS_ABOVE_LIMIT
    assert finding.fitting == "-XX:MaxDirectMemorySize=63m", "256 − 5% − 120 − 60, of which 30 may be heap"


def test_no_buffers_fit() -> None:
    (finding,) = found(buffered(180, 160))
    assert finding.fitting == f"{DIRECT}=3m"
    (finding,) = found(buffered(190, 160))
    assert finding.fitting is None


def test_children_of_php_fpm() -> None:
    (finding,) = found(php_fpm(64, 5, 6, 6))
    assert (finding.rule, finding.ceiling_bytes) == (RuntimeRule.CEILING_ABOVE_LIMIT, 320 * MIB)
    assert finding.fitting == "pm.max_children = 3", "233.2 MiB ÷ 70 MiB"
    assert finding.fitting_name == "pm.max_children"
    assert found(php_fpm(64, 4, 6, 6, rest=0)) == (), "256 MiB, and what idle children hold is not counted twice"
    (finding,) = found(php_fpm(300, 5, 6, 6))
    assert finding.fitting is None
    assert finding.fitting_limit_bytes == 1622 * MIB


def test_what_is_beside_the_children_of_php_fpm_counts() -> None:
    (finding,) = found(php_fpm(50, 5, 6, 6, rest=51))
    assert (finding.rule, finding.sum_bytes) == (RuntimeRule.CEILING_ABOVE_LIMIT, 301 * MIB)
    assert finding.fitting == "pm.max_children = 3", "(243.2 MiB − 51 MiB) ÷ 56 MiB"
    assert found(php_fpm(50, 4, 6, 6, rest=51)) == ()
    assert found(replace(php_fpm(50, 5, 6, 6, rest=51), counts_pages_once=False)) == (), "the rest is not known"


def test_nothing_is_beside_children_of_php_fpm_that_were_not_all_seen() -> None:
    seen = replace(php_fpm(64, 100, *[20] * 40), container_bytes=2030 * MIB)
    assert found(seen, limit=7000) == (), "6400 MiB, and 60 children are in what seems to be beside the others"
    (finding,) = found(seen, limit=6399)
    assert (finding.ceiling_bytes, finding.beside_bytes) == (6400 * MIB, 0)
    assert finding.fitting == "pm.max_children = 72", "6079 MiB ÷ 84 MiB"
    other = replace(php_fpm(64, 100, *[20] * 30), container_bytes=2030 * MIB, lists_all_processes=False)
    assert found(other, limit=7000) == ()


def test_php_fpm_is_given_one_value() -> None:
    made = php_fpm(300, 5, 60, 60, 60, 60)
    assert [one.rule for one in found(made)] == [RuntimeRule.CEILING_ABOVE_LIMIT]
    (finding,) = found(made, rules=(RuntimeRule.WORKERS_ABOVE_LIMIT,))
    assert finding.rule is RuntimeRule.WORKERS_ABOVE_LIMIT, "the other rule is off"


def test_the_limit_of_dotnet() -> None:
    variables = {"DOTNET_GCHeapHardLimit": "0x12000000"}
    (finding,) = found(dotnet(288, variables=variables))
    assert finding.rule is RuntimeRule.HEAP_ABOVE_LIMIT
    assert finding.setting == "DOTNET_GCHeapHardLimit=0x12000000"
    assert finding.fitting == "DOTNET_GCHeapHardLimit=0xb700000", "243.2 MiB − the 60 MiB that it held"
    (finding,) = found(dotnet(240, others=20))
    assert finding.rule is RuntimeRule.CEILING_ABOVE_LIMIT
    assert finding.fitting == "DOTNET_GCHeapHardLimit=0xa300000"
    assert found(dotnet(60)) == (), "what is beside its heap is not measured, so nothing is far below"
