"""The `glassline` command: finds the verb, and turns every expected failure into one line and an exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import NoReturn, ParamSpec

from glass_core.engines.canary import EngineFault
from glass_core.errors import InputError, MissingError, NotAccepted
from glass_core.version import program_version
from pipeline.supervision.supervisor import LineFailed

VERBS = (
    "demo", "record", "train", "evaluate", "convert", "calibrate", "compile", "run", "tell", "replay", "compare", "bench",
    "report", "review", "kinds", "outputs", "keys", "camera", "doctor", "service", "soak", "page", "mill",
    "validate", "completion", "init",
)  # fmt: skip
DONE, NO, BAD_INPUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 130


Words = ParamSpec("Words")


class Parser(argparse.ArgumentParser):
    """Says what is wrong on one line."""

    def error(self, message: str) -> NoReturn:
        """Usage errors are bad input."""
        self.exit(BAD_INPUT, f"glassline: {message}, the command line, see `{self.prog} --help`\n")


def parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The whole command line; each verb's module adds its own part."""
    top = Parser(prog="glassline", description="Watches woven cloth and signals every defect.")
    top.add_argument("--version", action="version", version=f"glassline {program_version()}")
    subparsers = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    for verb in verbs:
        importlib.import_module(f"tools.verbs.{verb}").add(subparsers)
    return top


def one_line(work: Callable[Words, int]) -> Callable[Words, int]:
    """`work` with every expected failure turned into one line on stderr and an exit status."""

    @wraps(work)
    def stated(*args: Words.args, **kwargs: Words.kwargs) -> int:
        try:
            return work(*args, **kwargs)
        except InputError as e:
            print(f"glassline: {e}", file=sys.stderr)
            return NO if isinstance(e, NotAccepted) else BAD_INPUT
        except MissingError as e:
            print(f"glassline: {e}", file=sys.stderr)
            return MISSING
        except EngineFault as e:
            print(f"glassline: {e}, the engine, run `glassline doctor`, or compile or train the model again", file=sys.stderr)
            return NO
        except LineFailed as e:
            if str(e):  # else one of its processes has said why
                print(f"glassline: {e}", file=sys.stderr)
            return e.code
        except KeyboardInterrupt:
            print("glassline: interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE

    return stated


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the answer is no, 2 bad input, 3 something is missing on this machine."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's idle threads would spin, and starve the other processes
    # Only the verb asked for is imported: `camera list` must not wait for torch.
    verbs = [words[0]] if words and words[0] in VERBS else VERBS
    args = parser(verbs).parse_args(words)
    return int(args.func(args))
