"""`glassline completion`: the script by which a shell completes verbs, options, choices and paths."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

SHELLS = ("bash", "zsh")
PLACES = "bash: ~/.local/share/bash-completion/completions/glassline; zsh: _glassline in a folder of $fpath"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser(
        "completion", help="print the script for a shell's completion", epilog=f"Where the script belongs: {PLACES}"
    )
    p.add_argument("shell", choices=SHELLS)
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """The script on stdout; 0."""
    from tools.cli import parser  # which knows all verbs, this one, too

    whole = parser()
    _complete_paths(whole)
    print(shtab.complete(whole, args.shell))
    return 0


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Wherever a path is wanted the shell offers its files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_paths(below)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own attribute
