"""The lamp's trim: ageing leaves no trace, what is beyond the bound is not inspected, and a speck is nothing."""

import numpy as np
import pytest

from pipeline.config.cameras import LampConfig
from pipeline.config.line import LineConfig
from pipeline.decision.judgement import unscored
from pipeline.grabber.lamp import PICTURES, LampTrim
from pipeline.messages.frames import Announced, Frame
from pipeline.messages.reasons import Reason
from pipeline.messages.states import FrameStatus, Result
from tests.fakes import ScriptCamera, shot
from tests.unit.pipeline.grabber.test_stage import Bench

STRIP = LampConfig(columns_px=(0, 8))


def picture(lamp: float, seed: int = 0) -> np.ndarray:
    """A white strip of level 200 beside cloth, under a lamp at that share of its brightness."""
    cloth = np.random.default_rng(seed).uniform(60, 120, (32, 64))
    cloth[:, :8] = 200
    return np.round(cloth * lamp).astype(np.uint8)


@pytest.mark.parametrize("lamp", [1.0, 0.9, 0.81, 1.2])
def test_ageing_leaves_no_trace(lamp: float) -> None:
    trim = LampTrim(STRIP, 200.0)
    shown = trim.trim(picture(lamp))
    assert not trim.fault and trim.gain == pytest.approx(1 / lamp, rel=0.01)
    assert np.abs(shown.astype(int) - picture(1.0)).max() <= 2


@pytest.mark.parametrize("lamp", [0.0, 0.5, 0.79, 1.27])
def test_beyond_the_bound_is_a_fault_at_once_and_over_with_it(lamp: float) -> None:
    trim = LampTrim(STRIP, 200.0)
    for seed in range(PICTURES):
        trim.trim(picture(1.0, seed))
    assert (trim.trim(picture(lamp)) == picture(lamp)).all() and f"at {lamp:.0%} of its level" in trim.fault
    trim.trim(picture(0.9))
    assert not trim.fault and trim.gain == pytest.approx(1 / 0.9, rel=0.01)  # nothing is left of the lamp before


def test_a_speck_on_the_strip_moves_nothing_and_a_slow_lamp_is_followed() -> None:
    trim = LampTrim(STRIP, 200.0)
    for n in range(100):
        pixels = picture(1.0 - 0.001 * n, n)
        if n % 10 == 5:
            pixels[:6, :8] = 20
        trim.trim(pixels)
        assert trim.gain == pytest.approx(1 / (1.0 - 0.001 * max(n - PICTURES // 2, 0)), rel=0.015)


def test_a_strip_beside_the_picture_or_one_that_is_saturated_is_a_fault() -> None:
    trim = LampTrim(LampConfig(columns_px=(64, 70)), 200.0)
    trim.trim(picture(1.0))
    assert "beside the picture" in trim.fault
    bright = LampTrim(STRIP, 230.0)
    bright.trim(np.full((8, 64), 255, np.uint8))
    assert "at 111% of its level" in bright.fault


def test_the_grabber_trims_says_so_and_lets_no_dark_frame_be_judged() -> None:
    script = [shot(n, value=value) for n, value in enumerate((100, 90, 40, 100))]
    bench = Bench(ScriptCamera(script), lamp={"columns_px": [0, 8], "level": 100})
    told = bench.run()
    assert [a.status for a in told] == [FrameStatus.OK, FrameStatus.OK, FrameStatus.LAMP, FrameStatus.OK]
    assert [a.lamp_gain for a in told] == pytest.approx([1.0, 100 / 95, 100 / 95, 1.0], abs=1e-4)
    assert [a.level for a in told] == [100.0, 95.0, None, 100.0]
    assert [f.seq for f in bench.worker.take(Frame)] == [0, 1, 3]
    verdict = unscored(told[2], worker_ready=True, now_ns=told[2].t_mono_ns)
    assert (verdict.result, verdict.reason) == (Result.NOT_INSPECTED, Reason.LAMP) and "at 40% of its level" in verdict.detail
    assert isinstance(told[2], Announced) and not told[2].sent


@pytest.mark.parametrize(
    ("lamp", "words"),
    [({"columns_px": [5, 5], "level": 90}, "from < to"), ({"columns_px": [0, 5]}, "needs a level, or a flatfield card")],
)
def test_a_strip_that_cannot_be_is_refused(lamp: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LineConfig.model_validate({"cameras": [{"name": "c", "source": "weave", "lamp": lamp}]})
