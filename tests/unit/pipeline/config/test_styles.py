"""Styles: each frame is taken, scored and judged for the cloth in it, and one that is not gets no PASS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glass_core.errors import InputError
from pipeline.cloth.rolls import Rolls
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.config.styles import EventsConfig, Scalar, StyleConfig
from pipeline.decision.cloth import ClothTerms
from pipeline.decision.judgement import Standard
from pipeline.grabber.camera_style import CameraStyle
from pipeline.messages.cloth import Roll
from pipeline.messages.commands import RollStart
from pipeline.messages.frames import Announced, CameraFacts, Frame, ScoreMap
from pipeline.messages.reasons import Reason
from pipeline.messages.states import FrameStatus, Result
from pipeline.supervision.running import check
from pipeline.worker.job import Model
from pipeline.worker.stage import Worker
from tests.decision_bench import STANDARD
from tests.decision_bench import Bench as DecisionBench
from tests.fakes import TILING, Box, BrightnessEngine, ScriptCamera, shot
from tests.unit.pipeline.grabber.test_stage import Bench as GrabberBench
from tests.unit.pipeline.worker.test_stage import frame, grey

MS = 1_000_000
VELVET = Standard("weights", "engine-v", "card-v", TILING, (0.2, 0.2, 0.2))
STYLES = {"velvet": StyleConfig(model=Path("v"), events=EventsConfig())}


def line(**change: Any) -> LineConfig:
    cameras = [
        {"name": "left", "source": "basler", "serial": "1", "features": {"ExposureTime": 80.0, "Width": 64}},
        {"name": "right", "source": "replay", "path": "."},
    ]
    return LineConfig.model_validate({"model": "m", "cameras": cameras, **change})


def test_what_a_style_leaves_out_is_the_lines_own() -> None:
    styles = {"velvet": {"model": "v", "features": {"left": {"ExposureTime": 120.0}, "right": {"Gain": 2}}}, "plain": {}}
    config = line(styles=styles, line={"events": {"LEAD": "grade"}})
    velvet, plain = config.style("velvet"), config.style("plain")
    assert velvet.features == {"left": {"ExposureTime": 120.0}, "right": {"Gain": 2}}
    assert plain.features == {"left": {"ExposureTime": 80.0}, "right": {}}  # nothing else of the camera is touched
    assert (velvet.model, plain.model, config.models) == (Path("v"), Path("m"), (Path("m"), Path("v")))
    assert velvet.events == plain.events == config.line.events
    assert plain.taken_as(config.style("never named")) and not plain.taken_as(velvet)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"styles": {"s": {"features": {"middle": {"Gain": 1}}}}},
            "styles.s.features.middle: no such camera, choose one of left",
        ),
        ({"styles": {"s": {"features": {"left": {"Gain": 1}}}}}, "Gain must stand under the camera's own `features`"),
        ({"styles": {"s": {}}, "line": {"style": "silk"}}, "line.style: no such style silk, choose one of s"),
        ({"styles": {"": {}}}, "at least 1 character"),
        (
            {
                "styles": {"s": {"features": {"left": {"ExposureTime": 90.0}}}},
                "cameras": [line().cameras[0].model_dump(mode="json") | {"lamp": {"columns_px": [0, 40], "level": 200}}],
            },
            "styles.s.features.left: the level of that camera's lamp holds for one setting only",
        ),
        ({"styles": {"s": {"card": "c.json"}}}, "card"),
    ],
)
def test_a_style_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "line.yaml"
    body = line().model_dump(mode="json") | change
    path.write_text(yaml.safe_dump(body))
    with pytest.raises(InputError, match=r"line\.yaml") as caught:
        load_config(path)
    assert said in str(caught.value)


def test_what_a_style_cannot_have_is_said_before_the_line_starts(tmp_path: Path) -> None:
    said: list[object] = []
    with pytest.raises(InputError, match=f"no such model, {tmp_path}/gone"):
        check(line(model=tmp_path / "gone"), observe=False)
    for name in ("m", "v"):
        (tmp_path / name).mkdir()
    config = line(model=tmp_path / "m", styles={"velvet": {"model": tmp_path / "v"}})
    check(config, observe=True, report=said.append)
    assert not any("right has nothing to set" in str(each) for each in said)
    check(
        config.model_copy(update={"styles": {"s": StyleConfig(features={"right": {"Gain": 1}})}}),
        observe=True,
        report=said.append,
    )
    assert "camera right has nothing to set: the styles' features for it are ignored" in map(str, said)
    with pytest.raises(InputError, match=f"no threshold card, {tmp_path}/m, run `glassline calibrate threshold"):
        check(config, observe=False)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=8, unique=True).map(sorted), st.floats(-120, 120), st.floats(0.1, 200)
)
def test_a_span_touches_the_rolls_of_all_its_places(starts: list[float], start_mm: float, length_mm: float) -> None:
    rolls = Rolls("first", "", 1e9)
    for n, at_mm in enumerate(starts):
        rolls.begin(f"{n}", "", at_mm)
    touched = [r.roll_id for r in rolls.touched(start_mm, start_mm + length_mm)]
    inside = [mm for mm in starts if start_mm < mm <= start_mm + length_mm]
    expected = [rolls.at(mm, mm).roll_id for mm in (start_mm, *inside)]
    assert touched == expected


def test_frames_are_scored_by_the_model_of_their_style_and_do_not_share_a_batch() -> None:
    inbox, decision = Box(), Box()
    plain, velvet = BrightnessEngine("plain"), BrightnessEngine("velvet")
    worker = Worker(inbox, decision, {"": Model(plain, 0.5), "velvet": Model(velvet, 0.0)}, 99, 5 * MS, 0)
    for n, style in enumerate(["", "velvet", "velvet", "silk"]):
        made, payload = frame("a", n, grey())
        inbox.send(made.model_copy(update={"style": style}), payload)
    for ms in (0, 6, 12, 18):
        worker.step(ms * MS)
    assert (plain.batches, velvet.batches) == ([3, 3], [6])
    scored = decision.take(ScoreMap)
    assert [(s.seq, s.engine_sha, s.cells_shape is None) for s in scored] == [
        (0, "plain", True), (1, "velvet", False), (2, "velvet", False), (3, "plain", True),
    ]  # fmt: skip


def test_the_golden_tile_of_every_model_is_scored_again() -> None:
    from glass_core.engines.canary import Canary

    engines = [BrightnessEngine(name) for name in ("plain", "velvet")]
    tiles = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)
    for engine in engines:
        engine.canary = Canary(tiles, engine.score(tiles))
        engine.batches.clear()
    models = {"": Model(engines[0], 0.5), "velvet": Model(engines[1], 0.5), "twill": Model(engines[1], 0.5)}
    worker = Worker(Box(), Box(), models, 6, 5 * MS, 0)
    for second in (0, 10, 20):
        worker.step(second * 1000 * MS)
    assert [e.batches for e in engines] == [[1, 1], [1, 1]]


def cloth() -> DecisionBench:
    """Cloth in style plain up to 100 mm, velvet from there on; frames of 50 mm."""
    terms = ClothTerms("A", "plain", style_of=lambda style: STYLES.get(style, StyleConfig()), styles=("", "plain", "velvet"))
    bench = DecisionBench(cloth=terms, standards={"": STANDARD, "velvet": VELVET})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="B", style="velvet", at_mm=100.0))
    return bench


def test_before_a_rolls_start_the_old_style_judges_and_after_it_the_new() -> None:
    bench = cloth()
    for seq, (style, engine) in enumerate([("plain", "engine"), ("plain", "engine"), ("velvet", "engine-v")]):
        bench.announce(seq, style=style)
        bench.score(seq, 0.3, engine=engine)  # more than velvet allows
    verdicts = bench.verdicts()
    assert [(v.roll_id, v.style, v.engine_sha, v.card_sha) for v in verdicts] == [
        ("A", "plain", "engine", "card"), ("A", "plain", "engine", "card"), ("B", "velvet", "engine-v", "card-v"),
    ]  # fmt: skip
    # the fake's score travels without cells: a frame over its threshold cannot be a DEFECT, and is no PASS
    assert [v.result for v in verdicts] == [Result.PASS, Result.PASS, Result.NOT_INSPECTED]


@pytest.mark.parametrize(
    ("start_mm", "style", "engine", "reason"),
    [
        (40.0, "velvet", "engine-v", Reason.MODEL_MISMATCH),  # of the old roll, taken for the new one
        (110.0, "plain", "engine", Reason.MODEL_MISMATCH),
        (110.0, "velvet", "engine", Reason.MODEL_MISMATCH),  # taken rightly, scored by another model
        (80.0, "plain", "engine", None),  # across the border either will do
        (80.0, "velvet", "engine-v", None),
        (110.0, "velvet", "engine-v", None),
        (40.0, "never named", "engine", None),  # a label alone changes nothing of how cloth is seen
    ],
)
def test_a_frame_taken_for_another_style_is_not_inspected(
    start_mm: float, style: str, engine: str, reason: Reason | None
) -> None:
    bench = cloth()
    bench.announce(0, start_mm=start_mm, style=style)
    bench.score(0, 0.1, engine=engine)
    verdict = bench.verdicts()[-1]  # before it the cloth that no frame showed
    assert verdict.reason is reason
    assert (verdict.result is Result.PASS) == (reason is None)
    assert verdict.card_sha == ("card-v" if style == "velvet" else "card")


def test_a_roll_told_without_a_style_keeps_the_present_one_and_silent_web_names_the_card() -> None:
    bench = cloth()
    bench.inbox.send(RollStart(roll_id="C", at_mm=200.0))
    bench.announce(0, style="plain")
    bench.announce(6, style="velvet")
    (silent,) = bench.verdicts()
    assert [r.style for r in bench.air.take(Roll)][-1] == "velvet"
    assert (silent.seq, silent.reason, silent.roll_id, silent.card_sha) == (None, Reason.NO_FRAME, "B", "card-v")


@pytest.mark.parametrize(("styles", "reason"), [(("", "velvet"), Reason.MODEL_MISMATCH), (("",), None)])
def test_after_a_restart_cloth_of_an_earlier_roll_passes_only_where_all_styles_are_taken_alike(
    styles: tuple[str, ...], reason: Reason | None
) -> None:
    terms = ClothTerms("B", "velvet" if "velvet" in styles else "", style_of=lambda s: STYLES.get(s, StyleConfig()),
                       start_mm=100.0, styles=styles)  # fmt: skip
    bench = DecisionBench(cloth=terms, standards={"": STANDARD, "velvet": VELVET})
    for seq, start_mm in enumerate((0.0, 100.0)):  # told ahead, and the cloth is not there yet
        bench.announce(seq, start_mm=start_mm, style=terms.style)
        bench.score(seq, engine="engine-v" if terms.style else "engine")
    assert [v.reason for v in bench.verdicts() if v.seq is not None] == [reason, None]


FEATURES: dict[str, dict[str, Scalar]] = {"": {"ExposureTime": 80.0}, "velvet": {"ExposureTime": 120.0}}


def told(start_mm: float | None, style: str) -> Roll:
    return Roll(number=0, generation=0, roll_id="R", style=style, start_mm=start_mm, cause="command", t_mono_ns=0, t_utc_ns=0)


def styled(camera: ScriptCamera, **config: Any) -> tuple[GrabberBench, Box]:
    rolls = Box()
    style = CameraStyle(camera, "plain", FEATURES, rolls)
    return GrabberBench(camera, style=style, mm_per_px_y=0.5, mm_per_px_x=0.5, **config), rolls


@pytest.mark.parametrize("unsettled", [0, 2, None])
def test_a_camera_is_set_where_the_cloth_asks_for_it_and_a_new_boot_id_says_so(unsettled: int | None) -> None:
    camera = ScriptCamera([shot(n) for n in range(5)])  # 32 mm each
    camera.unsettled = unsettled
    bench, rolls = styled(camera)
    assert camera.adjusted == [FEATURES[""], FEATURES["velvet"], FEATURES[""]]  # tried at the start
    bench.grabber._style.unsettled = 0  # no picture was under way then
    rolls.send(told(60.0, "velvet"))
    announced = bench.run()
    assert camera.adjusted[3:] == [FEATURES["velvet"]]
    assert [(a.boot_id, a.seq, a.style, a.start_mm) for a in announced] == [
        ("boot", 0, "plain", 0), ("boot", 1, "plain", 32), ("boot.1", 0, "velvet", 64), ("boot.1", 1, "velvet", 96),
        ("boot.1", 2, "velvet", 128),
    ]  # fmt: skip
    damaged = [a.status is FrameStatus.DAMAGED for a in announced]
    assert damaged == [False, False, *[n < (unsettled or 0) for n in range(3)]]
    assert [f.style for f in bench.worker.take(Frame)] == ["plain"] * 2 + ["velvet"] * (3 - (unsettled or 0))
    facts = bench.recorder.take(CameraFacts)
    assert [f.boot_id for f in facts] == ["boot", "boot.1"]


def test_what_the_record_says_of_a_camera_that_has_nothing_to_set() -> None:
    camera = ScriptCamera([])
    assert CameraStyle(camera, "velvet", FEATURES).facts == {"style": "velvet", "features_ignored": FEATURES["velvet"]}
    camera.unsettled = 0
    assert CameraStyle(camera, "velvet", FEATURES).facts == {"style": "velvet", "features_set": FEATURES["velvet"]}
    assert CameraStyle(camera, "velvet", {"": {}}).facts == {}
    assert CameraStyle(camera, "plain", {"": {}, "velvet": {"Gain": 2}}).facts == {"style": "plain", "features_set": {}}


def test_a_slab_under_way_ends_where_the_camera_is_set() -> None:
    camera = ScriptCamera([shot(n, rows=16) for n in range(6)])
    bench, rolls = styled(camera, rows=32, overlap_rows=8)  # slabs of 16 mm, buffers of 8 mm
    rolls.send(told(40.0, "velvet"))
    announced: list[Announced] = bench.run()
    assert [(a.style, a.start_mm, a.end_mm) for a in announced] == [
        ("plain", 0, 16), ("plain", 12, 32), ("plain", 28, 40), ("velvet", 40, 48),
    ]  # fmt: skip


def test_where_no_place_is_known_the_word_itself_counts() -> None:
    rolls = Box()
    style = CameraStyle(ScriptCamera([]), "plain", {"": {}}, rolls)
    assert style.coming(None) == "plain"
    rolls.send(told(None, "velvet"))
    assert style.coming(None) == "velvet"
