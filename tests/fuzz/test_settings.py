"""YAML of lines and trainings, broken by chance: settings or a one-line error, in little time."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.settings.document import read_document
from glass_core.settings.explanation import checked
from pipeline.config.cards import load_config
from tests.fuzz.mutation import broken_bytes, broken_lines
from tests.shared_data import ROOT

WORDS = [
    "1:30", ".inf", "-.inf", ".nan", "1e999", "0x7f", "0o17", "017", "1_000", "~", "no", "2026-01-01",
    "!!python/object:os.system x",
    "!!binary aGk=", "&a [*a, *a]", "*a", "<<: *a", "[[[[[[[[[[", "{a: {b: {c: [", "'", '"', "|", ">-", "---", "...",
    "%YAML 9.9",
    "? [a]\n: b", "- - - -", "\ufeff", "\x07", "é", "9" * 400, "a" * 5000, "-1", "0", "1e-320", "{}", "[]", "../../etc/passwd",
    "cameras:", "train:", "line: {name: ../x}", "source: weave", "kind: modbus", "name: ''", "name: \U0001f600",
    "motion: {source: udp}",
]  # fmt: skip
FILES = sorted((ROOT / "configs").glob("*.yaml"))


def fuzz(seed: int, count: int) -> None:
    """Both readers, on every shipped file."""
    rng = random.Random(seed)
    texts = [path.read_text() for path in FILES]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "line.yaml"
        for _ in range(count):
            text = rng.choice(texts)
            content = broken_lines(text, WORDS, rng).encode() if rng.random() < 0.8 else broken_bytes(text.encode(), rng)
            path.write_bytes(content)
            try:
                if rng.random() < 0.5:
                    load_config(path)
                else:
                    document = read_document(path)
                    checked(document, TrainConfig, document.body.get("train", {}), under=("train",))
            except InputError as error:
                assert str(error).isprintable(), repr(error)  # one line, and no control characters for a terminal
                assert len(str(error)) < 4000, error


def test_broken_settings_are_one_line() -> None:
    fuzz(seed=1, count=300)
