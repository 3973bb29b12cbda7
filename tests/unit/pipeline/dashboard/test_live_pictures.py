"""What the cameras saw last: only while somebody looks, with its age, and under a heat map that shows the threshold."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.dashboard import picture_watch
from pipeline.dashboard.live_pictures import LOOK_S, LivePictures
from pipeline.dashboard.picture_watch import PictureWatch
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.frames import Frame, ScoreMap
from tests.unit.pipeline.dashboard.test_app import Clock

PIXELS = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def seen(camera: str = "left", seq: int = 0, pixels: np.ndarray = PIXELS) -> tuple[Frame, tuple[bytes]]:
    frame = Frame(
        camera=camera, boot_id="b", seq=seq, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=pixels.shape,
        pixel_format="RGB8" if pixels.ndim == 3 else "Mono8",
    )  # fmt: skip
    return frame, (pixels.tobytes(),)


def scored(shares: np.ndarray, camera: str = "left", pixels: np.ndarray = PIXELS) -> tuple[ScoreMap, tuple[bytes, bytes]]:
    told = ScoreMap(
        camera=camera, boot_id="b", seq=0, generation=0, weights_sha="w", engine_sha="e", score=0.5, lanes=(0.5,), tiles=1,
        frame_shape=pixels.shape, cells_shape=shares.shape,
    )  # fmt: skip
    return told, (shares.astype("<f4").tobytes(), pixels.tobytes())


def read(file: bytes | None) -> np.ndarray:
    assert file is not None
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED))


def test_nobody_who_looks_no_picture_is_wanted() -> None:
    clock = Clock()
    pictures = LivePictures(["left"], True, clock)
    assert not pictures.wanted
    pictures.told()
    assert pictures.wanted
    clock.s += LOOK_S
    assert not pictures.wanted


def test_each_picture_is_told_with_its_age_and_a_new_number() -> None:
    clock = Clock()
    pictures = LivePictures(["left", "right"], True, clock)
    assert pictures.told()["cameras"] == [{"name": n, "plain": None, "heat": None} for n in ("left", "right")]
    pictures.see(*seen())
    clock.s += 4
    pictures.see(*scored(np.zeros((3, 5))))
    first, other = pictures.told()["cameras"]
    assert first["plain"]["age_s"] == 4 and first["heat"]["age_s"] == 0 and other["plain"] is other["heat"] is None
    pictures.see(*seen(seq=1))
    again = pictures.told()["cameras"][0]
    assert again["plain"]["number"] != first["plain"]["number"] and again["heat"] == first["heat"]


@pytest.mark.parametrize("colour", [False, True])
def test_the_picture_is_the_cameras(colour: bool) -> None:
    pixels = np.dstack([PIXELS, PIXELS[::-1], PIXELS // 2]) if colour else PIXELS
    pictures = LivePictures(["left"], True)
    assert pictures.file("left", heat=False) is None
    pictures.see(*seen(pixels=pixels))
    shown = read(pictures.file("left", heat=False))
    assert np.array_equal(shown[..., ::-1], pixels if colour else np.dstack([pixels] * 3))
    assert pictures.file("left", heat=True) is None


def test_strangers_and_messages_without_pixels_are_left_out() -> None:
    pictures = LivePictures(["left"], True)
    pictures.see(*seen("right"))
    told, _ = scored(np.zeros((3, 5)))
    pictures.see(told.model_copy(update={"cells_shape": None}), ())
    assert pictures.told()["cameras"] == [{"name": "left", "plain": None, "heat": None}]
    assert pictures.file("right", heat=False) is pictures.file("left", heat=True) is None


def test_heat_lies_where_the_scores_are_and_the_threshold_has_an_outline() -> None:
    shares = np.zeros((3, 5))
    shares[2, 1], shares[0, 4] = 1.2, 0.9
    pictures, plain = LivePictures(["left"], True), LivePictures(["left"], False)
    for each in (pictures, plain):
        each.see(*scored(shares, pixels=np.full((12, 20), 100, np.uint8)))
    drawn, unjudged = (read(each.file("left", heat=True)).astype(int) for each in (pictures, plain))
    side = drawn.shape[0] // 12
    warm = (np.abs(drawn - 100).max(axis=2) > 8).reshape(3, 4 * side, 5, 4 * side).mean(axis=(1, 3))  # (rows, columns)
    assert warm[2, 1] > 0.9 and warm[0, 4] > 0.9 and warm[1, 3] == warm[0, 0] == 0
    white = (drawn == 255).all(axis=2).reshape(3, 4 * side, 5, 4 * side).any(axis=(1, 3))
    assert white[2, 1] and not white[0, 4] and not (unjudged == 255).all(axis=2).any()


def test_a_score_that_is_no_number_is_the_highest() -> None:
    shares = np.zeros((3, 5))
    high = shares.copy()
    shares[1, 1], high[1, 1] = np.nan, 99
    files = []
    for each in (shares, high):
        pictures = LivePictures(["left"], True)
        pictures.see(*scored(each))
        files.append(pictures.file("left", heat=True))
    assert files[0] == files[1]


def test_the_line_is_listened_to_only_while_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_watch, "is_running", lambda name: True)
    monkeypatch.setattr(picture_watch, "runtime_folder", lambda name: tmp_path / "line")
    clock = Clock()
    pictures = LivePictures(["left"], True, clock)
    watch = PictureWatch("loom", pictures)
    with closing(ZmqLink(tmp_path / "line")) as link:
        told = link.pictures()
        watch.start()
        try:
            assert not any(told.joined() for _ in range(20) if not time.sleep(0.02))
            pictures.told()
            end_s = time.monotonic() + 20
            while pictures.file("left", heat=False) is None and time.monotonic() < end_s:
                told.joined()
                told.publish(seen()[0], *seen()[1])
                time.sleep(0.02)
            assert pictures.file("left", heat=False) is not None
            clock.s += LOOK_S
            time.sleep(0.5)
            told.joined()
            number = pictures._number
            told.publish(seen()[0], *seen()[1])
            time.sleep(0.3)
            assert pictures._number == number
        finally:
            watch.stop()
