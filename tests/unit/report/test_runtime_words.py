"""Runtimes in words: each rule with its sum, and text from outside quoted."""

from dataclasses import replace

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import raw
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.measure.runtimes.runtime import Malloc, PreforkServer, Returned, Runtime, RuntimeKind, SettingPlace
from membudget.report.findings import Finding
from membudget.report.runtime_words import KINDS, LABELS, finding_words, runtime_problems, runtime_words
from tests.support.golden import assert_golden
from tests.support.runtimes import (
    buffered,
    dotnet,
    found,
    freeing,
    go,
    jvm,
    node,
    php_fpm,
    postgres,
    redis,
    threaded,
    workers,
)


def said(*runtimes: Runtime, **more: float) -> list[str]:
    return [raw(finding_words(finding)) for finding in found(*runtimes, **more)]  # type: ignore[arg-type]


def test_every_kind_and_rule_has_words() -> None:
    assert set(KINDS) == set(RuntimeKind)
    assert set(LABELS) == set(RuntimeRule)


BROKEN = (
    jvm(300, settings=("-Xmx300m",)),
    node(300, settings=("--max-old-space-size=296",)),
    jvm(230, variables={"JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=90"}),
    node(250, settings=("--max-old-space-size=246",)),
    jvm(64, beside=20, heap=40),
    node(64, settings=("--max-old-space-size=60",)),
    jvm(180, initial=180, settings=("-Xms180m", "-Xmx180m")),
    jvm(2048, sees_limit=False),
    go("1GiB"),
    go("250MiB", others=10),
    jvm(100, beside=250),
    redis(),
    redis(300),
    postgres(64, 16, 100),
    postgres(200, 4, 100),
    postgres(64, 16, 50, idle=(9, 1.5)),
    postgres(64, 4, 100, idle=(1.5,)),
    workers(80, 70, 60),
    workers(50, 40, 40, 30),
    threaded(16, 40),
    freeing(110, 30),
    replace(
        freeing(110, 30), malloc=Malloc.TCMALLOC, returned=Returned("TCMALLOC_AGGRESSIVE_DECOMMIT=t", 9 << 23, 1 << 23)
    ),
    buffered(120, 160),
    php_fpm(64, 5, 6, 6),
    dotnet(288, variables={"DOTNET_GCHeapHardLimit": "0x12000000"}),
)
"""One that breaks each rule, and its variants."""


def test_sentences() -> None:
    lines = [line for runtime in BROKEN for line in said(runtime)]
    assert len(lines) == len(BROKEN)
    assert_golden("runtime-findings.txt", "".join(f"{line}\n" for line in lines))


def test_go() -> None:
    (words,) = said(go(), peak=220)
    held = "it held 220.0 MiB of the limit of 256.0 MiB: Go collects late, whatever the limit is"
    assert words == f"api: Go: no GOMEMLIMIT, and {held} → set GOMEMLIMIT=230MiB, which is 256.0 MiB − 10%"
    (words,) = said(go("off"), peak=220)
    assert words.startswith("api: Go: GOMEMLIMIT=off sets no limit, and it held")


def test_arenas_of_a_database_are_not_its_connections() -> None:
    made = replace(postgres(24, 1, 10), malloc=Malloc.GLIBC, arenas=9, arena_bytes=30 * MIB)
    (words,) = said(made)
    assert "9 arenas of glibc's malloc hold 30.0 MiB" in words
    assert words.endswith(" → set MALLOC_ARENA_MAX=2")


def test_no_value_that_fits() -> None:
    (words,) = said(jvm(100, beside=250))
    assert words.endswith(" → no value fits beside that: raise the limit to 369.0 MiB")


def test_the_place_where_it_is_set() -> None:
    place = SettingPlace("services/api/Dockerfile", 12, is_exact=True)
    (words,) = said(replace(jvm(300, settings=("-Xmx300m",)), places={"-Xmx300m": place}))
    assert "(written in services/api/Dockerfile:12)" in words
    (words,) = said(replace(jvm(300), places={"": replace(place, is_exact=False)}))
    assert "(started in services/api/Dockerfile:12)" in words


def test_what_an_image_runs_on() -> None:
    made = replace(jvm(64, beside=60), malloc=Malloc.GLIBC)
    assert raw(runtime_words(made)) == (
        "runs on JVM 17.0.19 (/usr/lib/jvm/java-17-openjdk-amd64/bin/java), glibc's malloc; its heap may take"
        " 64.0 MiB, with 60.0 MiB beside it"
    )
    silent = replace(jvm(64), answer=None, unanswered="it said nothing")
    assert raw(runtime_words(silent)).endswith("; its ceiling is not known: it said nothing")
    forks = Runtime(RuntimeKind.PYTHON, "/usr/bin/python3", 1, 0, server=PreforkServer.GUNICORN, workers=(MIB, MIB))
    assert "gunicorn with 2 workers" in raw(runtime_words(forks))
    assert "gunicorn with at least 2 workers" in raw(runtime_words(replace(forks, lists_all_processes=False)))


def test_a_jvm_that_does_not_tell_where_its_heap_lies_has_bounds_and_a_reason() -> None:
    known = jvm(230, beside=60, settings=("-Xmx230m",))
    assert known.answer is not None
    unknown = replace(known, answer=replace(known.answer, heap_start=None), others_bytes=30 * MIB)
    (words,) = said(unknown)
    assert "may take 230.0 MiB, and 30.0 MiB at least were measured beside it: 260.0 MiB is above" in words
    assert words.endswith(
        "set -Xmx123m, which is 256.0 MiB − 5% − 120.0 MiB (all that the container holds, heap included),"
        " or a limit of 369.0 MiB"
    )
    text = raw(runtime_words(unknown))
    assert text.endswith("with at least 30.0 MiB beside it, because this JVM does not tell where its heap lies")
    text = raw(runtime_words(replace(unknown, others_bytes=0)))
    assert text.endswith("and what is beside it is not known, because this JVM does not tell where its heap lies")
    text = raw(runtime_words(replace(known, has_map=False)))
    assert text.endswith("and what is beside it is not known, because no memory map was read")


def test_text_from_outside_is_quoted() -> None:
    evil = "/x](http://evil)\x1b[31m`"
    made = replace(jvm(300, settings=("-Xmx300m",)), executable=evil)
    assert made.answer is not None
    made = replace(made, answer=replace(made.answer, version=evil), unanswered=evil)
    text = Finding(runtime_words(made)).as_markdown()
    assert "\x1b" not in text
    assert "`` /x](http://evil)` ``" in text
    finding = replace(found(made)[0], setting=evil, fitting=evil)
    assert "`` /x](http://evil)` ``" in Finding(finding_words(finding)).as_markdown()


def test_a_problem_passes_and_names_its_rule() -> None:
    findings: tuple[RuntimeFinding, ...] = found(jvm(300))
    (problem,) = runtime_problems(findings)
    assert problem.verdict == "warn"
    assert problem.elements[0].below[0].as_text() == "rule heap_above_limit"
    assert problem.elements[0].about == "api"
    assert list(runtime_problems(())) == []
