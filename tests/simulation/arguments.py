"""The arguments of the simulated commands: what they don't know is refused, never ignored."""

from __future__ import annotations

import argparse

from tests.simulation import model

Argument = tuple[tuple[str, ...], dict[str, object]]
FLAG = {"action": "store_true"}


class Parser(argparse.ArgumentParser):
    """A parser that refuses as the simulated Juju does, instead of exiting."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Refuse the arguments.

        Raises:
            model.CommandError: always.
        """
        raise model.CommandError(f"{self.prog}: {message}")


def make_parser(command: str, *arguments: Argument) -> Parser:
    """Return the parser of a command that may be asked for JSON."""
    parser = Parser(command, add_help=False, allow_abbrev=False)
    parser.add_argument("--format", choices=["json"])
    for names, options in arguments:
        parser.add_argument(*names, **options)  # type: ignore[arg-type]
    return parser


def arg(*names: str, **options: object) -> Argument:
    """Return what ArgumentParser.add_argument takes, for `make_parser`."""
    return names, options
