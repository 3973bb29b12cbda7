"""A black box comes back as it was made, and what is none is refused in one line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.ledger import black_box
from pipeline.ledger.black_box import Fault, LastWord, Opening, Picture, Printed, Published, read_box
from pipeline.ledger.box_folder import keep_box
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Frame
from pipeline.messages.line import LineState
from pipeline.messages.stages import Progress
from pipeline.messages.states import Result, StageState, State
from pipeline.messages.verdicts import Verdict

S = 1_000_000_000
STATE = LineState(
    number=3, generation=1, state=State.FAULT, inspection_ok=False, detail="full", t_mono_ns=7 * S, t_utc_ns=9 * S
)
VERDICT = Verdict(
    number=4, generation=1, camera="left", boot_id="b", seq=8, result=Result.DEFECT, score=math.inf, lanes=(0.25, math.nan),
    t_mono_ns=6 * S, t_utc_ns=8 * S,
)  # fmt: skip
FRAME = Frame(
    camera="left", boot_id="b", seq=8, t_mono_ns=6 * S, t_utc_ns=8 * S, block_id=1, shape=(2, 3, 3), pixel_format="RGB8"
)
PIXELS = bytes(range(18))
WORKER = Progress(
    name="worker", generation=2, state=StageState.READY, steps=9, handled=5, waiting=1, counters={"gpu_w": math.nan}
)


def entries() -> list[Any]:
    return [
        Opening(line="l", supervisor_pid=11, config_sha="c", t_mono_ns=10 * S, t_utc_ns=1000 * S, left_out=2),
        Fault(process="worker", why="ended with status -9", status=-9, t_mono_ns=7 * S),
        LastWord(role="worker", name="worker", progress=WORKER, t_mono_ns=6 * S),
        LastWord(role="input", name="plc", progress=None, t_mono_ns=5 * S),
        Picture.of(FRAME, PIXELS, 6 * S),
        Printed(process="worker", text="x" * 5000, t_mono_ns=6 * S),
        Published.of(VERDICT, 6 * S),
        Published.of(STATE, 7 * S),
    ]


def write(path: Path, made: list[Any]) -> Path:
    keep_box(path, b"".join(entry.model_dump_json().encode() + b"\n" for entry in made))
    return path


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    box = read_box(write(tmp_path / "black_boxes" / "box.jsonl", entries()))
    assert (box.opening, box.faults) == (entries()[0], [entries()[1]])
    assert [(w.name, w.progress and w.progress.handled) for w in box.processes] == [("worker", 5), ("plc", None)]
    assert [len(p.text) for p in box.printed] == [1000]
    verdict = box.published[0].message
    assert isinstance(verdict, Verdict) and verdict.score == math.inf
    assert verdict.lanes[0] == 0.25 and math.isnan(verdict.lanes[1]) and verdict.seq == 8
    assert box.states == [STATE]
    assert np.array_equal(box.pictures[0].pixels, np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    assert box.utc_ns(box.fault.t_mono_ns) == 997 * S
    assert box.ending.free_disk_bytes and "kernel" in box.ending.versions


def changed(of: str, /, **fields: Any) -> Callable[[Path], None]:
    """The first line of that kind says something else."""

    def change(path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        next(line for line in lines if line["kind"] == of).update(fields)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    return change


def without(kind: str) -> Callable[[Path], None]:
    """The lines of that kind are gone."""

    def change(path: Path) -> None:
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if json.loads(line)["kind"] != kind))

    return change


def cut(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, path.stat().st_size - size)


def doubled(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda path: path.write_bytes(b""), "first line is missing"),
        (lambda path: path.write_bytes(b"\xff\x00" * 99), "line 1"),
        (lambda path: path.write_text("[" * 100_000), "line 1"),
        (without("box"), "first line is missing"),
        (without("end"), "it was cut"),
        (without("fault"), "it tells of no fault"),
        (cut(20), "line 9"),
        (doubled, "a second beginning or end"),
        (changed("box", schema_version=2), "line 1"),
        (changed("box", t_utc_ns=1 << 63), "line 1"),
        (changed("fault", process="../x"), "line 2"),
        (changed("process", progress={"name": "worker"}), "line 3"),
        (changed("picture", base64="AAAA"), "3 bytes are no picture of shape"),
        (changed("picture", base64="A" * 4 * MAX_SHRUNK_BYTES), "line 5"),
        (changed("picture", base64="%" * 24), "line 5"),
        (changed("message", type="Nothing"), "unknown message type"),
        (changed("message", body={"number": -1}), "line 7"),
        (changed("message", surplus=1), "line 7"),
        (changed("printed", kind="\n\x1b[31mred"), "line 6: Input tag ' \\x1b[31mred'"),
    ],
)
def test_a_box_that_is_cut_or_hostile_is_refused_in_one_line(tmp_path: Path, harm: Callable[[Path], None], why: str) -> None:
    path = write(tmp_path / "box.jsonl", entries())
    harm(path)
    with pytest.raises(InputError) as refused:
        read_box(path)
    words = str(refused.value)
    assert why in words and str(path) in words and words.isprintable()


def test_nobody_waits_for_a_pipe_or_reads_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for nothing in ("pipe", "none", "."):
        with pytest.raises(InputError, match="not found"):
            read_box(tmp_path / nothing)
    path = write(tmp_path / "box.jsonl", entries())
    monkeypatch.setattr(black_box, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(InputError, match="over"):
        read_box(path)
