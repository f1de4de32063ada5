"""Command lines as texts show them, read by the command line's own parser; nothing is run."""

import re
import shlex
from collections.abc import Iterator

from cyclopts import App, CycloptsError, MissingArgumentError

from skyfix.cli import app


def commands() -> dict[str, App]:
    """Every command that does something, by its words after `skyfix`."""
    return dict(_runnable(app, ()))


def _runnable(parent: App, words: tuple[str, ...]) -> Iterator[tuple[str, App]]:
    for name in parent:
        if name in (*parent.help_flags, *parent.version_flags):
            continue
        command = parent[name]
        if command.default_command is not None:
            yield " ".join((*words, name)), command
        yield from _runnable(command, (*words, name))


def options() -> set[str]:
    """Every option of any command."""
    return {
        name
        for command in commands().values()
        for argument in command.assemble_argument_collection()
        for name in argument.names
    } | {"--help", "--version", "--install-completion"}


def problem(line: str, whole: bool) -> str:
    """What the parser says against a line that begins with `skyfix`; empty if nothing.

    Args:
        line: the command; ``a|b`` stands for one line with each, ``COMMAND`` for any command, a
            last ``...`` for more.
        whole: whether what the command needs must all be there.
    """
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "..."]
    for spelled in _alternatives(["demo" if word == "COMMAND" else word for word in words]):
        try:
            app.parse_args(spelled, exit_on_error=False, print_error=False)
        except MissingArgumentError as error:
            if whole:
                return f"{line}: {error}"
        except CycloptsError as error:
            return f"{line}: {error}"
    return ""


def _alternatives(words: list[str]) -> list[list[str]]:
    for place, word in enumerate(words):
        if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word):
            return [[*words[:place], one, *words[place + 1 :]] for one in word.split("|")]
    return [words]
