"""What runtimes are asked, and how their answers are read, also if these are lies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.runtimes.asking import with_variables_of
from membudget.measure.runtimes.questions import known_answer, question, read_answer, second_question
from membudget.measure.runtimes.runtime import Connections, Runtime, RuntimeKind
from tests.support.runtimes import dotnet, go, jvm, node, php_fpm, postgres, redis

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
    assert asked.commands[0] == (
        made.executable, "-Xmx64m", "-Xlog:gc+heap+coops=debug", "-XX:+PrintFlagsFinal", "-version",
    )  # fmt: skip
    assert asked.variables == {"JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=70"}


def test_jdk_8_is_not_asked_for_what_it_does_not_know() -> None:
    asked = question(replace(jvm(), executable="/usr/lib/jvm/java-8-openjdk-amd64/jre/bin/java"))
    assert asked is not None
    assert not any("Xlog" in word for word in asked.commands[0])


def test_node_is_asked_with_its_flags() -> None:
    asked = question(node(64, settings=("--max-old-space-size=64",), variables={"NODE_OPTIONS": ""}))
    assert asked is not None
    assert asked.commands[0][:3] == ("/usr/bin/node", "--max-old-space-size=64", "-p")


def test_variables_of_the_container_count_where_those_of_the_process_are_not_readable() -> None:
    image = ("PATH=/bin", "PASSWORD=hunter2", "JAVA_TOOL_OPTIONS=-Xmx64m -Dpassword=hunter2", "GOGC=50")
    given = {"JAVA_TOOL_OPTIONS": "-Xmx96m", "TOKEN": "hunter2", "GOMEMLIMIT": "hunter2"}
    known = with_variables_of(jvm(variables={"GOGC": "80"}), image, given, ("hunter2",))
    assert known.variables == {"JAVA_TOOL_OPTIONS": "-Xmx96m", "GOGC": "80", "GOMEMLIMIT": "***"}


def test_others_are_not_asked() -> None:
    assert question(go()) is None
    assert question(Runtime(RuntimeKind.NGINX, "/usr/sbin/nginx", 0, 0)) is None


def test_an_answer_of_openjdk_17() -> None:
    answer = read_answer(RuntimeKind.JVM, [OPENJDK])
    assert answer is not None
    assert (answer.ceiling_bytes, answer.initial_bytes) == (128 * MIB, 8 * MIB)
    assert (answer.heap_start, answer.version, answer.sees_limit) == (0xF8000000, "17.0.19", True)


def test_an_answer_of_jdk_8_has_another_form() -> None:
    said = (
        "    uintx MaxHeapSize                              := 134217728                           {product}\n"
        "     bool UseContainerSupport                       = false                               {product}\n"
        'java version "1.8.0_392"\n'
    )
    answer = read_answer(RuntimeKind.JVM, [said])
    assert answer is not None
    assert (answer.ceiling_bytes, answer.heap_start, answer.version, answer.sees_limit) == (
        128 * MIB, None, "1.8.0_392", False,
    )  # fmt: skip


def test_an_answer_of_node() -> None:
    answer = read_answer(RuntimeKind.NODE, [f"(node:1) Warning: something\n{node_says()}\n"])
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
    assert read_answer(RuntimeKind.JVM, [said]) is None


@pytest.mark.parametrize(
    "said",
    [
        "[]", '{"ceiling"', node_says(ceiling=True), node_says(ceiling="1"), node_says(ceiling=-1),
        node_says(ceiling=0), node_says(ceiling=1 << 80), '{"ceiling": ' + "[" * 100_000,
        '{"ceiling": ' + "9" * 10_000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_answer_of_node(said: str) -> None:
    assert read_answer(RuntimeKind.NODE, [said]) is None


def test_a_strange_remainder_of_an_answer_is_left_out() -> None:
    answer = read_answer(RuntimeKind.NODE, [node_says(version=["v18"], status=3, heap=None)])
    assert answer is not None
    assert (answer.version, answer.idle_beside_bytes) == (None, None)


@pytest.mark.thorough
@given(
    st.text(max_size=300), st.sampled_from([RuntimeKind.JVM, RuntimeKind.NODE, RuntimeKind.POSTGRES, RuntimeKind.REDIS])
)
def test_anything_else_is_no_crash(said: str, kind: RuntimeKind) -> None:
    answer = read_answer(kind, [said] * 3)
    assert answer is None or answer.ceiling_bytes or kind is RuntimeKind.REDIS


def test_postgres_is_asked_for_each_setting_with_those_of_its_command_line() -> None:
    made = replace(postgres(24, 16, 100), settings=("-D/data", "config_file=/etc/postgresql.conf"))
    asked = question(made)
    assert asked is not None
    assert asked.commands == tuple(
        (made.executable, "-C", name, "-D/data", "-c", "config_file=/etc/postgresql.conf")
        for name in ("shared_buffers", "work_mem", "max_connections")
    )


def test_postgres_alone_is_asked_again_inside_of_its_service() -> None:
    """Its data folder may be made when the service starts for the first time."""
    first, second = question(postgres(24, 16, 100)), second_question(postgres(24, 16, 100))
    assert first is not None
    assert second == replace(first, is_inside=True, first_process="postgres")
    assert second_question(redis()) is second_question(jvm()) is second_question(go()) is None


def test_an_answer_of_postgres_is_a_sum() -> None:
    answer = read_answer(RuntimeKind.POSTGRES, ["3072\n", "LOG: hello\n16384\n", "100\n"])
    assert answer is not None
    assert answer.connections == Connections(24 * MIB, 16 * MIB, 100)
    assert answer.ceiling_bytes == (24 + 1600) * MIB
    assert read_answer(RuntimeKind.POSTGRES, ["3072", "", "100"]) is None
    assert read_answer(RuntimeKind.POSTGRES, ["9" * 15, "9" * 15, "9" * 15]) is None


def test_redis_is_asked_while_it_runs() -> None:
    asked = question(redis())
    assert asked is not None
    assert asked.is_inside
    assert asked.commands == (("/usr/bin/redis-cli", "config", "get", "maxmemory"),)


def test_an_answer_of_redis() -> None:
    limited, unlimited = (read_answer(RuntimeKind.REDIS, [f"maxmemory\n{size}\n"]) for size in ("1048576", "0"))
    assert limited is not None
    assert unlimited is not None
    assert (limited.ceiling_bytes, unlimited.ceiling_bytes) == (MIB, None)
    assert (
        read_answer(RuntimeKind.REDIS, ["Could not connect to Redis at 127.0.0.1:6379: Connection refused\n"]) is None
    )


PHP_FPM = (Path(__file__).parent / "recorded/php-fpm-8.2.txt").read_text()
PHP = "phpinfo()\nmemory_limit => 128M => 128M\n"


def php_says(*pools: str) -> str:
    lines = ["[global]", "\tpid = undefined", *pools]
    return "".join(f"[28-Nov-2026 06:14:00] NOTICE: {line}\n" for line in lines)


def test_php_fpm_is_asked_with_its_configuration() -> None:
    words = ("--fpm-config=/etc/fpm.conf", "memory_limit=64M")
    asked = question(replace(php_fpm(64, 5, 6), settings=words))
    assert asked is not None
    first, second = asked.commands
    assert first[1:] == ("--fpm-config=/etc/fpm.conf", "-d", "memory_limit=64M", "-tt")
    assert second[1:] == ("-d", "memory_limit=64M", "-i")


def test_the_answer_of_php_fpm() -> None:
    """The recorded configuration writes its log to standard error as well, so each line is there twice."""
    answer = read_answer(RuntimeKind.PHP_FPM, [PHP_FPM, PHP])
    assert answer is not None
    assert answer.connections == Connections(0, 32 * MIB, 4)
    assert answer.ceiling_bytes == 128 * MIB


def test_pools_of_php_fpm_are_summed() -> None:
    pools = (
        "[www]", "\tpm.max_children = 5", "[admin]", "\tpm.max_children = 2",
        "\tphp_admin_value[memory_limit] = 512M",
    )  # fmt: skip
    answer = read_answer(RuntimeKind.PHP_FPM, [php_says(*pools), PHP])
    assert answer is not None
    assert answer.ceiling_bytes == (5 * 128 + 2 * 512) * MIB


@pytest.mark.parametrize(
    ("configuration", "settings"),
    [
        ("", PHP),
        (php_says(), PHP),
        (php_says("[www]"), PHP),
        (php_says("[www]", "\tpm.max_children = 5"), ""),
        (php_says("[www]", "\tpm.max_children = 5"), "memory_limit => -1 => -1\n"),
        (php_says("[www]", "\tpm.max_children = many"), PHP),
        (php_says("[www]", f"\tpm.max_children = {'9' * 30}"), PHP),
    ],
    ids=["nothing", "no pool", "no children", "no limit", "unlimited", "no number", "too many"],
)
def test_an_unusable_answer_of_php_fpm(configuration: str, settings: str) -> None:
    assert read_answer(RuntimeKind.PHP_FPM, [configuration, settings]) is None


@pytest.mark.parametrize(
    ("variables", "ceiling"),
    [
        ({"DOTNET_GCHeapHardLimit": "C800000"}, 200 * MIB),
        ({"COMPlus_GCHeapHardLimit": "0xC800000"}, 200 * MIB),
        ({"DOTNET_GCHeapHardLimitPercent": "32"}, 128 * MIB),
        ({"DOTNET_GCHeapHardLimitPercent": "C8"}, None),
        ({"DOTNET_GCHeapHardLimit": "many"}, None),
        ({}, None),
    ],
    ids=["hexadecimal", "old name", "percent", "above 100 percent", "no number", "not set"],
)
def test_the_limit_of_dotnet_follows_from_its_variables(variables: dict[str, str], ceiling: int | None) -> None:
    answer = known_answer(replace(dotnet(1), answer=None, variables=variables), 256 * MIB)
    assert (answer.ceiling_bytes if answer is not None else None) == ceiling
    assert known_answer(replace(go(), variables=variables), 256 * MIB) is None


def test_a_jvm_says_what_its_direct_buffers_may_take() -> None:
    said = OPENJDK.replace("MaxDirectMemorySize                      = 0 ", "MaxDirectMemorySize = 67108864 ")
    unset, given_one = (read_answer(RuntimeKind.JVM, [text]) for text in (OPENJDK, said))
    assert unset is not None
    assert unset.direct_bytes is None
    assert given_one is not None
    assert given_one.direct_bytes == 64 * MIB
