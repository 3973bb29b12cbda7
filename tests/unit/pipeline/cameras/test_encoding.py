"""A video of a recording: its pictures in their own time, of any size, and one line where there is none to be made."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.cameras.encoding import export_video
from pipeline.messages.frames import Frame
from pipeline.recording.writing import McapWriter
from tools.cli import main

MS = 1_000_000


def recording(path: Path, *taken: tuple[int, int, tuple[int, ...] | None], camera: str = "a") -> Path:
    """Pictures of one grey each: when in ms, how bright, how large; None: damaged."""
    writer = McapWriter(path, "loom", "sha", {"a": {}, "b": {}})
    for seq, (ms, grey, size) in enumerate(taken):
        shape = size or (8, 0)
        frame = Frame(
            camera=camera, boot_id="x", seq=seq, block_id=seq, t_mono_ns=ms * MS, t_utc_ns=ms * MS, shape=shape,
            pixel_format="RGB8" if len(shape) == 3 else "Mono8", status="OK" if size else "DAMAGED",
        )  # fmt: skip
        writer.write_frame(frame, np.full(shape, grey, np.uint8).tobytes(), 0, frame.t_utc_ns)
    writer.close()
    return path


def shown(path: Path) -> list[tuple[int, int, int, int]]:
    """When, how bright in the upper left, and how large."""
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    first = frames[0].pts * frames[0].time_base
    return [
        (round((f.pts * f.time_base - first) * 1000), int(f.to_ndarray(format="gray")[:8, :8].mean()), f.width, f.height)
        for f in frames
    ]  # fmt: skip


def test_pictures_come_at_their_times_and_what_was_left_out_is_short(tmp_path: Path) -> None:
    source = recording(
        tmp_path / "r.mcap", (500, 40, (33, 48)), (540, 90, (33, 48)), (600, 10, None), (700, 140, (33, 48)),
        (90_000, 200, (33, 48)), (3, 220, (20, 48, 3)),
    )  # fmt: skip
    assert export_video(source, tmp_path / "v.mp4", "a") == 5
    found = shown(tmp_path / "v.mp4")
    assert [f[0] for f in found] == [0, 40, 200, 1200, 1201]
    assert [abs(f[1] - grey) < 8 for f, grey in zip(found, (40, 90, 140, 200, 220), strict=True)] == [True] * 5
    assert {f[2:] for f in found} == {(48, 34)}


def test_a_picture_larger_than_players_show_is_made_smaller(tmp_path: Path) -> None:
    export_video(recording(tmp_path / "r.mcap", (0, 99, (40, 7681))), tmp_path / "v.mp4", "a")
    assert shown(tmp_path / "v.mp4")[0][2:] == (3840, 20)


def test_a_picture_of_one_line_is_not_made_smaller_than_that(tmp_path: Path) -> None:
    assert export_video(recording(tmp_path / "r.mcap", (0, 99, (1, 9000))), tmp_path / "v.mp4", "a") == 1
    assert shown(tmp_path / "v.mp4")[0][2:] == (3840, 2)


def test_the_verb_makes_it_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path / "1.mcap", (0, 99, (40, 64)), (20, 99, (40, 64)))
    recording(tmp_path / "2.mcap", (60, 99, (40, 64)), camera="b")
    assert main(["report", str(tmp_path), "--video", str(tmp_path / "v.mp4"), "--camera", "b", "--json"]) == 0
    assert capsys.readouterr().out == f'{{"schema": 1, "video": "{tmp_path}/v.mp4", "pictures": 1}}\n'


def test_what_makes_no_video_is_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    empty = recording(tmp_path / "r.mcap", (0, 9, None))
    wanted = tmp_path / "v.mp4"
    for source, out, camera, said in (
        (empty, wanted, "a", "no picture to show, .*name another recording"),
        (empty, wanted, None, "recording of several cameras, or none"),
        (empty, tmp_path / "v.avi", "a", "not an .mp4"),
        (tmp_path / "none.mcap", wanted, "a", "no recording in MCAP, .*none"),
        (recording(tmp_path / "s.mcap", (0, 9, (9, 9))), tmp_path / "gone/v.mp4", "a", "not writable"),
    ):
        with pytest.raises(InputError, match=said):
            export_video(source, out, camera)
    assert main(["report", str(tmp_path), "--camera", "a"]) == 2
    assert {p.suffix for p in tmp_path.iterdir()} == {".mcap"}
