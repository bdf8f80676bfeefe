"""What runs each command is there, and takes what it is called with."""

import argparse
import typing
from collections.abc import Iterator

import pytest

from membudget.cli.arguments import make_parser
from membudget.cli.handler import Handler
from membudget.core.errors import ExitCode


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for one in action.choices.values():
            yield from _commands(one)


_COMMANDS = {one.prog: one for one in _commands(make_parser("membudget"))}


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(_COMMANDS))
def test_the_function_of_a_command_is_there(name: str) -> None:
    handler = _COMMANDS[name].get_default("handler")
    function = handler.load() if isinstance(handler, Handler) else handler

    hints = typing.get_type_hints(function)
    assert list(hints.items()) == [("options", argparse.Namespace), ("return", ExitCode)]


def test_the_module_is_imported_when_the_command_runs() -> None:
    assert Handler("no_such_module", "check").module == "no_such_module"
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Handler("no_such_module", "check")(argparse.Namespace())
