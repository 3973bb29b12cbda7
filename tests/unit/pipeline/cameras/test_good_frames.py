"""Good cloth out of a recording in MCAP: what passed and nothing else, where it lay, bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.model_card import Spot
from glass_core.errors import InputError
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from pipeline.cameras.good_frames import unpack_good
from pipeline.cameras.placing import Placing
from pipeline.messages.reasons import Reason
from pipeline.messages.states import FrameStatus, Result
from tests.recorded_line import Writing, pixels


def test_frames_that_passed_are_pictures_at_their_places_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    first = Writing(folder / "1.mcap")
    for seq in range(6):
        first.frame(seq)
    first.frame(0, "right")
    first.frame(6, status=FrameStatus.DAMAGED)
    first.verdict(0, Result.PASS)
    first.verdict(1, Result.DEFECT)
    first.verdict(2, Result.NOT_INSPECTED, reason=Reason.NO_SCORE)
    first.verdict(3, Result.PASS, rescan=True)
    first.verdict(4, Result.PASS, boot_id="another-start")
    first.verdict(6, Result.PASS)  # of a frame that came damaged nothing can be learned
    first.verdict(0, Result.DEFECT, "right")
    first.writer.close()
    second = Writing(folder / "2.mcap")
    second.verdict(5, Result.PASS)  # the word may stand in the next file
    second.frame(7)
    second.writer.flush()
    second.frame(8, "right")
    second.verdict(8, Result.PASS, "right")
    second.writer.abandon()  # cut: this frame was never on the disk
    out = tmp_path / "good"
    left = unpack_good(folder, out)
    assert left is not None and left.count == 7 and "no verdict PASS" in str(left)
    images = list_images(out)
    assert [str(image.relative_to(out)) for image in images] == ["left/000000000.png", "left/000000001.png"]
    assert [np.array_equal(read_image(image), pixels(seq)) for image, seq in zip(images, (0, 5), strict=True)] == [True, True]
    place = Placing()
    assert [place(image) for image in images] == [Spot("left", 10, 15, (0.2, 0.3)), Spot("left", 35, 40, (0.2, 0.3))]


def test_where_nothing_passed_nothing_is_left_and_what_was_there_stays(tmp_path: Path) -> None:
    writing = Writing(tmp_path / "a.mcap")
    writing.frame(0)
    writing.verdict(0, Result.DEFECT)
    writing.writer.close()
    out = tmp_path / "run" / "good"
    out.mkdir(parents=True)
    (out / "kept.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"^no frame that passed \(1 others\), [^\n]+a\.mcap, record with a `rate:`"):
        unpack_good(tmp_path / "a.mcap", out)
    assert [p.name for p in out.parent.iterdir()] == ["good"] and [p.name for p in out.iterdir()] == ["kept.png"]
