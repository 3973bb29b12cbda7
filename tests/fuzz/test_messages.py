"""No stage dies of a message, grows with what it is sent, or loses count of what it refused."""

from __future__ import annotations

import gc
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import cast

import numpy as np
import pytest

from pipeline.link import wire
from pipeline.supervision.process import Reporter
from pipeline.supervision.spec import Spec
from pipeline.telemetry import Refusals
from tests.fuzz.messages import Mutator
from tests.fuzz.stages import STAGES, Drain, Inbox

ROUNDS = 10
BATCH = 50
MAX_HELD = 250_000
"""Objects that a stage may hold, whatever it was sent: its longest lists are full by then."""


def fuzz(seed: int, count: int) -> None:
    """Messages for every stage in turn; AssertionError where one breaks a promise, else what it raises."""
    for name in STAGES:
        with tempfile.TemporaryDirectory(prefix="glassline-fuzz-") as folder:
            fuzz_stage(name, Path(folder), seed, count // len(STAGES))


def fuzz_stage(name: str, folder: Path, seed: int, count: int) -> None:
    """Half of the messages go to one stage of that name, the others to stages that begin anew.

    A single odd place may be the end of all that is usual.
    """
    for part, messages in enumerate((count - count // 2, *(count // 2 // ROUNDS for _ in range(ROUNDS)))):
        _fuzz(name, folder / f"{part}", seed * (ROUNDS + 1) + part, messages)


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_dies_of_a_message(name: str, tmp_path: Path) -> None:
    fuzz_stage(name, tmp_path, seed=1, count=2000)


def _fuzz(name: str, folder: Path, seed: int, count: int) -> None:
    inbox = Inbox()
    folder.mkdir()
    stage, kinds = STAGES[name](inbox, folder)
    report = Reporter(stage, cast(Spec, SimpleNamespace(name="left", generation=0)), Drain(), Refusals())
    bad: Counter[str] = Counter()
    mutator, sent = Mutator(seed, kinds), 0
    now_ns = mutator.now_ns = 12_000_000_000
    for parts in islice(mutator, count):
        try:
            wire.decode(list(parts))
        except wire.DecodeError as e:
            bad[e.sender] += 1
        assert inbox.send_parts(parts)  # type: ignore[arg-type]
        sent += 1
        if sent % BATCH == 0:
            for _ in range(2 * BATCH):
                now_ns += 1_000_000
                stage.step(now_ns)
            report(now_ns, sent)
            mutator.now_ns = now_ns
    while inbox.waiting:
        now_ns += 20_000_000
        stage.step(now_ns)
    assert inbox.received.total() + bad.total() == sent
    refused = inbox.refused.by_sender
    assert bad.total() <= refused.total() <= sent, "what was no message, and what the stage has no use for"
    assert all(refused[sender] >= n for sender, n in bad.items() if sender in refused)
    assert held(stage) < MAX_HELD
    stage.close()
    escaped = [path for path in folder.rglob("*.png") if not path.is_relative_to(folder / "record" / "crops" / "r")]
    assert not escaped and not list(folder.parent.glob("*.png"))


def held(stage: object) -> int:
    """Objects that can be reached from it."""
    seen: set[int] = set()
    todo = [stage]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType | Inbox | np.ndarray):
            continue
        seen.add(id(thing))
        todo += gc.get_referents(thing)
    return len(seen)
