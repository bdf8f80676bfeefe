"""Finds how the workflows of a repository build images: docker/build-push-action, and `docker build` in a script."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from membudget.manifests.yaml_text import YamlValue
from membudget.setup import ci_values
from membudget.setup.ci_values import CiValues, filled
from membudget.setup.dockerfiles import is_for_development
from membudget.setup.found import MOST_ALIASES, BuildDefinition, Origin, image_name, last_part
from membudget.setup.repository import RepositoryFiles

_WORKFLOW = re.compile(r"\.(?:github|forgejo|gitea)/workflows/[^/]+\.ya?ml")
_ACTION = re.compile(r"docker/build-push-action(?:@.*)?", re.IGNORECASE)
_MOST_JOBS, _MOST_STEPS = 100, 200
_MOST_CHARACTERS, _COST_OF_STEP, _COST_OF_COMBINATION = 500_000, 500, 500
"""How much is read of steps, each once for a combination of its job's matrix. With aliases, a file may have many."""
_LONGEST_SCRIPT = 20_000
_BUILD_WORDS = (["docker", "build"], ["docker", "buildx", "build"], ["docker", "image", "build"], ["podman", "build"])
_PUSHED = re.compile(r"(?:^|[\s,])name=([^\s,]{1,500})")
_WITH_VALUE = frozenset({
    "--add-host", "--allow", "--annotation", "--attest", "--build-arg", "--build-context", "--builder", "--cache-from",
    "--cache-to", "--cpuset-cpus", "--file", "--iidfile", "--isolation", "--label", "--memory", "--metadata-file",
    "--network", "--no-cache-filter", "--output", "--platform", "--progress", "--secret", "--shm-size", "--ssh",
    "--tag", "--target", "--ulimit", "-c", "-f", "-m", "-o", "-t",
})  # fmt: skip
_ENDS = frozenset({"&&", "||", ";", "|", "&"})


def read_workflows(files: RepositoryFiles, repository_name: str) -> Iterator[BuildDefinition]:
    """Yield how the steps of all workflows build images of this repository."""
    left = _MOST_CHARACTERS
    for path in files.having(lambda path: _WORKFLOW.fullmatch(path) is not None):
        text = files.text(path)
        if text is None or "docker" not in text:
            continue
        for document in files.documents(path, text)[:1]:
            for _, job in islice(document.get("jobs").items(), _MOST_JOBS):
                steps = [step for step in islice(job.get("steps").entries(), _MOST_STEPS) if _may_build(step)]
                for values in ci_values.of_job(document, job, repository_name) if steps else ():
                    left -= _COST_OF_COMBINATION
                    for step in steps:
                        if left <= 0:
                            files.skip(path, f"line {step.line}: enough builds were read before")
                            return
                        left -= _COST_OF_STEP + len(step.get("run").text or "")
                        yield from _of_step(files, path, step, ci_values.of_step(step, values))


def _may_build(step: YamlValue) -> bool:
    uses, run = step.get("uses").text, step.get("run").text
    return (uses is not None and _ACTION.fullmatch(uses) is not None) or (run is not None and "build" in run)


@dataclass(frozen=True, slots=True)
class _Written:
    """A build as a step has it. Paths count from the top of the repository."""

    context: str
    file: str | None
    target: str | None
    args: Mapping[str, str]
    tags: Sequence[str]


def _of_step(files: RepositoryFiles, path: str, step: YamlValue, values: CiValues) -> Iterator[BuildDefinition]:
    uses, run = step.get("uses"), step.get("run")
    if uses.text is not None and _ACTION.fullmatch(uses.text):
        given = {key: filled(value.text, values) for key, value in step.get("with").items() if value.text is not None}
        context = re.sub(r"^\{\{\s*defaultContext\s*\}\}:?", "", given.get("context") or ".") or "."
        args = dict(_pairs((given.get("build-args") or "").splitlines()))
        pushed = _PUSHED.findall(given.get("outputs") or "")  # by digest, without a tag
        tags = [*re.split(r"[\n,]", given.get("tags") or ""), *pushed]
        written = _Written(context, given.get("file"), given.get("target") or None, args, tags)
        yield from _definition(files, Origin(path, step.line), written)
    elif run.text is not None:
        folder = filled(step.get("working-directory").text or ".", values)
        script = filled(run.text, values)
        known = ci_values.assigned(script, values)
        for line, words in _builds_in(script):
            command = _of_command(folder, [ci_values.in_shell(word, known) for word in words])
            if command is not None:
                yield from _definition(files, Origin(path, run.line + line), command)


def _builds_in(script: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the words after each `docker build` of a script, with the number of its line in the block, from 1.

    A script of one line is no block: its number is 0.
    """
    lines = script[:_LONGEST_SCRIPT].splitlines()
    number = 0
    while number < len(lines):
        first, text = number, lines[number]
        while text.endswith("\\") and number + 1 < len(lines):
            number += 1
            text = f"{text[:-1]} {lines[number].strip()}"
        number += 1
        for words in _commands_in(text) if "build" in text else ():
            yield (first + 1 if script.endswith("\n") or len(lines) > 1 else 0), words


def _commands_in(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote without its end: the shell goes on in the next line
        return
    for start in range(len(words)):
        for begin in _BUILD_WORDS:
            if words[start : start + len(begin)] == begin:
                rest = words[start + len(begin) :]
                yield rest[: next((at for at, word in enumerate(rest) if word in _ENDS), len(rest))]


def _of_command(folder: str, words: Sequence[str]) -> _Written | None:
    """Return the build of a command, given the words after `docker build`. None if it names no context."""
    given: dict[str, list[str]] = {}
    contexts = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            contexts.append(word)
        elif equals:
            given.setdefault(name, []).append(value)
        elif name in _WITH_VALUE:
            given.setdefault(name, []).append(next(rest, ""))
    if not contexts:
        return None
    file = next(reversed(given.get("--file") or given.get("-f") or []), None)
    return _Written(
        posixpath.join(folder, contexts[-1]),
        posixpath.join(folder, file) if file is not None else None,
        next(reversed(given.get("--target", [])), None) or None,
        dict(_pairs(given.get("--build-arg", []))),
        [*given.get("--tag", []), *given.get("-t", [])],
    )


def _pairs(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the build arguments that are known. Those with an expression or a variable are left to their defaults."""
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if name and equals and "$" not in value:
            yield name, value.strip("\"'")


def _definition(files: RepositoryFiles, origin: Origin, written: _Written) -> Iterator[BuildDefinition]:
    """Yield the definition, or nothing if its paths are not known or not in the repository."""
    folder = posixpath.normpath(written.context)
    dockerfile = posixpath.normpath(written.file or posixpath.join(folder, "Dockerfile"))
    if any("$" in text for text in (folder, dockerfile, written.target or "")):
        files.skip(origin.path, f"line {origin.line}: the build's context, file or target is only known when it runs")
        return
    is_elsewhere = folder.startswith(("..", "/", "git@")) or "://" in folder
    if is_elsewhere or not files.has_folder(folder) or not files.has_file(dockerfile):
        return
    if written.target is not None and is_for_development(written.target):
        reason = f"line {origin.line}: the name of the stage {written.target} says that it is for development or tests"
        files.skip(origin.path, reason)
        return
    names = [name for tag in written.tags[:MOST_ALIASES] if (name := last_part(tag)) is not None]
    name = names[0] if names else posixpath.basename(folder) if folder != "." else ""
    aliases = frozenset(names)
    yield BuildDefinition(
        image_name(name) if name else "", folder, dockerfile, origin, written.target, written.args, aliases
    )
