"""Recordings: what goes in comes out, and whatever stops the writing leaves the rest readable."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from calibration.model_card import Spot
from glass_core.errors import InputError
from pipeline.cameras import Shot, make_camera
from pipeline.cameras.placing import Placing
from pipeline.cameras.recording import INDEX, Recording, RecordingWriter
from pipeline.config.cameras import ReplayConfig
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from tests.shared_data import ROOT

RNG = np.random.default_rng(3)


def shot(block_id: int, pixels: np.ndarray | None, **more: object) -> Shot:
    return Shot(pixels=pixels, rows=16, block_id=block_id, t_mono_ns=10 * block_id, t_utc_ns=20 * block_id, **more)  # type: ignore[arg-type]


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def replayed(path: Path, camera: str | None = None) -> list[Shot]:
    source = make_camera(ReplayConfig(name="a", source="replay", path=path, camera=camera))
    source.open()
    return [s for s in source.shots() if s]


def test_round_trip(tmp_path: Path) -> None:
    out, grey, rgb = tmp_path / "r", noise(16, 32), noise(16, 32, 3)
    motion = Motion(position_mm=1.5, speed_mm_s=9.0, state=MotionState.MOVING, source="simulated", t_mono_ns=4)
    with RecordingWriter(out, "abc", 99) as writer:
        writer.add_camera("left", {"model": "M"})
        writer.add_camera("right", {})
        writer.write("left", shot(5, grey, encoder_count=7), 0.0, 3.2)
        writer.write("right", shot(0, rgb))
        writer.write("left", shot(8, None, error="0xE1000014 incomplete"), 3.2, 6.4)
        writer.write_motion(motion)
    index = json.loads((out / INDEX).read_text())
    assert index == {
        "schema": 1,
        "started_utc_ns": 99,
        "config_sha": "abc",
        "cameras": {"left": {"model": "M", "frames": 2}, "right": {"frames": 1}},
    }
    frames = list(Recording(out).frames("left"))
    assert [(f.seq, f.block_id, f.start_mm, f.end_mm, f.rows, f.status, f.error, f.encoder_count) for f in frames] == [
        (0, 5, 0.0, 3.2, 16, "OK", "", 7),
        (1, 8, 3.2, 6.4, 16, "DAMAGED", "0xE1000014 incomplete", None),
    ]
    assert list(Recording(out).motion()) == [motion]
    left, right = replayed(out, "left"), replayed(out, "right")
    assert np.array_equal(left[0].pixels, grey) and np.array_equal(right[0].pixels, rgb)
    # the two frames lost between the recorded ones are lost in replay too
    assert [(s.block_id, s.encoder_count, s.rows, s.error, s.span_mm) for s in left] == [
        (0, 7, 16, "", (0.0, 3.2)),
        (3, None, 16, "0xE1000014 incomplete", (3.2, 6.4)),
    ]
    assert right[0].span_mm is None
    assert not list(out.rglob("*.part"))


def test_cloth_that_comes_again_has_no_recorded_place(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", "", 0) as writer:
        writer.add_camera("a", {})
        writer.write("a", shot(0, noise(16, 32)), 0.0, 3.2)
    source = make_camera(ReplayConfig(name="a", source="replay", path=tmp_path / "r", loop=True))
    source.open()
    assert [s.span_mm for s in islice(source.shots(), 3) if s] == [None] * 3


def test_a_picture_of_cloth_that_ran_back_has_its_lower_place_first_for_calibration(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", "", 0) as writer:
        writer.add_camera("a", {})
        writer.write("a", shot(0, noise(16, 32)), 6.4, 3.2)
        writer.write("a", shot(1, noise(16, 32)))
    place = Placing()
    assert [place(tmp_path / f"r/a/00000000{n}.png") for n in (0, 1)] == [Spot("a", 3.2, 6.4), Spot("a")]
    assert place(tmp_path / "r/a/000000002.png") == Spot()


def test_several_cameras_need_a_name(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", "", 0) as writer:
        writer.add_camera("left", {})
        writer.add_camera("right", {})
    for name in (None, "middle"):
        with pytest.raises(InputError, match=r"\['left', 'right'\]"):
            Recording(tmp_path / "r").camera(name)


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "older.png").write_bytes(b"x")
    with pytest.raises(InputError, match="not empty"):
        RecordingWriter(tmp_path, "", 0)
    assert [p.name for p in tmp_path.iterdir()] == ["older.png"]


FILLS_THE_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from glass_core.errors import InputError
from pipeline.cameras import Shot
from pipeline.cameras.recording import RecordingWriter

# Files may not grow over 4000 bytes, as on a disk that is nearly full. In a process of its own: libraries that keep
# their machine code in files die of the limit.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
rng = np.random.default_rng(3)
small, later = rng.integers(0, 256, (16, 32), np.uint8), rng.integers(0, 256, (64, 128), np.uint8)
np.save(sys.argv[1] + ".npy", small)
written = 0
try:
    with RecordingWriter(Path(sys.argv[1]), "", 0) as writer:
        writer.add_camera("a", {})
        for n in range(1000):
            pixels = small if n < 3 else later if sys.argv[2] == "picture" else None
            writer.write("a", Shot(pixels=pixels, rows=16, block_id=n, t_mono_ns=n, t_utc_ns=n))
            written += 1
except InputError as e:
    print(written, e)
"""


@pytest.mark.parametrize("outgrown", ["picture", "index line"])
def test_full_disk_ends_cleanly_and_keeps_what_was_written(tmp_path: Path, outgrown: str) -> None:
    words = [sys.executable, "-c", FILLS_THE_DISK, str(tmp_path / "r"), outgrown]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    count, said = done.stdout.split(maxsplit=1)
    assert said.startswith(("recording stopped: File too large", "recording stopped: No space left")), said
    frames = list(Recording(tmp_path / "r").frames("a"))
    assert len(frames) == int(count) >= 3
    small = np.load(tmp_path / "r.npy")
    assert all(s.pixels is not None and np.array_equal(s.pixels, small) for s in replayed(tmp_path / "r")[:3])
    assert not list(tmp_path.rglob("*.part"))


def test_killed_writer_leaves_whole_frames(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", "", 0)
    writer.add_camera("a", {})
    writer.write("a", shot(0, noise(16, 32)))
    with (tmp_path / "r/a/frames.jsonl").open("ab") as file:
        file.write(b'{"seq": 1, "block')  # as after a kill within a write, and without close
    assert [f.seq for f in Recording(tmp_path / "r").frames("a")] == [0]
    assert len(replayed(tmp_path / "r")) == 1
    writer.close()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (INDEX, "{", "not readable"),
        (INDEX, '{"schema": 2, "cameras": {}}', "not a schema 1 recording"),
        ("a/frames.jsonl", '{"seq": -1}\n', "frames.jsonl line 1"),
        ("a/frames.jsonl", None, "No such file"),
    ],
)
def test_damaged_recording_is_one_line(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    with RecordingWriter(tmp_path / "r", "", 0) as writer:
        writer.add_camera("a", {})
    (tmp_path / "r" / name).unlink()
    if text is not None:
        (tmp_path / "r" / name).write_text(text)
    with pytest.raises(InputError, match=said) as refused:
        list(Recording(tmp_path / "r").frames("a"))
    assert "\n" not in str(refused.value)


def cut(path: Path, frames: int, *, counted: int | None = None, lines: int | None = None, pictures: int | None = None) -> Path:
    """A recording of so many frames, of which the index counts so many, and so many lines and pictures are left."""
    with RecordingWriter(path, "", 0) as writer:
        writer.add_camera("a", {})
        for n in range(frames):
            writer.write("a", shot(n, noise(16, 32)), 3.2 * n, 3.2 * (n + 1))
    if counted is not None:
        index = json.loads((path / INDEX).read_text())
        index["cameras"]["a"]["frames"] = counted
        (path / INDEX).write_text(json.dumps(index))
    if lines is not None:
        written = (path / "a/frames.jsonl").read_bytes().splitlines(keepends=True)
        (path / "a/frames.jsonl").write_bytes(b"".join(written[:lines]) + written[lines][:20])
    for n in range(frames if pictures is None else pictures, frames):
        (path / f"a/{n:09d}.png").unlink()
    return path


@pytest.mark.parametrize(
    ("left", "told", "whole", "placed"),
    [
        ({}, "", 6, 6),
        ({"counted": 0}, "the recorder did not end it, 6 are written down", 6, 6),  # as after a kill
        ({"counted": 4}, "its index counts 4 frames, 6 are written down", 6, 6),
        ({"counted": 8}, "its index counts 8 frames, 6 are written down, 2 are gone", 6, 6),
        ({"lines": 4}, "its index counts 6 frames, 4 are written down, 2 beyond them without a place", 6, 4),
        (
            {"lines": 2, "pictures": 3},
            "counts 6 frames, 2 are written down, 1 beyond them without a place, 3 are gone",
            3,
            2,
        ),
        ({"pictures": 5}, "", 5, 6),
    ],
)
def test_a_recording_cut_short_gives_what_it_holds_and_says_what_is_missing(
    left: dict[str, int], told: str, whole: int, placed: int, tmp_path: Path
) -> None:
    source = make_camera(ReplayConfig(name="a", source="replay", path=cut(tmp_path / "r", 6, **left)))
    facts = source.open()
    shots = [s for s in source.shots() if s]
    assert facts["shortfall"].endswith(told) and bool(facts["shortfall"]) == bool(told)
    assert facts["frames"] == len(shots) == max(6, left.get("counted", 0)), "none is silently gone"
    assert [s.pixels is not None for s in shots] == [n < whole for n in range(len(shots))]
    assert [s.span_mm for s in shots] == [(3.2 * n, 3.2 * (n + 1)) if n < placed else None for n in range(len(shots))]
    assert [(s.block_id, s.rows) for s in shots] == [(n, 16) for n in range(len(shots))]
    assert all(s.error for s in shots[whole:])


@pytest.mark.parametrize(("counted", "stray"), [(10**12, None), (None, "99999999999999.png")])
def test_a_count_beyond_belief_gives_one_damaged_frame(counted: int | None, stray: str | None, tmp_path: Path) -> None:
    path = cut(tmp_path / "r", 3, counted=counted)
    if stray:
        (path / "a" / stray).write_bytes(b"")
    source = make_camera(ReplayConfig(name="a", source="replay", path=path))
    facts = source.open()
    shots = [s for s in islice(source.shots(), 100) if s]
    assert facts["frames"] == 4 and [s.pixels is not None for s in shots] == [True, True, True, False]
    assert shots[-1].block_id == 3
    assert f"{10**12 - 3} are gone" in facts["shortfall"] or "99999999999997 beyond them" in facts["shortfall"]


def test_very_many_frames_that_lack_are_one_whose_number_leaves_room_for_them(tmp_path: Path) -> None:
    source = make_camera(ReplayConfig(name="a", source="replay", path=cut(tmp_path / "r", 3, counted=20_003)))
    assert source.open()["frames"] == 4
    assert [(s.block_id, s.pixels is None) for s in source.shots() if s] == [
        (0, False), (1, False), (2, False), (20_002, True),
    ]  # fmt: skip


def test_one_picture_is_not_shown_in_the_place_of_another_that_stands_for_many(tmp_path: Path) -> None:
    first = cut(tmp_path / "r", 3) / "a/000000000.png"
    for number in (3, 20_002):
        shutil.copy(first, first.with_name(f"{number:09}.png"))
    assert [(s.block_id, s.pixels is None) for s in replayed(tmp_path / "r")][-1] == (20_002, True)


def test_a_hostile_index_is_refused_in_one_line(tmp_path: Path) -> None:
    index = cut(tmp_path / "r", 1) / INDEX
    index.write_text("[" * 200_000)
    with pytest.raises(InputError, match="recording not readable"):
        Recording(tmp_path / "r")
    index.write_text(" " * (16 << 20) + "{}")
    with pytest.raises(InputError, match="too large"):
        Recording(tmp_path / "r")


@pytest.mark.parametrize("fact", [{"rows": 10**12}, {"block_id": 1 << 60}, {"start_mm": 1e300, "end_mm": 1e300}])
def test_a_line_that_no_camera_can_have_written_is_refused(fact: dict[str, float], tmp_path: Path) -> None:
    lines = cut(tmp_path / "r", 2) / "a/frames.jsonl"
    first, last = lines.read_text().splitlines()
    lines.write_text(f"{first}\n{json.dumps(json.loads(last) | fact)}\n")
    with pytest.raises(InputError, match=r"recording damaged.* line 2"):
        list(Recording(tmp_path / "r").frames("a"))


def test_half_a_picture_at_the_end_is_damaged_and_keeps_its_place(tmp_path: Path) -> None:
    last = cut(tmp_path / "r", 3) / "a/000000002.png"
    last.write_bytes(last.read_bytes()[:100])
    shots = replayed(tmp_path / "r")
    assert [s.pixels is None for s in shots] == [False, False, True]
    assert shots[2].span_mm == (6.4, pytest.approx(9.6)) and "cut short" in shots[2].error


def test_frames_that_go_while_they_are_read_are_damaged(tmp_path: Path) -> None:
    source = make_camera(ReplayConfig(name="a", source="replay", path=cut(tmp_path / "r", 5)))
    source.open()
    shots = source.shots()
    next(shots)
    lines = (tmp_path / "r/a/frames.jsonl").read_bytes()
    for n in (1, 3, 4):
        (tmp_path / f"r/a/{n:09d}.png").unlink()
    os.truncate(tmp_path / "r/a/frames.jsonl", lines.index(b"\n", lines.index(b'"seq":2')) + 1)
    rest = [s for s in shots if s]
    assert [s.pixels is None for s in rest] == [True, False, True, True] and [s.block_id for s in rest] == [1, 2, 3, 4]
