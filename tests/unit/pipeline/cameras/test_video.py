"""Videos: every frame is there, judged or not, and none has the place of another; what is no single video is refused."""

import struct
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.cameras.video import Video, VideoFrame
from tests.shared_data import shared
from tests.video_files import running_cloth, write_video

FRAMES = running_cloth(24)
JUMPS = [0, 1, 2, 5, 6, 9]

KINDS = [
    ("a.mkv", "ffv1", "bgr0", {}),
    ("a.mkv", "libx264", "yuv420p", {"g": "6"}),  # with frames that are coded before those they are shown after
    ("a.mp4", "libx264", "yuv420p", {"g": "6"}),
    ("a.mp4", "mpeg4", "yuv420p", {"g": "6"}),
    ("a.avi", "mjpeg", "yuvj420p", {}),
    ("a.avi", "ffv1", "bgr0", {"g": "1"}),
    ("a.webm", "libvpx-vp9", "yuv420p", {"g": "6", "deadline": "realtime", "cpu-used": "8"}),
]


def read(path: Path) -> list[VideoFrame]:
    frames = list(Video(path).frames())
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert all((frame.pixels is None) == bool(frame.error) for frame in frames)
    return frames


def judged(frames: list[VideoFrame]) -> list[int]:
    return [frame.number for frame in frames if frame.pixels is not None]


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        (".mkv", "ffv1", "bgr0"),
        (".mkv", "ffv1", "gray"),
        (".avi", "ffv1", "bgra"),
        (".avi", "rawvideo", "bgr24"),
        (".mov", "png", "rgb24"),
        (".avi", "huffyuv", "bgra"),
    ],
)
def test_lossless_pixels_are_exact(tmp_path: Path, suffix: str, codec: str, pixels: str) -> None:
    frames = [frame[:33, :41] for frame in FRAMES[:3]]
    if pixels == "gray":
        frames = [frame[:, :, 1] for frame in frames]
    found = read(write_video(tmp_path / f"a{suffix}", [np.ascontiguousarray(f) for f in frames], codec, pixels))
    for seen, frame in zip(found, frames, strict=True):
        np.testing.assert_array_equal(seen.pixels, frame if frame.ndim == 3 else np.dstack([frame] * 3))


@pytest.mark.parametrize(("name", "codec", "pixels", "options"), KINDS)
def test_times_place_frames(tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, Any]) -> None:
    path = write_video(tmp_path / name, FRAMES[: len(JUMPS)], codec, pixels, times=JUMPS, **options)
    frames = read(path)
    assert judged(frames) == JUMPS and len(frames) == 10
    assert frames[3].error.startswith("missing from the video: the times")
    for number, frame in zip(JUMPS, FRAMES, strict=False):
        assert np.abs(frames[number].pixels - frame.astype(float)).mean() < 25  # some codecs lose much of the noise


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_video_of_a_variable_rate_lacks_nothing(tmp_path: Path, suffix: str) -> None:
    times = [0, 2, 5, 9, 11, 14, 20, 23, 25, 30]
    codec, pixels = ("mpeg4", "yuv420p") if suffix == ".mp4" else ("ffv1", "bgr0")
    path = write_video(tmp_path / f"v{suffix}", FRAMES[:10], codec, pixels, times=times)
    assert judged(read(path)) == list(range(10))


def test_an_animation_is_all_its_frames_however_long_each_is_shown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.gif", FRAMES[: len(JUMPS)], "gif", "rgb8", times=JUMPS)
    assert judged(read(path)) == list(range(6))


def spoil(path: Path, start: float, share: float) -> None:
    """So much of the file is zeros, as after a damaged disk."""
    content = bytearray(path.read_bytes())
    first, count = int(len(content) * start), int(len(content) * share)
    content[first : first + count] = bytes(count)
    path.write_bytes(content)


@pytest.mark.parametrize("start", [0.2, 0.45, 0.7])
@pytest.mark.parametrize(("name", "codec", "pixels", "options"), KINDS)
def test_what_damage_leaves_keeps_its_place(
    tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, Any], start: float
) -> None:
    path = write_video(tmp_path / name, FRAMES, codec, pixels, **options)
    whole = read(path)
    assert judged(whole) == list(range(24))
    spoil(path, start, 0.12)
    frames = read(path)
    assert len(frames) == 24
    assert 0 < len(judged(frames)) < 24
    for number in judged(frames):
        np.testing.assert_array_equal(frames[number].pixels, whole[number].pixels)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_come_out_of_order_after_small_holes_keep_their_places(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", running_cloth(24, 128, 256), "libx264", "yuv420p", g="6")
    whole, content = read(path), path.read_bytes()
    for start in range(len(content) // 6, len(content) * 5 // 6, len(content) // 30):
        path.write_bytes(content[:start] + bytes(600) + content[start + 600 :])
        frames = read(path)
        assert len(frames) == 24
        for number in judged(frames):
            off = np.abs(frames[number].pixels - whole[number].pixels.astype(float)).mean()
            assert off < 4  # the edge of a hole may look like data, but no other frame looks alike


def packets(path: Path) -> list[tuple[int, int]]:
    """Place and size of each packet."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux() if packet.pos is not None]


def test_what_builds_upon_packets_that_are_gone_is_damaged_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", running_cloth(24, 160, 240), "mpeg4", "yuv420p", g="6")
    places = packets(path)
    first, last = places[7][0] - 8, places[10][0] - 8  # with the 8 bytes before each
    content = bytearray(path.read_bytes())
    content[first:last] = bytes(last - first)
    path.write_bytes(content)
    frames = read(path)
    assert judged(frames) == [*range(7), *range(12, 24)] and len(frames) == 24
    assert [frame.error.split(":")[0] for frame in frames[7:12]] == ["missing from the video"] * 3 + ["damaged video"] * 2


def test_a_video_that_begins_within_a_run_is_damaged_until_a_frame_stands_alone(tmp_path: Path) -> None:
    write_video(tmp_path / "whole.mkv", FRAMES, "mpeg4", "yuv420p", g="6")
    with av.open(str(tmp_path / "whole.mkv")) as whole, av.open(str(tmp_path / "a.mkv"), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in islice(whole.demux(), 2, 24):
            packet.stream = stream
            cut.mux(packet)
    frames = read(tmp_path / "a.mkv")
    assert judged(frames) == list(range(5, 22))  # the codec began anew with the eighth of the whole video


def test_a_time_that_goes_back_moves_no_other_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", FRAMES[:9], g="12")
    place, _ = packets(path)[5]
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack(">BH", 0x81, 200), place) + 1  # track 1, 200 ms
    content[at : at + 2] = struct.pack(">H", 40)
    path.write_bytes(content)
    frames = read(path)
    assert len(frames) == 9
    for number in judged(frames):
        np.testing.assert_array_equal(frames[number].pixels, FRAMES[number])


def test_the_beginning_of_a_video_may_be_gone(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (12, 128, 256, 3), dtype=np.uint8)
    path = write_video(tmp_path / "a.mkv", list(noise), cluster_ms=100, g="1")
    (first, _), (later, _) = packets(path)[0], packets(path)[6]
    content = bytearray(path.read_bytes())
    content[first : later - 200] = bytes(later - 200 - first)
    path.write_bytes(content)
    frames = read(path)
    assert len(frames) == 12 and 0 < len(judged(frames)) <= 6
    for number in judged(frames):
        np.testing.assert_array_equal(frames[number].pixels, noise[number])


def change(path: Path, number: int, into: bytes) -> None:
    """A few bytes in the middle of a frame's packet are others."""
    with av.open(str(path)) as container:
        packet = next(islice(container.demux(), number, None))
        assert packet.pos is not None
        place = packet.pos + packet.size // 2
    content = bytearray(path.read_bytes())
    content[place : place + len(into)] = into
    path.write_bytes(content)


def test_what_builds_upon_a_changed_frame_is_damaged_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", FRAMES, g="6")
    change(path, 8, b"\0")
    frames = read(path)
    assert judged(frames) == [*range(8), *range(12, 24)]
    assert "checksum" in frames[8].error and "builds upon" in frames[9].error


def test_a_jpeg_that_ends_too_early_is_one_damaged_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", FRAMES, "mjpeg", "yuvj444p")
    change(path, 5, b"\xff\xd9")
    frames = read(path)
    assert judged(frames) == [n for n in range(24) if n != 5]
    assert "JPEG" in frames[5].error


@pytest.mark.parametrize("keep", [0.6, 0.85])
@pytest.mark.parametrize(("name", "codec", "pixels", "options"), KINDS)
def test_a_video_cut_short_tells_how_much_is_missing(
    tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, Any], keep: float
) -> None:
    path = write_video(tmp_path / name, FRAMES, codec, pixels, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    frames = read(path)
    assert len(frames) == 24
    assert 0 < len(judged(frames)) < 24 * keep + 3
    assert frames[-1].error == "missing from the video: the file announces it and ends before it"


def test_a_length_that_cannot_be_is_told_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", FRAMES[:3])
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3  # Matroska's Duration
    content[at : at + 8] = struct.pack(">d", 1e12)
    path.write_bytes(content)
    frames = read(path)
    assert judged(frames) == [0, 1, 2] and len(frames) == 4
    assert "24999999997 frames up to here" in frames[3].error


@pytest.mark.parametrize("lacking", [9_999, 10_000, 10_001, 25_000])
def test_frames_after_however_many_that_lack_have_their_own_places(tmp_path: Path, lacking: int) -> None:
    times = [0, 1, 2, 3 + lacking, 4 + lacking]
    path = write_video(tmp_path / "a.mkv", FRAMES[:5], times=times)
    frames = list(Video(path).frames())
    assert judged(frames) == times
    gone = [frame for frame in frames if frame.pixels is None]
    assert gone[-1].number == 2 + lacking and len(gone) == (lacking if lacking <= 10_000 else 1)
    assert all(frame.error.startswith("missing from the video: ") for frame in gone)
    assert f"{lacking} frames" in gone[0].error or len(gone) > 1


def test_a_count_that_is_too_low_leaves_nothing_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", FRAMES[:7], "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 40  # AVI's dwLength
    assert struct.unpack_from("<I", content, at) == (7,)
    content[at : at + 4] = struct.pack("<I", 3)
    path.write_bytes(content)
    assert judged(read(path)) == list(range(7))
    assert Video(path).facts["counted"] == 3


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_video_is_turned_as_a_player_does(tmp_path: Path, turn: int) -> None:
    path = write_video(tmp_path / "a.mp4", FRAMES[:2], "png", "rgb24", turn=turn)
    np.testing.assert_array_equal(read(path)[1].pixels, np.rot90(FRAMES[1], turn // 90))


def test_a_picture_of_a_format_of_the_web_is_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.webp"), np.full((20, 30, 3), (10, 90, 200), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])
    (frame,) = read(tmp_path / "a.webp")
    np.testing.assert_array_equal(frame.pixels, np.full((20, 30, 3), (200, 90, 10)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: write_video(p.with_suffix(".mkv"), FRAMES[:2], tracks=2), "file with 2 tracks of pictures"),
        (lambda p: write_video(p.with_suffix(".webp"), FRAMES[:3], "libwebp_anim", "bgra"), "webp that cannot be decoded"),
        (lambda p: p.write_text("ffconcat version 1.0\nfile a.mkv\n"), "neither image nor video"),
        (lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\na.mkv\n"), "neither image nor video"),
        (lambda p: p.write_text("a few words"), "neither image nor video"),
        (lambda p: p.write_bytes(b""), "neither image nor video"),
    ],
)
def test_what_is_no_single_video_is_refused_by_name(tmp_path: Path, make: object, words: str) -> None:
    write_video(tmp_path / "a.mkv", FRAMES[:2])
    assert callable(make)
    path = made if isinstance(made := make(tmp_path / "x.txt"), Path) else tmp_path / "x.txt"
    with pytest.raises(InputError, match=rf"^{words}[^\n]*, {path}, [^\n]+$"):
        Video(path)


def test_the_video_of_a_public_report() -> None:
    frames = read(shared("cases/damaged_video.mkv"))
    assert len(frames) == 24 and judged(frames) == list(range(11))
