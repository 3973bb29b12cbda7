"""The wire: what is encoded comes back equal, and nothing else is accepted."""

import contextlib
import math
import pickle  # noqa: TID251 - to see it refused

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link import wire
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict

FRAME = Frame(
    camera="left", boot_id="b", seq=3, t_mono_ns=1, t_utc_ns=2, start_mm=0.0, end_mm=1.6, block_id=4,
    shape=(8, 16), pixel_format="Mono8", inspect_x_px=(0, 16),
)  # fmt: skip
SCORED = ScoreMap(
    camera="left", boot_id="b", seq=3, generation=1, weights_sha="w", engine_sha="e", score=math.nan,
    lanes=(0.1, math.inf), tiles=2, frame_shape=(8, 16), cells_shape=(1, 2), inspect_x_px=(0, 16),
)  # fmt: skip


def test_a_frame_travels_with_its_pixels() -> None:
    pixels = np.arange(128, dtype=np.uint8).reshape(8, 16)
    message, payloads = wire.decode(wire.encode(FRAME, (pixels.tobytes(),)))
    assert message == FRAME
    assert isinstance(message, Frame)
    assert np.array_equal(message.pixels(payloads[0]), pixels)


def test_scores_that_are_not_finite_travel_unchanged() -> None:
    cells = np.zeros((1, 2), "<f4")
    message, payloads = wire.decode(wire.encode(SCORED, (cells.tobytes(), bytes(128))))
    assert isinstance(message, ScoreMap)
    assert math.isnan(message.score) and message.lanes == (0.1, math.inf) and len(payloads) == 2


def test_verdict_with_many_regions_fits_the_header() -> None:
    region = Region(x0_px=1, y0_px=2, x1_px=3, y1_px=4, score=0.9, x0_mm=0.1, x1_mm=0.2, y0_mm=0.3, y1_mm=0.4)
    verdict = Verdict(
        number=10**9, generation=1, camera="c" * 32, boot_id="f" * 16, seq=10**9, result=Result.DEFECT, score=0.123456,
        lanes=(0.5,) * 40, regions=(region,) * Verdict.MAX_REGIONS, start_mm=1e6, end_mm=1e6, origin="x" * 300,
        t_mono_ns=1 << 60, t_utc_ns=1 << 60, weights_sha="a" * 64, engine_sha="a" * 64, card_sha="a" * 64,
    )  # fmt: skip
    assert wire.decode(wire.encode(verdict))[0] == verdict


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"\xc1"],
        [pickle.dumps({"v": 1})],
        [msgpack.packb([1, 2])],
        [msgpack.packb({"v": 2, "t": "Bypass", "on": True})],
        [msgpack.packb({"v": 1, "t": "System", "on": True})],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True, "more": 1})],
        [msgpack.packb({"v": 1, "t": "Bypass"})],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True}), b"unexpected payload"],
        [msgpack.packb({"v": 1, "t": "Bypass", "on": True, "pad": "x" * 5000})],
        [wire.encode(FRAME, (bytes(128),))[0], bytes(127)],
        [wire.encode(FRAME, (bytes(128),))[0]],
        [b"\x91" * 4000],
    ],
)
def test_anything_else_is_a_decode_error(parts: list[bytes]) -> None:
    with pytest.raises(wire.DecodeError):
        wire.decode(parts)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_noise_is_a_decode_error(parts: list[bytes]) -> None:
    with pytest.raises(wire.DecodeError):
        wire.decode(parts)


@given(st.binary(min_size=1, max_size=40), st.integers(0, 100))
def test_a_damaged_header_never_raises_anything_else(noise: bytes, at: int) -> None:
    header = bytearray(wire.encode(FRAME, (bytes(128),))[0])
    header[at : at + len(noise)] = noise
    with contextlib.suppress(wire.DecodeError):
        wire.decode([bytes(header), bytes(128)])


def test_sizes_are_checked_before_sending() -> None:
    with pytest.raises(ValueError, match="payloads"):
        wire.encode(FRAME, (bytes(5),))
    with pytest.raises(ValueError, match="4096"):
        wire.encode(FRAME.model_copy(update={"origin": "x" * 5000}), (bytes(128),))
