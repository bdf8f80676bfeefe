"""Asks a runtime about its memory: a program in the service's image, environment and limit, in its own container.

The program comes from the image, so it may be anything: it gets little time, its output is cut, and it ends with its
container.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from membudget.core.errors import EnvironmentFault, shortened
from membudget.engine.containers import CannotStart, Containers
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.engine.stream import FramedStream
from membudget.measure.outcome import one_line
from membudget.measure.pod.alone import alone, fill
from membudget.measure.probe.clues import kept_variables
from membudget.measure.runtimes.questions import Question, known_answer, question, read_answer, second_question
from membudget.measure.runtimes.runtime import LONGEST_REASON, Runtime, RuntimeKind
from membudget.measure.trial import TrialSpec

ANSWER_S = 30.0
"""How long a runtime may take to answer."""
MOST_OUTPUT_BYTES = 256 << 10
"""More output than that is no answer."""
_ASK_EVERY_S = 0.3
_FIRST_PROCESS = ("cat", "/proc/1/comm")
"""Says the name of a container's first process, of which the kernel keeps 15 bytes (proc(5))."""
_LONGEST_OUTPUT = 120
"""How much of a wrong answer is quoted."""


class _NoAnswer(Exception):
    """Raised with the reason why there is no answer."""


class _TooLate(_NoAnswer):
    """Raised if the time is over while a command runs."""


class _Said(NamedTuple):
    """What a command said."""

    output: str
    has_succeeded: bool


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


def options_for(spec: TrialSpec, question: Question, command: tuple[str, ...], cpuset: str | None) -> ContainerOptions:
    """Return the options of the container that answers to one command, or in which the service starts that answers."""
    start = alone(spec)
    return ContainerOptions(
        image=spec.image_id,
        name="question",
        role="trial",
        entrypoint=start.entrypoint if question.is_inside else command[:1],
        command=start.command if question.is_inside else command[1:],
        memory_bytes=spec.limit_bytes,
        cpuset=cpuset,
        environment={**start.environment, **question.variables},
        user=start.user,
        workdir=start.workdir,
        read_only=start.read_only,
        tmpfs=spec.inputs.tmpfs,
        volumes=start.volumes,
    )


def _nobody_cancels(container_id: str | None) -> None:
    del container_id


def _nothing_to_fill(container_id: str) -> None:
    del container_id


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks in containers, for a limited time."""

    containers: Containers
    secrets: tuple[str, ...] = ()
    """Values that must never be shown."""
    limit_s: float = ANSWER_S
    """How long each command may take."""
    began: Callable[[str | None], None] = _nobody_cancels
    """Called with the ID of a container once it exists, and with None once it is gone."""
    fill: Callable[[str], None] = _nothing_to_fill
    """Copies into a container what the service gets of files. Raises EnvironmentFault."""

    def asked(self, runtime: Runtime, question: Question, places: Sequence[ContainerOptions]) -> Runtime:
        """Return the runtime with its answer, or with the reason why there is none.

        `places` are the containers, one for each command. Raises EnvironmentFault if the engine fails.
        """
        try:
            if question.is_inside:
                outputs = self._inside(question, places[0], runtime.kind)
            else:
                outputs = [self._output(options) for options in places]
            answer = read_answer(runtime.kind, outputs)
            if answer is None:
                raise _NoAnswer(self._unreadable(outputs[-1]))
        except (_NoAnswer, CannotStart) as error:
            return replace(runtime, unanswered=shortened(one_line(str(error), self.secrets), LONGEST_REASON))
        version = one_line(answer.version, self.secrets) if answer.version is not None else None
        return replace(runtime, answer=replace(answer, version=version))

    def _unreadable(self, output: str) -> str:
        said = shortened(one_line(output[-2 * _LONGEST_OUTPUT :], self.secrets), _LONGEST_OUTPUT)
        return f"its answer cannot be read: {said}" if said else "it said nothing"

    def _output(self, options: ContainerOptions) -> str:
        """Return what a container says until it ends."""
        deadline = time.monotonic() + self.limit_s
        container_id = self.containers.create(options)
        try:
            self.began(container_id)
            self.fill(container_id)
            stream = self.containers.attach(container_id)
            with contextlib.closing(stream):
                self.containers.start(container_id)
                output = self._read(stream, deadline)
            if self.containers.wait(container_id, max(0.1, deadline - time.monotonic())):
                state = self.containers.state(container_id)
                if state.oom_killed:
                    raise _NoAnswer("the kernel killed it for memory at this limit")
                if state.exit_code:
                    said = shortened(output[-1000:].strip(), _LONGEST_OUTPUT)
                    raise _NoAnswer(f"it exited with code {state.exit_code}: {said}")
            return output
        finally:
            self.began(None)
            self.containers.remove(container_id)

    def _inside(self, question: Question, options: ContainerOptions, kind: RuntimeKind) -> list[str]:
        """Start the service, and run commands inside until they answer, or until their answer is final."""
        deadline = time.monotonic() + self.limit_s
        container_id = self.containers.create(options)
        try:
            self.began(container_id)
            self.fill(container_id)
            self.containers.start(container_id)
            return self._last_answer(container_id, question, kind, deadline)
        finally:
            self.began(None)
            self.containers.remove(container_id)

    def _last_answer(self, container_id: str, question: Question, kind: RuntimeKind, deadline: float) -> list[str]:
        """Return the first answer that is final, or the last one before the time is over."""
        outputs, answered, commands = [""], None, question.commands
        while time.monotonic() < deadline:
            try:
                is_final = self._is_final(container_id, question, deadline)
                said = list(self._answers(container_id, commands, deadline))
            except _TooLate:
                if answered is None:
                    raise
                break
            outputs = [one.output for one in said]
            has_all = len(said) == len(commands) and said[-1].has_succeeded
            if has_all and read_answer(kind, outputs) is not None:
                answered = outputs
                if is_final:
                    break
            time.sleep(_ASK_EVERY_S)
        if answered is None:
            raise _NoAnswer(f"{self._unreadable(outputs[-1])}, also after {self.limit_s:.0f} s")
        return answered

    def _is_final(self, container_id: str, question: Question, deadline: float) -> bool:
        """Return whether the files that an answer depends on change no more. It is asked before the answer."""
        if question.first_process is None:
            return True
        try:
            (first,) = self._answers(container_id, (_FIRST_PROCESS,), deadline)
        except EnvironmentFault:
            return False  # an image may have no cat. If the engine fails, the next command says it
        return first.has_succeeded and first.output.strip() == question.first_process[:15]

    def _answers(self, container_id: str, commands: Sequence[tuple[str, ...]], deadline: float) -> Iterator[_Said]:
        """Yield what each command says, up to one that fails, with that one."""
        for command in commands:
            self._refuse_ended(container_id)
            try:
                exec_id, stream = self.containers.start_exec(container_id, ExecOptions(command=command))
            except EnvironmentFault:
                self._refuse_ended(container_id)  # it may have ended in between
                raise
            with contextlib.closing(stream):
                output = self._read(stream, deadline)
            has_succeeded = self.containers.exec_exit_code(exec_id) == 0
            yield _Said(output, has_succeeded)
            if not has_succeeded:
                return

    def _refuse_ended(self, container_id: str) -> None:
        if not self.containers.state(container_id).running:
            raise _NoAnswer("without its workload, the service ended at once")

    def _read(self, stream: FramedStream, deadline: float) -> str:
        """Return all that a stream says."""
        output = bytearray()
        try:
            while (frame := stream.next_frame(deadline)) is not None:
                output += frame[1]
                if len(output) > MOST_OUTPUT_BYTES:
                    raise _NoAnswer(f"it said more than {MOST_OUTPUT_BYTES >> 10} KiB")
        except TimeoutError:
            raise _TooLate(f"it did not answer within {self.limit_s:.0f} s") from None
        except OSError as error:
            raise EnvironmentFault(f"the connection to a container broke: {error.strerror or error}") from None
        return output.decode(errors="replace")


def asked(
    containers: Containers,
    spec: TrialSpec,
    runtime: Runtime,
    cpuset: str | None,
    began: Callable[[str | None], None] = _nobody_cancels,
) -> Runtime:
    """Return a runtime of a trial with its answer on its memory, or with the reason why there is none.

    `began` is that of `Asking`. Raises EnvironmentFault if the engine fails.
    """
    inputs = spec.inputs
    runtime = with_variables_of(runtime, containers.environment(spec.image_id), alone(spec).environment, inputs.secrets)
    asking = question(runtime)
    if asking is None:
        return replace(runtime, answer=known_answer(runtime, spec.limit_bytes))
    given = partial(fill, containers, inputs=inputs)
    ask = Asking(containers, inputs.secrets, began=began, fill=given)
    found = _answered(ask, spec, runtime, asking, cpuset)
    again = second_question(runtime) if found.answer is None else None
    second = _answered(ask, spec, runtime, again, cpuset) if again is not None else found
    return second if second.answer is not None else found


def _answered(ask: Asking, spec: TrialSpec, runtime: Runtime, question: Question, cpuset: str | None) -> Runtime:
    return ask.asked(runtime, question, [options_for(spec, question, command, cpuset) for command in question.commands])
