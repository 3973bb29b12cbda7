"""Breaks bytes, texts and JSON documents by chance, the same way for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

EDGES = [0, 1, -1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 1e300, -0.0, 10**40]
ODD: list[Any] = [*EDGES, None, True, "", "nan", "\x00", "../../up", "/etc/passwd", "é" * 300, [], {}, [[]], [{}], {"": None}]


def broken_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to eight changes: bits and bytes, runs taken out, doubled, zeroed or moved, numbers at the edge, a cut."""
    out = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        at, length = rng.randrange(len(out) + 1), rng.choice([1, 2, 4, 8, 64, 512])
        match rng.randrange(8):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.randrange(256)
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                out[at : at + length] = bytes(len(out[at : at + length]))
            case 5:
                number = int(rng.choice(EDGES[:14])) % 2**64
                width = rng.choice([1, 2, 4, 8])
                out[at : at + width] = (number % 256**width).to_bytes(width, rng.choice(["big", "little"]))
            case 6:
                del out[at:]
            case 7:
                out[at:at] = rng.randbytes(length)
    return bytes(out)


def broken_lines(text: str, words: list[str], rng: random.Random) -> str:
    """One to four changes to a text in lines: doubled, moved, indented or cut lines, and `words` put in the place of values."""
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(lines)) if lines else 0
        match rng.randrange(7):
            case 0:
                lines[at:at] = lines[at : at + rng.choice([1, 1, 3, 8])]
            case 1:
                del lines[at : at + 1]
            case 2 if lines:
                lines[at] = rng.choice([" ", "  ", "\t", "- "]) + lines[at]
            case 3 if lines and ":" in lines[at]:
                lines[at] = f"{lines[at].split(':', 1)[0]}: {rng.choice(words)}"
            case 4:
                lines.insert(at, rng.choice(words))
            case 5 if lines:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 6 if lines:
                lines.insert(rng.randrange(len(lines)), lines.pop(at))
    return "\n".join(lines) + "\n"


def broken_document(body: Any, rng: random.Random) -> Any:
    """A copy of a JSON document in which one to three values are others, gone, doubled or moved."""
    out = copy.deepcopy(body)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(_places(out))
        if not places:
            return rng.choice(ODD)
        inside, key = rng.choice(places)
        match rng.randrange(5):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[f"{key}_"] = inside[key]
            case 2 if isinstance(inside, list):
                inside.extend(copy.deepcopy(inside[:64]))
            case 3:
                _, other = rng.choice(places)
                inside[key] = copy.deepcopy(other) if rng.random() < 0.2 else _near(inside[key], rng)
            case _:
                inside[key] = copy.deepcopy(rng.choice(ODD))
    return out


def dumped(body: Any) -> bytes:
    """As JSON; what JSON has no word for (NaN, infinities) as Python writes it."""
    return json.dumps(body).encode()


def _near(value: Any, rng: random.Random) -> Any:
    """A value that is almost the same: a number beside it, a text with one letter changed."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        change: Callable[[Any], Any] = rng.choice(
            [lambda v: -v, lambda v: v + 1, lambda v: v * 1000, lambda v: float("nan"), float]
        )
        return change(value)
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return value[:at] + chr(rng.choice([0, 10, 47, 97, 255, 0x1F600])) + value[at + 1 :]
    return rng.choice(EDGES)


def _places(body: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document, and what it lies in."""
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(body, dict):
        items = iter(list(body.items()))
    elif isinstance(body, list):
        items = enumerate(body[:64])
    for key, value in items:
        yield body, key
        yield from _places(value)
