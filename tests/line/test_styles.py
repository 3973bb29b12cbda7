"""A line that changes its style at a roll's start: models, cards and exposure change with the cloth, and no frame is lost."""

from collections import defaultdict
from pathlib import Path

import pytest

from calibration.threshold import load_card
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_camera_facts, read_verdicts
from pipeline.messages.reasons import Reason
from pipeline.messages.verdicts import Verdict
from pipeline.report.roll import read_covered
from pipeline.report.sheet import read_sheet
from tests.line.conftest import make_model
from tests.line.test_line import config, running
from tests.line.test_web import COUNTS_PER_MM, Encoder, free_port, told

FRAME_MM = 25.6
EMULATED = {
    "name": "b", "source": "basler", "serial": "0815-0000", "trigger": {"source": "Software"},
    "features": {"Width": 256, "Height": 128, "ExposureTime": 80.0},
    "mm_per_px_x": 0.2, "mm_per_px_y": 0.2, "x_offset_mm": 51.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def velvet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model, with a card of its own."""
    return make_model(tmp_path_factory.mktemp("velvet"), seed=7)


def test_a_roll_of_another_style_is_seen_scored_and_judged_by_its_own(
    model: Path, velvet: Path, footage: Path, tmp_path: Path
) -> None:
    port = free_port()
    motion = {"source": "udp", "listen": f"127.0.0.1:{port}", "counts_per_mm": COUNTS_PER_MM, "bits": 15, "max_speed_mm_s": 400}
    line = config(model, footage, tmp_path / "out", loop=True, motion=motion)
    body = line.model_dump(mode="json") | {
        "cameras": [line.cameras[0].model_dump(mode="json"), EMULATED],
        "styles": {"velvet": {"model": str(velvet), "features": {"b": {"ExposureTime": 160.0}, "a": {"Gain": 1}}}, "plain": {}},
        "line": {"name": "test", "roll_id": "R-1", "style": "plain"},
    }
    line = LineConfig.model_validate(body)
    path = tmp_path / "line.yaml"
    path.write_text(line.model_dump_json())
    encoder = Encoder(port)
    try:
        with running(line) as run:
            run.until(lambda: run.line.ready)
            encoder.speed_mm_s = 80.0
            run.until(lambda: len(run.verdicts()) >= 12)
            encoder.speed_mm_s = 0.0  # the cloth waits, however long a word takes on a busy machine
            at_mm = encoder.position_mm + 250.0  # ahead of the cloth, across a frame
            begun = told(run, path, "roll", "start", "R-2", "--style", "velvet", "--at-mm", f"{at_mm}")
            assert begun["style"] == "velvet"
            encoder.speed_mm_s = 80.0
            run.until(lambda: any((v.start_mm or 0) > at_mm + 4 * FRAME_MM for v in run.verdicts()))
            encoder.speed_mm_s = 0.0
            back = told(run, path, "roll", "start", "R-3", "--style", "plain")
            encoder.speed_mm_s = 80.0
            run.until(lambda: any((v.start_mm or 0) > float(str(back["start_mm"])) + 3 * FRAME_MM for v in run.verdicts()))
    finally:
        encoder.close()
    ledger = line.ledger.path
    cards = {"plain": load_card(model), "velvet": load_card(velvet)}
    seen: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in read_verdicts(ledger):
        assert verdict.start_mm is not None and verdict.end_mm is not None and verdict.reason is not Reason.MODEL_MISMATCH
        touches = not (verdict.end_mm <= at_mm or verdict.start_mm >= at_mm)
        card = cards[verdict.style]
        assert card is not None
        if verdict.weights_sha and not touches and verdict.roll_id != "R-3":
            assert (verdict.weights_sha, verdict.engine_sha, verdict.card_sha) == (card.weights_sha, card.engine_sha, card.sha)
            assert (verdict.roll_id, verdict.style) == (("R-1", "plain") if verdict.end_mm <= at_mm else ("R-2", "velvet"))
        seen[verdict.camera].append(verdict)
    for verdicts in seen.values():  # slab upon slab, without a gap and none twice
        placed = sorted(verdicts, key=lambda v: v.start_mm or 0.0)
        ends = [v.end_mm for v in placed]
        assert [v.start_mm for v in placed[1:]] == pytest.approx(ends[:-1], abs=1e-6)
    assert {v.style for v in seen["b"]} == {"plain", "velvet"}
    metres = read_covered(ledger).metres
    assert metres is not None
    assert metres.inspected_mm + metres.not_inspected_mm == pytest.approx(
        max(v.end_mm or 0 for v in seen["a"]), abs=2 * FRAME_MM
    )

    facts = read_camera_facts(ledger)
    exposures = [known["features_set"] for (camera, _), known in facts.items() if camera == "b"]
    assert exposures == [{"ExposureTime": 80.0}, {"ExposureTime": 160.0}, {"ExposureTime": 80.0}]
    assert [known.get("features_ignored") for (camera, _), known in facts.items() if camera == "a"][1] == {"Gain": 1}
    assert {(v.camera, v.boot_id) for v in seen["b"]} <= facts.keys()
    sheet, _ = read_sheet(ledger)
    assert sheet.styles["velvet"].card_sha == cards["velvet"].sha
    assert {(s.camera, s.boot_id) for s in sheet.settings} == facts.keys()
