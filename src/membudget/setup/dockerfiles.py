"""Finds the Dockerfiles of a repository, and what each says: ports, HEALTHCHECK, and which context it needs."""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from membudget.contents.dockerfile import BuildStage, Dockerfile, Instruction, parse_dockerfile
from membudget.setup.found import BuildDefinition, Fact, HealthProbe, Origin, image_name
from membudget.setup.repository import RepositoryFiles

_NAME = re.compile(
    r"(?:Dockerfile|Containerfile)(?:[.-](?P<after>.+))?|(?P<before>.+)\.(?:Dockerfile|Containerfile)", re.IGNORECASE
)
_NO_DOCKERFILES = (
    "dockerignore",
    "j2",
    "jinja",
    "tmpl",
    "template",
    "tpl",
    "in",
    "md",
    "orig",
    "bak",
    "rej",
    "swp",
    "erb",
)
_DEVELOPMENT = frozenset(
    {"ci", "debug", "dev", "devel", "development", "e2e", "lint", "local", "test", "testing", "tests"}
)
_MOST_STAGES, _MOST_LINES = 1000, 20_000
"""What contents/dockerfile reads. Of a larger file it would tell half."""
_FROM = re.compile(r"^\s*FROM\s", re.IGNORECASE | re.MULTILINE)
_PORT = re.compile(r"(\d{1,5})(?:/tcp)?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_URL = re.compile(
    r"http://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d{1,5}|\$\{?\w+\}?))?(/[^\s\"'|;&)<>\\]*)?",
    re.IGNORECASE,
)
_LONGEST_WORDS = 4096
_MOST_SOURCES = 200


@dataclass(frozen=True, slots=True)
class DockerfileFacts:
    """What a Dockerfile says about the image of one stage."""

    ports: tuple[Fact[int], ...] = ()
    probe: Fact[HealthProbe] | None = None


def names_of(files: RepositoryFiles) -> list[str]:
    """Return the paths of all files that are named like a Dockerfile."""
    return files.having(_is_named_so)


def is_named_for_development(path: str) -> bool:
    """Return whether a Dockerfile's name says that nobody deploys its image."""
    return is_for_development(_own_part(path))


def is_for_development(name: str) -> bool:
    """Return whether the name of a stage, or of a variant, says that nobody deploys its image."""
    return name.lower() in _DEVELOPMENT


def _is_named_so(path: str) -> bool:
    name = posixpath.basename(path)
    return _NAME.fullmatch(name) is not None and not name.lower().endswith(tuple(f".{end}" for end in _NO_DOCKERFILES))


def read_dockerfile(files: RepositoryFiles, path: str, args: Mapping[str, str] | None = None) -> Dockerfile | None:
    """Return the structure of a Dockerfile. None if it was skipped."""
    text = files.text(path)
    if text is None:
        return None
    if len(_FROM.findall(text)) > _MOST_STAGES or text.count("\n") > _MOST_LINES:
        files.skip(path, f"it has more than {_MOST_STAGES:,} stages or {_MOST_LINES:,} lines")
        return None
    parsed = parse_dockerfile(text, args)
    if not parsed.stages:
        files.skip(path, "it has no FROM")
        return None
    return parsed


def definition_of(files: RepositoryFiles, path: str, dockerfile: Dockerfile, repository_name: str) -> BuildDefinition:
    """Return how to build a Dockerfile that no other file names: its context is a guess."""
    context = _context(files, path, dockerfile)
    line = dockerfile.stages[-1].lines[0]
    return BuildDefinition(name_of(path, repository_name), context, path, Origin(path, line))


def name_of(path: str, repository_name: str) -> str:
    """Return the name of an image: from the Dockerfile's own name, its folder, or the repository."""
    folder, own = posixpath.dirname(path), _own_part(path)
    last = posixpath.basename(folder)
    if last.lower() in ("docker", ".docker", "build", "deploy", "deployment", "containers", "dockerfiles", "images"):
        last = posixpath.basename(posixpath.dirname(folder))
    return image_name(own if own and own.lower() not in ("prod", "production", "release") else last or repository_name)


def _own_part(path: str) -> str:
    """Return what a Dockerfile's name says beside that it is one: "worker" of `Dockerfile.worker`."""
    matched = _NAME.fullmatch(posixpath.basename(path))
    return (matched["after"] or matched["before"] or "") if matched is not None else ""


def _context(files: RepositoryFiles, path: str, dockerfile: Dockerfile) -> str:
    """Return the nearest folder, from the Dockerfile's own upwards, that has everything that the Dockerfile copies."""
    own = posixpath.dirname(path) or "."
    copied = (source for stage in dockerfile.stages for source in _copied(stage))
    sources = list(islice(copied, _MOST_SOURCES))
    folder = own
    while True:
        if all(_is_there(files, folder, source) for source in sources):
            return folder
        if folder == ".":
            return own
        folder = posixpath.dirname(folder) or "."


def _copied(stage: BuildStage) -> Iterator[str]:
    """Yield the paths that a stage copies from its context. Paths with variables are left out."""
    for instruction in stage.instructions:
        if instruction.keyword not in ("COPY", "ADD") or instruction.flag("from") is not None:
            continue
        words = _words(instruction.arguments)
        for source in words[:-1]:
            if not any(sign in source for sign in ("$", "://", "<<")) and not source.startswith("git@"):
                yield source.strip("\"'").lstrip("/") or "."


def _is_there(files: RepositoryFiles, folder: str, source: str) -> bool:
    path = posixpath.normpath(posixpath.join(folder, source))
    if path.startswith(".."):
        return False
    plain = re.split(r"[*?\[]", path, maxsplit=1)[0]
    return files.has(path) if plain == path else files.has_folder(posixpath.dirname(plain) or ".")


def _words(arguments: str) -> list[str]:
    """Return the words of an instruction, in either form."""
    text = arguments[:_LONGEST_WORDS]
    if text.startswith("["):
        try:
            found: object = json.loads(text)
        except (ValueError, RecursionError):
            return []
        return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
    return text.split()


def facts_of(
    dockerfile: Dockerfile, path: str, target: str | None, args: Mapping[str, str] | None = None
) -> DockerfileFacts:
    """Return the ports that a stage exposes, those of the stages below it among them, and its HEALTHCHECK.

    Without EXPOSE, the ports are those that its command names. `args` are the arguments of the build.
    """
    known: dict[str, str] = {}
    ports: dict[int, Fact[int]] = {}
    commands: dict[str, Fact[str]] = {}
    probe: Fact[HealthProbe] | None = None
    for stage in dockerfile.stage_chain(target):
        for instruction in stage.instructions:
            origin = Origin(path, instruction.lines[0])
            if instruction.keyword in ("ENV", "ARG"):
                known |= _variables(instruction, known, args or {})
            elif instruction.keyword in ("ENTRYPOINT", "CMD"):
                if instruction.keyword == "ENTRYPOINT":
                    commands.pop("CMD", None)  # as the builder does
                words = " ".join(_words(instruction.arguments))
                commands[instruction.keyword] = Fact(expanded(words, known), origin)
            elif instruction.keyword == "EXPOSE":
                for port in _exposed(instruction, known):
                    ports.setdefault(port, Fact(port, origin))
            elif instruction.keyword == "HEALTHCHECK":
                probe = (
                    None if instruction.arguments.upper().startswith("NONE") else _health(instruction, known, origin)
                )
    named = [Fact(port, command.origin) for command in commands.values() for port in ports_in_command(command.value)]
    return DockerfileFacts(tuple(ports.values()) or tuple(named), probe)


def _variables(instruction: Instruction, known: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that an instruction sets. An ARG has the build's value, if the build gives one."""
    text = instruction.arguments[:_LONGEST_WORDS]
    if instruction.keyword == "ARG":
        words = [word.partition("=")[::2] for word in text.split()]
        return {
            name: expanded(args.get(name, value.strip("\"'")), known) for name, value in words if value or name in args
        }
    found = {
        name: expanded(value.strip("\"'"), known)
        for name, equals, value in (word.partition("=") for word in text.split())
        if equals
    }
    name, _, value = text.partition(" ")
    return found or ({name: expanded(value.strip(), known)} if value else {})


_IN_COMMAND = re.compile(
    r"(?:^|[\s\"'])(?:-{1,2}(?:[\w.-]{0,30}[.-])?(?:port|listen|bind|addr|address|http)[=\s]{1,3}|-[bp]\s{0,2}|-D[\w.]{0,30}port=)"
    r"(?:[\w.*-]{0,60}:|\[[0-9a-f:]{0,39}\]:)?(?P<flag>\d{2,5})(?![\w.:])"
    r"|(?:^|[\s=])(?:0\.0\.0\.0|\[::\]|\*)?:(?P<address>\d{2,5})(?![\w.:])",
    re.IGNORECASE,
)


def ports_in_command(command: str) -> list[int]:
    """Return the ports that the words of a command tell it to listen on: `--port 8080`, `-b 0.0.0.0:8080`."""
    found = (int(match["flag"] or match["address"]) for match in _IN_COMMAND.finditer(command[:_LONGEST_WORDS]))
    return list(dict.fromkeys(port for port in found if 80 <= port <= 65535))


def _exposed(instruction: Instruction, known: Mapping[str, str]) -> Iterator[int]:
    for word in instruction.arguments[:_LONGEST_WORDS].split():
        matched = _PORT.fullmatch(expanded(word, known))
        if matched is not None and 1 <= int(matched[1]) <= 65535:
            yield int(matched[1])


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Return a text with its variables replaced by known values, or by the defaults that it names."""
    return _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[3] or ""), text[:_LONGEST_WORDS])


def _health(instruction: Instruction, known: Mapping[str, str], origin: Origin) -> Fact[HealthProbe]:
    return Fact(asked_by(instruction.arguments, known) or HealthProbe(), origin)


def asked_by(command: str, known: Mapping[str, str]) -> HealthProbe | None:
    """Return which address of the container itself a command asks: of `curl -f http://localhost:8080/health`, that.

    None if it asks none that is known.
    """
    matched = _URL.search(command[:_LONGEST_WORDS])
    if matched is None:
        return None
    port = expanded(matched[1] or "80", known)
    if not (port.isascii() and port.isdecimal() and len(port) <= 5) or not 1 <= int(port) <= 65535:
        return None
    return HealthProbe(expanded(matched[2] or "/", known), int(port))
