"""Programs that lie about themselves, never end, or say too much when they are asked about their memory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from membudget.budgets.workload_parts import HttpRequests
from membudget.build.docker_images import inspect
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import in_plain_text
from membudget.engine.connection import Engine
from membudget.engine.containers import Containers
from membudget.engine.options import ContainerOptions
from membudget.engine.run_id import own_run_id
from membudget.measure.equipment import TrialPool
from membudget.measure.runtimes.asking import Asking
from membudget.measure.runtimes.questions import Question
from membudget.measure.runtimes.recognise import runtimes_of
from membudget.measure.runtimes.runtime import Runtime, RuntimeKind
from membudget.measure.trial import TrialSpec
from membudget.report.findings import Finding
from membudget.report.runtime_words import runtime_words
from tests.support.prepared_images import PreparedImages
from tests.support.runtime_images import RuntimeImages
from tests.support.runtimes import jvm
from tests.support.trials import Trials, http

pytestmark = pytest.mark.usefixtures("tidy")
MANY = http(HttpRequests(path="/", duration="2s", concurrency=8))


@pytest.fixture(scope="module")
def runtime_images(images: PreparedImages) -> Iterator[RuntimeImages]:
    """Images of real programs."""
    made = RuntimeImages("hostile-runtime")
    yield made
    made.remove()


def asked(engine: Engine, *command: str, limit_s: float = 60, is_inside: bool = False) -> Runtime:
    """A runtime whose program is `command`, or which answers by `command` inside of a service that sleeps."""
    options = ContainerOptions(
        image=inspect(engine, "debian:bookworm-slim").image_id, name="question", role="trial",
        entrypoint=("/bin/sleep",) if is_inside else command[:1],
        command=("1000",) if is_inside else command[1:], memory_bytes=64 * MIB,
    )  # fmt: skip
    asking = Asking(Containers(engine, own_run_id()), ("hunter2",), limit_s)
    silent = replace(jvm(64), answer=None)
    return asking.asked(silent, Question((command,), {}, is_inside=is_inside), [options])


def test_a_program_that_is_called_java_is_not_asked(from_host: Trials, runtime_images: RuntimeImages) -> None:
    lines = ("USER root", "RUN cp /server /usr/bin/java", "USER 65534", 'CMD ["/usr/bin/java", "-Xmx1g"]')
    image_id = inspect(from_host.engine, runtime_images.variant("threads", *lines)).image_id
    spec = TrialSpec("liar", image_id, 256 * MIB, 120_000, MANY)
    assert isinstance(from_host.runner, TrialPool)
    for _ in range(5):  # on a busy machine, no whole look may have been taken
        if found := runtimes_of([from_host.runner.run(spec)]):
            break
    (program,) = found
    assert (program.kind, program.executable) == (RuntimeKind.PROGRAM, "/usr/bin/java")
    known = from_host.runner.ask(spec, program)
    assert (known.answer, known.unanswered) == (None, None)


def test_an_answer_with_terminal_escapes_and_secrets_is_made_harmless(engine: Engine) -> None:
    lies = r'openjdk version "17\033]0;hunter2\a\033[31m"\n   size_t MaxHeapSize  = 67108864   {product}\n'
    runtime = asked(engine, "/usr/bin/printf", lies)
    assert runtime.answer is not None
    assert runtime.answer.ceiling_bytes == 64 * MIB
    assert "hunter2" not in str(runtime)
    words = runtime_words(runtime)
    for shown in (Finding(words).as_markdown(), "".join(map(in_plain_text, words))):
        assert "17" in shown
        assert not {"\x1b", "\a"} & set(shown)


def test_an_answer_of_a_gigabyte_is_cut(engine: Engine) -> None:
    runtime = asked(engine, "/usr/bin/head", "-c", "1000000000", "/dev/zero")
    assert runtime.answer is None
    assert runtime.unanswered == "it said more than 256 KiB"


@pytest.mark.parametrize("is_inside", [False, True], ids=["alone", "inside of its service"])
def test_a_runtime_that_hangs_is_given_up(engine: Engine, *, is_inside: bool) -> None:
    runtime = asked(engine, "/bin/sleep", "1000", limit_s=2, is_inside=is_inside)
    assert runtime.answer is None
    assert runtime.unanswered is not None
    assert "did not answer within 2 s" in runtime.unanswered


def test_a_service_that_ends_without_its_workload_is_a_reason(engine: Engine) -> None:
    options = ContainerOptions(
        image=inspect(engine, "debian:bookworm-slim").image_id, name="question", role="trial",
        entrypoint=("/bin/true",), memory_bytes=64 * MIB,
    )  # fmt: skip
    asking = Asking(Containers(engine, own_run_id()), limit_s=20)
    runtime = asking.asked(replace(jvm(64), answer=None), Question((("/bin/true",),), {}, is_inside=True), [options])
    assert runtime.unanswered is not None
    assert "ended at once" in runtime.unanswered or "cannot be read" in runtime.unanswered
