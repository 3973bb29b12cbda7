"""What an unquoted word of a YAML file means. A word that readers of YAML take for different things is refused."""

import math
import re

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
MAX_DIGITS = 40

_RESOLVER = Resolver()


def read_plain(text: str) -> bool | int | float | str | None:
    """The value of an unquoted word: null, a boolean, a decimal or hexadecimal number, else the text itself.

    YAML 1.1 takes 1:30 for 90, 010 for 8, 1_000 for 1000, and 1e3 for text. Only the last is wanted, as a number.
    Raises ValueError that says how the word reads and what to write instead.
    """
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool":
        return SafeConstructor.bool_values[text.lower()]
    if kind == "timestamp":
        raise ValueError("it reads as a date: put it in quotes")
    if INT.fullmatch(text) and len(text) <= MAX_DIGITS and abs(whole := int(text, 0)) < 1 << 63:
        return whole
    if INT.fullmatch(text):
        raise ValueError("it is a number of more than 64 bits: put it in quotes if it is text")
    if FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if kind in ("int", "float") or FLOAT.fullmatch(text):
        raise ValueError(f"it reads as {_reading(text)}: write a finite decimal number, or put text in quotes")
    return text


def _reading(text: str) -> str:
    """How readers of YAML 1.1 take a number that is not written in plain decimals."""
    return str(float(text) if FLOAT.fullmatch(text) else yaml.safe_load(text)) if len(text) <= MAX_DIGITS else "a number"
