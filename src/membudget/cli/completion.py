"""What may come next on the command line: scripts for shells, and candidates for docker's own completion.

The scripts are static, so that completing does not start Python. shtab makes them from the parser.
"""

import argparse
from collections.abc import Iterator, Sequence

from membudget.cli.arguments import make_parser
from membudget.core.errors import ExitCode

_FILES = frozenset({"FILE", "REPORT"})
"""The metavars of file names."""


def completion(options: argparse.Namespace) -> ExitCode:
    """Run `membudget completion`."""
    import shtab

    parser = make_parser()
    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return ExitCode.WITHIN_BUDGET


def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last of the words may become. Empty if it is a value of the user's, such as a file name."""
    parser, (*before, last) = make_parser(), words or [""]
    wants_value: argparse.Action | None = None
    for word in before:
        if word == "--":
            return []
        if wants_value is not None:
            wants_value = None
            continue
        commands = _commands(parser)
        if word in commands:
            parser = commands[word]
        option = parser._option_string_actions.get(word)  # noqa: SLF001 - argparse has no public way to ask
        wants_value = option if option is not None and option.nargs != 0 else None
    if wants_value is not None:
        known = [str(choice) for choice in wants_value.choices or ()]
    elif last.startswith("-"):
        known = sorted(parser._option_string_actions)  # noqa: SLF001 - as above
    else:
        known = [*_commands(parser), *(str(one) for action in _own_choices(parser) for one in action.choices or ())]
    return [one for one in known if one.startswith(last)]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            found |= action.choices
    return found


def _own_choices(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - as above
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            yield action


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from parser._actions  # noqa: SLF001 - as above
    for command in _commands(parser).values():
        yield from _actions(command)
