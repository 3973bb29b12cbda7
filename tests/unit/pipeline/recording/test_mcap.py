"""A recording in MCAP: the library's own reader opens it, and it comes back pixel by pixel, up to wherever it was cut."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap import stream_reader
from mcap.reader import make_reader
from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.cameras.replay import ReplayCamera
from pipeline.config.cameras import ReplayConfig
from pipeline.config.line import LineConfig
from pipeline.messages.frames import Frame
from pipeline.messages.motion import Motion
from pipeline.messages.states import FrameStatus, MotionState
from pipeline.motion.played import RecordedCourse
from pipeline.recording.foxglove import decode_picture, encode_picture
from pipeline.recording.reading import McapRecording
from pipeline.recording.writing import KeptFrame, McapWriter
from pipeline.supervision.replaying import count_frames, line_of

MS = 1_000_000
CHUNK, DATA_END = 6, 15
LEFT = {"name": "left", "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.3, "rows": 16, "overlap_rows": 4}
RIGHT = {"name": "right", "source": "weave", "mm_per_px_x": 0.4, "mm_per_px_y": 0.5, "x_offset_mm": 90, "y_offset_mm": -7}
CAMERAS = {"left": LEFT, "right": RIGHT}


def pixels(seq: int, shape: tuple[int, ...] = (9, 14)) -> np.ndarray:
    """Never the same twice, nor the same mirrored."""
    return np.random.default_rng(seq).integers(0, 256, shape, np.uint8)


def frame(seq: int, camera: str = "left", shape: tuple[int, ...] = (9, 14), **changes: Any) -> Frame:
    facts = {
        "camera": camera, "boot_id": "b", "seq": seq, "block_id": 7 + seq // 2, "t_mono_ns": seq * 40 * MS,
        "t_utc_ns": 1_700_000_000_000_000_000 + seq * 40 * MS, "start_mm": seq * 2.7, "end_mm": seq * 2.7 + 2.7,
        "encoder_count": seq * 27, "shape": shape, "pixel_format": "RGB8" if len(shape) == 3 else "Mono8",
    } | changes  # fmt: skip
    return Frame.model_validate(facts)


def write(path: Path, *frames: tuple[Frame, int], chunks: list[int] | None = None) -> Path:
    """These frames, each with how many before it were left out, and motion; `chunks`: one a frame, and where each ends."""
    writer = McapWriter(path, "loom", "sha", CAMERAS)
    for kept, left_out in frames:
        shown = b"" if kept.status is FrameStatus.DAMAGED else pixels(kept.seq, kept.shape).tobytes()
        writer.write_frame(kept, shown, left_out, kept.t_utc_ns)
        motion = Motion(
            position_mm=kept.seq * 2.0, speed_mm_s=50, state=MotionState.MOVING, source="t", t_mono_ns=kept.t_mono_ns
        )
        writer.write(motion, kept.t_utc_ns)
        if chunks is not None:
            writer.flush()
            chunks.append(writer.size)
    writer.close()
    return path


def shots(path: Path, camera: str | None = "left") -> list[Any]:
    replay = ReplayCamera(ReplayConfig(name="c", source="replay", path=path, camera=camera))
    replay.open()
    return list(replay.shots())


def test_the_librarys_own_reader_opens_it_and_finds_foxgloves_names(tmp_path: Path) -> None:
    colour = frame(1, "right", (5, 3, 3))
    path = write(tmp_path / "a.mcap", (frame(0), 0), (colour, 0))
    with path.open("rb") as file:
        found = list(make_reader(file, validate_crcs=True).iter_messages())
    named = {channel.topic: (schema and schema.name, channel.message_encoding) for schema, channel, _ in found}
    assert named == {
        "/left/image": ("foxglove.RawImage", "protobuf"), "/left/frame": ("glassline.Frame", "json"),
        "/right/image": ("foxglove.RawImage", "protobuf"), "/right/frame": ("glassline.Frame", "json"),
        "/Motion": ("glassline.Motion", "json"),
    }  # fmt: skip
    assert {message.log_time for _, _, message in found} == {frame(0).t_utc_ns, colour.t_utc_ns}
    schema, _, message = next(each for each in found if each[1].topic == "/right/image")
    assert schema is not None and schema.encoding == "protobuf"
    described = descriptor_pb2.FileDescriptorSet.FromString(schema.data)
    pool = descriptor_pool.DescriptorPool()
    for each in described.file:
        pool.Add(each)
    image = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name)).FromString(message.data)
    assert (image.width, image.height, image.step, image.encoding, image.frame_id) == (3, 5, 9, "rgb8", "right")
    assert image.timestamp.seconds * 10**9 + image.timestamp.nanos == colour.t_utc_ns
    assert image.data == pixels(1, (5, 3, 3)).tobytes()


def test_a_camera_comes_back_as_it_was_pixel_by_pixel_with_its_losses_and_places(tmp_path: Path) -> None:
    frames = [
        (frame(3), 0), (frame(3, "right", (5, 6)), 0),
        (frame(4, status=FrameStatus.DAMAGED, shape=(11, 0)), 0),
        (frame(5, start_mm=None, end_mm=None), 0),
        (frame(9), 1),  # three were lost and one left out
        (frame(0, boot_id="b.1"), 0),
        (frame(2, boot_id="b.1", shape=(4, 14), status=FrameStatus.LAMP), 1),
    ]  # fmt: skip
    found = shots(write(tmp_path / "a.mcap", *frames))
    assert [s.block_id for s in found] == [0, 1, 2, 5, 6, 7]
    assert [s.rows for s in found] == [9, 11, 9, 9, 9, 4]
    assert [s.error for s in found] == ["", "recorded as DAMAGED", "", "", "", "recorded as LAMP"]
    for shot, seq in zip(found, (3, None, 5, 9, 0, None), strict=True):
        assert (shot.pixels is None) == (seq is None)
        assert seq is None or np.array_equal(shot.pixels, pixels(seq))
    assert [s.span_mm and round(s.span_mm[0], 3) for s in found] == [8.1, 10.8, None, 24.3, 0, 5.4]
    assert [s.encoder_count for s in found] == [81, 108, 135, 243, 0, 54]
    (right,) = shots(tmp_path / "a.mcap", "right")
    assert np.array_equal(right.pixels, pixels(3, (5, 6)))


def test_the_files_of_a_folder_follow_upon_each_other_without_a_loss(tmp_path: Path) -> None:
    write(tmp_path / "2.mcap", (frame(800), 0), (frame(802), 0))
    write(tmp_path / "1.mcap", (frame(5), 0), (frame(6), 0))
    found = shots(tmp_path)
    assert [(s.block_id, round(s.span_mm[0], 3)) for s in found] == [(0, 13.5), (1, 16.2), (2, 2160), (4, 2165.4)]
    assert McapRecording(tmp_path).count("left") == 4


def test_every_camera_is_replayed_with_its_geometry_and_its_frames_are_cut_no_second_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", (frame(0), 0), (frame(0, "right"), 0))
    config = line_of(path, Path("model"), LineConfig(), Path("out"))
    left, right = (c.model_dump(exclude_defaults=True, exclude={"source", "path"}) for c in config.cameras)
    assert left == {"name": "left", "camera": "left", "mm_per_px_x": 0.2, "mm_per_px_y": 0.3}
    assert right == {"name": "right", "camera": "right"} | {k: v for k, v in RIGHT.items() if k not in ("name", "source")}
    assert count_frames(config) == 2
    (alone,) = line_of(path, Path("model"), LineConfig(), Path("out"), "right").cameras
    assert alone.name == "right"
    with pytest.raises(InputError, match="no camera 'middle' in the recording"):
        line_of(path, Path("model"), LineConfig(), Path("out"), "middle")


def test_the_cloths_course_is_played_in_its_own_time(tmp_path: Path) -> None:
    course = RecordedCourse(write(tmp_path / "a.mcap", (frame(0), 0), (frame(2), 0)))
    assert course.at(0.02) == (1.0, 50.0) and course.at(9)[0] == 4.0


def test_a_file_cut_at_any_byte_gives_every_frame_of_its_whole_chunks(tmp_path: Path) -> None:
    ends: list[int] = []
    whole = write(tmp_path / "whole.mcap", *((frame(n), 0) for n in range(12)), chunks=ends).read_bytes()
    path = tmp_path / "cut.mcap"
    for cut in sorted({*random.Random(4).sample(range(len(whole)), 100), 0, 7, *ends, len(whole) - 1}):
        path.write_bytes(whole[:cut])
        recording = McapRecording(path)
        found = [each.frame.seq for each in recording.frames(path, "left")]
        assert found == list(range(len(found)))
        least = sum(end <= cut for end in ends)
        assert least <= len(found) <= least + 1, "a chunk is whole before its index is"
        assert recording.count("left") == len(found) and recording.shortfall.endswith("whole chunk: cut.mcap")
    assert found == list(range(12))
    assert McapRecording(tmp_path / "whole.mcap").shortfall == ""


def test_a_writer_knows_how_many_frames_are_not_yet_on_the_disk(tmp_path: Path) -> None:
    writer, at_risk = McapWriter(tmp_path / "a.mcap", "loom", "sha", CAMERAS), list[int]()
    for seq in range(4):
        writer.write_frame(frame(seq, shape=(1500, 1000)), bytes(1_500_000), 0, seq)
        at_risk.append(writer.frames_at_risk)
    writer.flush()
    assert [*at_risk, writer.frames_at_risk] == [1, 2, 1, 2, 0]
    writer.close()


def test_a_flipped_bit_gives_no_wrong_pixel_and_says_how_many_are_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", *((frame(n), 0) for n in range(4)), chunks=[])
    data = bytearray(path.read_bytes())
    data[data.find(pixels(2).tobytes()) + 5] ^= 8
    path.write_bytes(data)
    found = shots(path)
    assert [s.pixels is None for s in found] == [False, False, True]
    assert found[-1].block_id == 3 and found[-1].error == "damaged recording: 2 frames up to here are gone"


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_is_no_traceback(tmp_path: Path, seed: int) -> None:
    data = bytearray(write(tmp_path / "a.mcap", (frame(0), 0), (frame(1), 0), chunks=[]).read_bytes())
    chance = random.Random(seed)
    for _ in range(8):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path = tmp_path / "b.mcap"
    path.write_bytes(data)
    try:
        assert len(shots(path)) <= 3
    except InputError as error:
        assert "\n" not in str(error) and "b.mcap" in str(error)


def test_what_is_no_recording_of_ours_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mcap").write_text("hello, this is no recording at all")
    with pytest.raises(InputError, match=r"recording of several cameras, or none, .*text\.mcap"):
        shots(tmp_path / "text.mcap", None)
    path = write(tmp_path / "a.mcap", (frame(0), 0))
    path.write_bytes(path.read_bytes().replace(b"glassline.recording", b"somebodys.recording"))
    with pytest.raises(InputError, match=r"no recording of a line, .*a\.mcap, name one that"):
        McapRecording(path)


def test_a_picture_of_another_size_than_its_frame_is_refused(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "b.mcap", "loom", "sha", CAMERAS)
    writer._add("/left/image", "foxglove.RawImage", "protobuf", encode_picture((14, 9), pixels(3).tobytes(), "left", 0), 0)
    writer.write_frame(frame(3).model_copy(update={"status": FrameStatus.DAMAGED}), b"", 0, 0)
    writer.close()
    with pytest.raises(InputError, match=r"frame 3 of left is not as large as its picture, .*b\.mcap"):
        shots(tmp_path / "b.mcap")


def packed(path: Path, compression: bytes, pack: Callable[[bytes], bytes]) -> Path:
    """The file with its chunks packed so and without an end, by https://mcap.dev/spec#chunk-op0x06."""
    data, at = path.read_bytes(), 8
    out = bytearray(data[:at])
    while data[at] != DATA_END:
        (size,) = struct.unpack_from("<Q", data, at + 1)
        body, at = data[at + 9 : at + 9 + size], at + 9 + size
        if data[at - size - 9] == CHUNK:
            held = pack(body[40:])  # times, size and sum; no compression; its length
            body = body[:28] + _prefixed("<I", compression) + _prefixed("<Q", held)
        out += bytes([data[at - size - 9]]) + _prefixed("<Q", body)
    path.write_bytes(out)
    return path


def _prefixed(form: str, data: bytes) -> bytes:
    return struct.pack(form, len(data)) + data


def test_chunks_packed_as_a_stream_are_read_and_others_are_named(tmp_path: Path) -> None:
    def as_stream(data: bytes) -> bytes:  # it does not say how large it was
        packing = zstandard.ZstdCompressor().compressobj()
        return packing.compress(data) + packing.flush()

    path = packed(write(tmp_path / "a.mcap", (frame(0), 0), (frame(2), 0)), b"zstd", as_stream)
    assert [s.block_id for s in shots(path)] == [0, 2]
    assert np.array_equal(shots(path)[1].pixels, pixels(2))
    path = packed(write(tmp_path / "b.mcap", (frame(0), 0)), b"lz4", bytes)
    with pytest.raises(InputError, match=r"compressed with lz4, .*b\.mcap, compress it with zstd"):
        shots(path)


@pytest.mark.parametrize("declared", [100, 300_000_000, 1 << 60])
def test_a_chunk_that_is_larger_than_it_says_or_than_any_of_ours_is_not_unpacked(tmp_path: Path, declared: int) -> None:
    path = packed(write(tmp_path / "a.mcap", (frame(0), 0)), b"zstd", lambda held: zstandard.compress(bytes(1 << 20)))
    data = bytearray(path.read_bytes())
    at = data.find(zstandard.compress(bytes(1 << 20))) - 8 - 8 - 12
    struct.pack_into("<Q", data, at, declared)
    path.write_bytes(data)
    assert list(McapRecording(path).motion()) == []


def test_an_index_that_leads_back_to_the_chunks_opens_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mcap", (frame(0), 0), (frame(1), 0))
    assert McapRecording(path).announced(path, "left") == 2
    data = bytearray(path.read_bytes())
    at = 8
    while data[at] != CHUNK:
        at += 9 + struct.unpack_from("<Q", data, at + 1)[0]
    struct.pack_into("<Q", data, len(data) - 28, at)
    path.write_bytes(data)

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a chunk was opened")

    monkeypatch.setattr(stream_reader, "get_chunk_data_stream", refuse)
    McapRecording(path).announced(path, "left")


def test_a_leap_that_nobody_believes_is_one_frame_and_nothing_was_left_out_backwards(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "a.mcap", "loom", "sha", CAMERAS)
    for seq in (0, (1 << 53) - 1):
        leap = frame(0).model_copy(update={"seq": seq})
        writer.write_frame(leap, pixels(0).tobytes(), 0, 0)
    writer.close()
    assert [s.block_id for s in shots(tmp_path / "a.mcap")] == [0, 1]
    with pytest.raises(ValidationError):
        KeptFrame(frame=frame(0), left_out=-(10**30))


def test_a_whole_frame_without_its_picture_says_so(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "a.mcap", "loom", "sha", CAMERAS)
    writer.write_frame(frame(0), pixels(0).tobytes(), 0, 0)
    writer.write_frame(frame(1), b"", 0, 0)
    writer.close()
    assert [s.error for s in shots(tmp_path / "a.mcap")] == ["", "its picture is missing"]


LONG_WIDTH = b"\x11" + bytes(8) + b"\x1d\1\0\0\0" + b"\x22\5mono8" + b"\x32\1x"
MESSAGES = (LONG_WIDTH, b"", b"\x0a", b"\x32" + b"\xff" * 9 + b"\x01", b"\x15\x01", b"\xff" * 12, b"\x0b")


@pytest.mark.parametrize("message", MESSAGES)
def test_bytes_that_are_no_picture_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"picture|message"):
        decode_picture(message)
