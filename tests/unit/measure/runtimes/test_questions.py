"""What runtimes are asked, and how their answers are read, also if these are lies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.runtimes.asking import with_variables_of
from membudget.measure.runtimes.questions import question, read_answer
from membudget.measure.runtimes.runtime import Runtime, RuntimeKind
from tests.support.runtimes import go, jvm, node

OPENJDK = (Path(__file__).parent / "recorded/openjdk-17.txt").read_text()


def node_says(**more: object) -> str:
    said = {
        "ceiling": 259 * MIB,
        "version": "v18.20.4",
        "heap": 5 * MIB,
        "status": "Name:\tnode\nRssAnon:\t  13312 kB\n",
    }
    return json.dumps({**said, **more})


def test_a_jvm_is_asked_with_the_memory_flags_of_its_process() -> None:
    made = replace(
        jvm(settings=("-Xmx64m", "-XX:+AlwaysPreTouch", "--max-old-space-size=1")),
        variables={"JAVA_TOOL_OPTIONS": "-XX:+AlwaysPreTouch -XX:MaxRAMPercentage=70"},
    )
    asked = question(made)
    assert asked is not None
    assert asked.command == (
        made.executable, "-Xmx64m", "-Xlog:gc+heap+coops=debug", "-XX:+PrintFlagsFinal", "-version",
    )  # fmt: skip
    assert asked.variables == {"JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=70"}


def test_jdk_8_is_not_asked_for_what_it_does_not_know() -> None:
    asked = question(replace(jvm(), executable="/usr/lib/jvm/java-8-openjdk-amd64/jre/bin/java"))
    assert asked is not None
    assert not any("Xlog" in word for word in asked.command)


def test_node_is_asked_with_its_flags() -> None:
    asked = question(node(64, settings=("--max-old-space-size=64",), variables={"NODE_OPTIONS": ""}))
    assert asked is not None
    assert asked.command[:3] == ("/usr/bin/node", "--max-old-space-size=64", "-p")


def test_variables_of_the_container_count_where_those_of_the_process_are_not_readable() -> None:
    image = ("PATH=/bin", "PASSWORD=hunter2", "JAVA_TOOL_OPTIONS=-Xmx64m -Dpassword=hunter2", "GOGC=50")
    given = {"JAVA_TOOL_OPTIONS": "-Xmx96m", "TOKEN": "hunter2", "GOMEMLIMIT": "hunter2"}
    known = with_variables_of(jvm(variables={"GOGC": "80"}), image, given, ("hunter2",))
    assert known.variables == {"JAVA_TOOL_OPTIONS": "-Xmx96m", "GOGC": "80", "GOMEMLIMIT": "***"}


def test_others_are_not_asked() -> None:
    assert question(go()) is None
    assert question(Runtime(RuntimeKind.NGINX, "/usr/sbin/nginx", 0, 0)) is None


def test_an_answer_of_openjdk_17() -> None:
    answer = read_answer(RuntimeKind.JVM, OPENJDK)
    assert answer is not None
    assert (answer.ceiling_bytes, answer.initial_bytes) == (128 * MIB, 8 * MIB)
    assert (answer.heap_start, answer.version, answer.sees_limit) == (0xF8000000, "17.0.19", True)


def test_an_answer_of_jdk_8_has_another_form() -> None:
    said = (
        "    uintx MaxHeapSize                              := 134217728                           {product}\n"
        "     bool UseContainerSupport                       = false                               {product}\n"
        'java version "1.8.0_392"\n'
    )
    answer = read_answer(RuntimeKind.JVM, said)
    assert answer is not None
    assert (answer.ceiling_bytes, answer.heap_start, answer.version, answer.sees_limit) == (
        128 * MIB, None, "1.8.0_392", False,
    )  # fmt: skip


def test_an_answer_of_node() -> None:
    answer = read_answer(RuntimeKind.NODE, f"(node:1) Warning: something\n{node_says()}\n")
    assert answer is not None
    assert (answer.ceiling_bytes, answer.idle_beside_bytes, answer.version) == (259 * MIB, 8 * MIB, "v18.20.4")


@pytest.mark.parametrize(
    "said",
    [
        "", "java: not found", "size_t MaxHeapSize = -5 {product}\n",
        f"size_t MaxHeapSize = {'9' * 5000} {{product}}\n",
        "size_t MaxHeapSize = 18446744073709551615 {product}\n", "size_t MaxHeapSize = ٣٤ {product}\n",
    ],
)  # fmt: skip
def test_what_is_no_answer_of_a_jvm(said: str) -> None:
    assert read_answer(RuntimeKind.JVM, said) is None


@pytest.mark.parametrize(
    "said",
    [
        "[]", '{"ceiling"', node_says(ceiling=True), node_says(ceiling="1"), node_says(ceiling=-1),
        node_says(ceiling=0), node_says(ceiling=1 << 80), '{"ceiling": ' + "[" * 100_000,
        '{"ceiling": ' + "9" * 10_000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_answer_of_node(said: str) -> None:
    assert read_answer(RuntimeKind.NODE, said) is None


def test_a_strange_remainder_of_an_answer_is_left_out() -> None:
    answer = read_answer(RuntimeKind.NODE, node_says(version=["v18"], status=3, heap=None))
    assert answer is not None
    assert (answer.version, answer.idle_beside_bytes) == (None, None)


@given(st.text(max_size=300), st.sampled_from([RuntimeKind.JVM, RuntimeKind.NODE]))
def test_anything_else_is_no_crash(said: str, kind: RuntimeKind) -> None:
    answer = read_answer(kind, said)
    assert answer is None or answer.ceiling_bytes
