"""What runs a command: a function whose module is imported only when the command runs."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from membudget.core.errors import ExitCode

CommandRun = Callable[[argparse.Namespace], ExitCode]
"""Runs a command with its options. Raises MembudgetError."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of `membudget.cli`. `membudget --help` imports none of them, and answers at once."""

    module: str
    """The name of the module in `membudget.cli`."""
    function: str

    def __call__(self, options: argparse.Namespace) -> ExitCode:
        """Run the command. Raises MembudgetError."""
        return self.load()(options)

    def load(self) -> CommandRun:
        """Import the module, and return the function."""
        found: CommandRun = getattr(import_module(f"membudget.cli.{self.module}"), self.function)
        return found
