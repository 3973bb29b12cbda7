"""`glassline init`: a first configuration of a line, from what is found and what a person answers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import configs
from glass_core.errors import InputError, MissingError, as_line
from glass_core.files.whole_file import refused_writes, whole_file
from pipeline.config.cards import load_config
from pipeline.config.draft import Draft, written
from pipeline.config.schema import SCHEMA_FILE
from tools.verbs.next_step import next_step
from tools.verbs.questions import QUESTIONS, Question

FILE = Path("line.yaml")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser(
        "init", help="ask a few questions and write the configuration of a line",
        description="What an option answers is not asked; without a terminal each must be answered by its option.",
    )  # fmt: skip
    p.add_argument("config", type=Path, nargs="?", default=FILE, metavar="CONFIG", help=f"file to write (default: {FILE})")
    for question in QUESTIONS:
        p.add_argument(
            question.option, metavar=question.metavar, type=Path if question.is_path else str, help=question.help,
            action="append" if question.many else "store",
        )  # fmt: skip
    p.add_argument("--model", type=Path, metavar="RUN", help="a trained and calibrated RUN, or a BUNDLE, where there is one")
    p.add_argument("--replace", action="store_true", help="take the place of a file that is there")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a configuration that can be read; what was there stays unless --replace is given."""
    with refused_writes(args.config):  # a name that is too long
        if args.config.is_dir():
            raise InputError(f"a folder is there, {args.config}, name a file for the configuration")
        if args.config.exists() and not args.replace:
            raise InputError(f"there is a file already, {args.config}, name another, or say --replace")
    answers = _answers(args, _found())
    draft = Draft(**answers, model=args.model)
    text = written(draft, as_line(str(args.config)), str(Path(configs.__file__).with_name(SCHEMA_FILE)))
    with refused_writes(args.config), whole_file(args.config) as part:
        part.write_text(text, encoding="utf-8")
        line = load_config(part)
    if args.json:
        print(json.dumps({"schema": 1, "config": str(args.config), "cameras": [camera.name for camera in line.cameras]}))
    else:
        print(f"written: {args.config}, {len(line.cameras)} camera{'' if len(line.cameras) == 1 else 's'}; read it through")
        print(next_step("validate", args.config))
    return 0


def _found() -> list[str]:
    """The serials of the cameras on this machine, as `glassline camera list` shows them; emulated ones are not meant."""
    from pipeline.cameras.basler import list_devices

    try:
        return [str(device["serial"]) for device in list_devices() if not device["emulated"]]
    except MissingError:
        return []


def _answers(args: argparse.Namespace, serials: list[str]) -> dict[str, Any]:
    """To each question in turn: by its option, else by the person; InputError that lists what is left where nobody is there."""
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    answers: dict[str, Any] = {}
    lacking: list[str] = []
    if asked:
        found = f"cameras found: {', '.join(serials)}" if serials else "no Basler camera found on this machine"
        print(f"{found}; Enter takes what stands in brackets", file=sys.stderr)
    for question in QUESTIONS:
        given = getattr(args, question.key)
        if not question.applies(answers):
            if given is not None:
                raise InputError(f"{question.option} does not belong to this kind of line, the command line, leave it out")
        elif given is not None:
            answers[question.key] = question.read(given)
        elif asked:
            answers[question.key] = _ask(question, question.default(answers, serials))
        else:
            lacking.append(f"{question.option} {question.metavar}")
            if question.key == "kind":  # which of the others are asked hangs on it
                break
    if lacking:
        seen = f"cameras found: {', '.join(serials)}" if serials else "no Basler camera is found"
        raise InputError(
            f"no terminal to ask on ({seen}), the command line, give {', '.join(lacking)}; see `glassline init --help`"
        )
    return answers


def _ask(question: Question, default: str) -> Any:
    """Until the answer can be used."""
    shown = f"{question.words}{f' [{default}]' if default else ''}: "
    while True:
        print(shown, end="", file=sys.stderr, flush=True)
        if not (line := sys.stdin.readline()):
            raise InputError("no more answers, the terminal, run `glassline init` again")
        said = line.strip() or default
        try:
            return question.read(said.split() if question.many else Path(said) if question.is_path else said)
        except InputError as e:
            print(f"  {e}", file=sys.stderr)
