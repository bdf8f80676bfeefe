"""Property: the sum that a finding prints gives the value that it suggests, and that value silences the rule."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.core.untrusted_text import raw
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.measure.runtimes.runtime import Runtime, RuntimeAnswer, RuntimeKind
from membudget.report.runtime_words import finding_words
from tests.support.runtimes import (
    LIMIT_MIB,
    buffered,
    dotnet,
    found,
    go,
    jvm,
    node,
    php_fpm,
    postgres,
    redis,
    workers,
)

_SUM = re.compile(
    r", which is (?P<sum>.*?)(?: \(all .*?\))?(?: \((?:written|started) in .*\))?(?:, or a limit of .*)?$"
)
_UNITS = {"B": 1 / MIB, "KiB": 1 / 1024, "MiB": 1, "GiB": 1024}


def _sizes(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


RUNTIMES = st.one_of(
    st.builds(lambda heap, beside: jvm(heap, beside=beside, heap=heap / 4, settings=(f"-Xmx{heap}m",)),
              _sizes(8, 400), _sizes(0, 260)),
    st.builds(lambda heap, beside: replace(jvm(heap, beside=beside), has_map=False), _sizes(260, 400), _sizes(0, 260)),
    st.builds(lambda heap, idle: node(heap, idle=idle, settings=(f"--max-old-space-size={heap - 4}",)),
              _sizes(8, 400), _sizes(1, 260)),
    st.builds(lambda heap, others: dotnet(heap, others=others), _sizes(100, 400), _sizes(0, 260)),
    st.builds(lambda limit, others: go(f"{limit}MiB", others=others), _sizes(100, 400), _sizes(0, 260)),
    st.builds(lambda heap, direct, beside: buffered(heap, direct, beside=beside),
              _sizes(100, 250), _sizes(8, 250), _sizes(31, 150)),
    st.builds(lambda count, each, rest: workers(*[each] * count, rest=rest), _sizes(2, 20), _sizes(8, 90),
              _sizes(0, 200)),
    st.builds(redis, st.one_of(st.none(), _sizes(100, 400))),
    st.builds(lambda limit, most, idle, rest: php_fpm(limit, most, idle, idle, rest=rest), _sizes(16, 128),
              _sizes(2, 20), _sizes(4, 60), _sizes(0, 100)),
    st.builds(lambda shared, work, most, idle: postgres(shared, work, most, [idle]), _sizes(8, 200), _sizes(1, 64),
              _sizes(10, 200), _sizes(1, 4)),
)  # fmt: skip
"""Runtimes of every kind that has a sum, in a container of 256 MiB."""


@given(RUNTIMES)
def test_the_printed_sum_is_the_value_and_the_value_silences_the_rule(runtime: Runtime) -> None:
    for finding in found(runtime, peak=200):
        match = _SUM.search(raw(finding_words(finding)))
        if finding.fitting is None:
            assert match is None
            continue
        value = _value(finding)
        if match is not None:
            computed = _computed(match["sum"])
            if "Percentage" in finding.fitting:
                computed = 100 * computed / LIMIT_MIB
            # The value is rounded down, and the printed figures are rounded to a tenth.
            assert 0.97 * computed - 1.2 <= value <= 1.03 * computed + 0.2, match["sum"]
        after = [one.rule for one in found(_with(runtime, finding, value), peak=200)]
        assert finding.rule not in after, finding.fitting


def _computed(written: str) -> float:
    size = r"(\d+(?:\.\d+)?) (B|KiB|MiB|GiB)"
    numbers = re.sub(size, lambda found: str(float(found[1]) * _UNITS[found[2]]), written)
    numbers = re.sub(r"(\d+)% of ", r"0.01 * \1 * ", numbers)
    numbers = re.sub(r"− (\d+)%", rf"− 0.01 * \1 * {LIMIT_MIB}", numbers)
    numbers = numbers.replace("−", "-").replace("÷", "/").replace("×", "*")
    assert re.fullmatch(r"[0-9.+*/() -]+", numbers), written
    return float(eval(numbers))


def _value(finding: RuntimeFinding) -> float:
    """The value of the suggested setting, in MiB, or as a number."""
    fitting = finding.fitting or ""
    if "GCHeapHardLimit" in fitting:
        return int(fitting.partition("=")[2], 16) / MIB
    number = float(re.findall(r"\d+", fitting)[-1])
    return number / 1024 if fitting.endswith("kB") else number


def _with(runtime: Runtime, finding: RuntimeFinding, value: float) -> Runtime:
    """The runtime with the suggested value."""
    fitting, answer = finding.fitting or "", runtime.answer or RuntimeAnswer()
    size, of = round(value * MIB), answer.connections
    if fitting.startswith("GOMEMLIMIT"):
        return replace(runtime, variables={"GOMEMLIMIT": fitting.partition("=")[2]})
    if fitting.startswith("-XX:MaxDirect"):
        return replace(runtime, answer=replace(answer, direct_bytes=size))
    if fitting.startswith("-XX:MaxRAMPercentage"):
        return replace(runtime, answer=replace(answer, ceiling_bytes=int(value / 100 * LIMIT_MIB * MIB)))
    if fitting.startswith("--workers"):
        left = runtime.workers[: int(value)]
        whole = runtime.held_bytes + runtime.others_bytes - sum(runtime.workers[int(value) :])
        return replace(runtime, workers=left, others_bytes=whole - runtime.held_bytes)
    if of is not None:
        of = replace(of, each_bytes=size) if fitting.startswith("work_mem") else replace(of, most=int(value))
        ceiling = of.shared_bytes + of.most * of.each_bytes
        return replace(runtime, answer=replace(answer, ceiling_bytes=ceiling, connections=of))
    young = 4 * MIB if runtime.kind is RuntimeKind.NODE else 0
    return replace(runtime, answer=replace(answer, ceiling_bytes=size + young))
