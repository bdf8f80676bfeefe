"""Asks a runtime about its memory: a program in the service's image, environment and limit, in its own container.

The program comes from the image, so it may be anything: it gets little time, its output is cut, and it ends with its
container.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from membudget.core.errors import EnvironmentFault, shortened
from membudget.engine.containers import CannotStart, Containers
from membudget.engine.options import ContainerOptions
from membudget.measure.outcome import one_line
from membudget.measure.probe.clues import kept_variables
from membudget.measure.runtimes.questions import Question, read_answer
from membudget.measure.runtimes.runtime import LONGEST_REASON, Runtime
from membudget.measure.trial import TrialSpec

ANSWER_S = 30.0
"""How long a runtime may take to answer."""
MOST_OUTPUT_BYTES = 256 << 10
"""More output than that is no answer."""
_LONGEST_OUTPUT = 120
"""How much of a wrong answer is quoted."""


class _NoAnswer(Exception):
    """Raised with the reason why there is no answer."""


def with_variables_of(
    runtime: Runtime, image: Sequence[str], given: Mapping[str, str], secrets: tuple[str, ...] = ()
) -> Runtime:
    """Return the runtime with the variables that its container was started with, as far as they set memory.

    A probe in a container may not read the environment of a process that belongs to another user.
    """
    words = (*image, *(f"{name}={value}" for name, value in given.items()))
    kept = kept_variables("\0".join(words).encode(errors="replace"))
    started = {name: one_line(value, secrets) for name, value in kept}
    return replace(runtime, variables={**started, **runtime.variables})


def options_for(spec: TrialSpec, question: Question, cpuset: str | None) -> ContainerOptions:
    """Return the options of the container that answers."""
    inputs = spec.inputs
    return ContainerOptions(
        image=spec.image_id,
        name="question",
        role="trial",
        entrypoint=question.command[:1],
        command=question.command[1:],
        memory_bytes=spec.limit_bytes,
        cpuset=cpuset,
        environment={**inputs.environment, **question.variables},
        user=inputs.user,
        read_only=inputs.read_only,
        tmpfs=inputs.tmpfs,
        volumes=tuple(inputs.volumes),
    )


def _nobody_cancels(container_id: str | None) -> None:
    del container_id


def asked(  # noqa: PLR0913 - the container, who is asked, and for how long
    containers: Containers,
    options: ContainerOptions,
    runtime: Runtime,
    secrets: tuple[str, ...] = (),
    *,
    limit_s: float = ANSWER_S,
    began: Callable[[str | None], None] = _nobody_cancels,
) -> Runtime:
    """Return the runtime with its answer, or with the reason why there is none.

    `began` is called with the ID of the container once it exists, and with None once it is gone. Raises
    EnvironmentFault if the engine fails.
    """
    try:
        output = _output(containers, options, limit_s, began)
        answer = read_answer(runtime.kind, output)
        if answer is None:
            said = shortened(one_line(output[-2 * _LONGEST_OUTPUT :], secrets), _LONGEST_OUTPUT)
            raise _NoAnswer(f"its answer cannot be read: {said}" if said else "it said nothing")
    except (_NoAnswer, CannotStart) as error:
        return replace(runtime, unanswered=shortened(one_line(str(error), secrets), LONGEST_REASON))
    version = one_line(answer.version, secrets) if answer.version is not None else None
    return replace(runtime, answer=replace(answer, version=version))


def _output(
    containers: Containers, options: ContainerOptions, limit_s: float, began: Callable[[str | None], None]
) -> str:
    deadline, output = time.monotonic() + limit_s, bytearray()
    container_id = containers.create(options)
    try:
        began(container_id)
        stream = containers.attach(container_id)
        try:
            containers.start(container_id)
            while (frame := stream.next_frame(deadline)) is not None:
                output += frame[1]
                if len(output) > MOST_OUTPUT_BYTES:
                    raise _NoAnswer(f"it said more than {MOST_OUTPUT_BYTES >> 10} KiB")
        except TimeoutError:
            raise _NoAnswer(f"it did not answer within {limit_s:.0f} s") from None
        except OSError as error:
            raise EnvironmentFault(f"the connection to a container broke: {error.strerror or error}") from None
        finally:
            stream.close()
        if containers.wait(container_id, max(0.1, deadline - time.monotonic())):
            state = containers.state(container_id)
            if state.oom_killed:
                raise _NoAnswer("the kernel killed it for memory at this limit")
            if state.exit_code:
                said = shortened(output[-1000:].decode(errors="replace").strip(), _LONGEST_OUTPUT)
                raise _NoAnswer(f"it exited with code {state.exit_code}: {said}")
    finally:
        began(None)
        containers.remove(container_id)
    return output.decode(errors="replace")
