"""`docker membudget …`: membudget as a plugin of the docker command.

The protocol (docker/cli, cli-plugins): docker asks `docker-membudget docker-cli-plugin-metadata` what the plugin is. It
runs it with its own arguments: docker's global options, the plugin's name, then the rest. With `__complete` in front,
it asks what may come next. Where no terminal hands signals on, docker holds a socket open and closes it to end the
plugin.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, MutableMapping, Sequence

from membudget.cli.main import main as run
from membudget.core.errors import ExitCode

NAME = "membudget"
_METADATA = "docker-cli-plugin-metadata"
_COMPLETE = "__complete"
_SOCKET = "DOCKER_CLI_PLUGIN_SOCKET"
_NO_FILES = 4
"""cobra's directive: what comes next is no file name."""
_DEFAULT = 0
"""cobra's directive: the shell may complete file names."""
_TO_VARIABLES = {"--config": "DOCKER_CONFIG", "-c": "DOCKER_CONTEXT", "--context": "DOCKER_CONTEXT",
                 "-H": "DOCKER_HOST", "--host": "DOCKER_HOST"}  # fmt: skip
_IGNORED_WITH_VALUE = ("-l", "--log-level")
_IGNORED = ("-D", "--debug")


def main() -> int:
    """Run membudget as docker asks for it. Returns the exit code."""
    arguments = sys.argv[1:]
    if arguments == [_METADATA]:
        print(metadata())
        return ExitCode.WITHIN_BUDGET
    if arguments[:2] == [_COMPLETE, NAME]:
        from membudget.cli.completion import candidates

        found = candidates(arguments[2:])
        print("\n".join([*found, f":{_NO_FILES if found else _DEFAULT}"]))
        return ExitCode.WITHIN_BUDGET
    try:
        given = own_arguments(arguments, os.environ)
    except ValueError as error:
        print(f"docker membudget: error: {error}", file=sys.stderr)
        return ExitCode.CONFIGURATION
    end_with_docker(os.environ.pop(_SOCKET, None))
    return run(given, program=f"docker {NAME}")


def metadata() -> str:
    """Return what docker asks of a plugin, as JSON."""
    from membudget.version import VERSION

    return json.dumps({
        "SchemaVersion": "0.1.0",
        "Vendor": "membudget",
        "Version": VERSION,
        "ShortDescription": "Memory budgets for container images",
        "URL": "https://github.com/membudget/membudget",
    })  # fmt: skip


def own_arguments(arguments: Sequence[str], environ: MutableMapping[str, str]) -> list[str]:
    """Return the arguments after the plugin's name. Docker's own options become the variables that mean the same.

    Raises ValueError for an option that has none.
    """
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == NAME:
            return list(rest)
        if argument == "help":
            return [*_after_name(rest), "--help"]
        if name in _TO_VARIABLES:
            environ[_TO_VARIABLES[name]] = value if equals else next(rest, "")
            if _TO_VARIABLES[name] == "DOCKER_CONTEXT":
                environ.pop("DOCKER_HOST", None)  # it has precedence over a context, but not over this option
        elif name in _IGNORED_WITH_VALUE:
            value = value if equals else next(rest, "")
        elif name not in _IGNORED:
            raise ValueError(f"docker's option {name} is not known here\n  fix: use DOCKER_HOST or a docker context")
    return list(arguments)  # somebody started the program by its own name


def _after_name(rest: Iterator[str]) -> list[str]:
    given = list(rest)
    return given[1:] if given[:1] == [NAME] else given


def end_with_docker(address: str | None) -> None:
    """Send this process SIGTERM when docker closes its socket: it was interrupted, or it is gone."""
    if not address:
        return
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0{address[1:]}" if address.startswith("@") else address)
    except OSError:  # docker behaves as before it had the socket
        connection.close()
        return

    def wait() -> None:
        with connection:
            while connection.recv(1):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="docker's socket").start()
