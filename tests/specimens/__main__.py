"""`python -m tests.specimens`: writes the specimens of the present schemas that are missing; what is there stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from calibration.false_alarms import Budget
from calibration.flatfield import FlatfieldCard
from calibration.good import GoodFrame
from calibration.threshold import Model, ThresholdCard, calibrate
from glass_core.engines.bundle import seal
from glass_core.files.sealed import Sealed
from glass_core.network.checkpoint import MODEL_FILE, ModelInfo, save_model, weights_sha
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import SCHEMA as RECORD_SCHEMA
from pipeline.messages.cloth import Roll
from pipeline.messages.frames import Frame
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.recording.writing import SCHEMA as MCAP_SCHEMA
from pipeline.recording.writing import McapWriter
from tests.specimens import FOLDER

UTC_NS = 1_763_800_000_000_000_000
DEFINITION = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=16))
TENSORS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
"""No network's: what a run's files are is seen, and whether its tensors fit is another matter."""
INFO = ModelInfo(
    arch="embedded", weights_sha=weights_sha(TENSORS), score=DEFINITION, config=None, split_digest=None, weights=None,
    textures=None, curve=(), origin="a specimen", versions={"glassline": "0.1.0"},
)  # fmt: skip


def verdict(number: int, result: Result, **more: object) -> Verdict:
    """Of frame `number`, 25.6 mm long."""
    places = {"start_mm": number * 25.6, "end_mm": number * 25.6 + 25.6, "roll_id": "R-0007"}
    times = {"t_mono_ns": number, "t_utc_ns": UTC_NS + number}
    facts = {"number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": result}
    return Verdict.model_validate({**facts, **places, **times, **more})


def record(path: Path) -> None:
    """A run of three frames: good, a defect, not inspected."""
    with TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.sqlite"
        held = Ledger(ledger, {"version": "0.1.0", "config": {"line": {"name": "loom-1"}}}, run_id="20251122T082640.000000Z")
        region = Region(x0_px=8, y0_px=16, x1_px=24, y1_px=40, score=0.75, x0_mm=1.6, x1_mm=4.8, y0_mm=28.8, y1_mm=33.6)
        held.add(verdict(0, Result.PASS, score=0.25, lanes=(0.25, 0.125), tiles=2))
        held.add(verdict(1, Result.DEFECT, score=0.75, lanes=(0.125, 0.75), tiles=2, regions=(region,), regions_total=1))
        held.add(
            Roll(number=0, generation=0, roll_id="R-0007", style="", start_mm=0.0, cause="config", t_mono_ns=0, t_utc_ns=UTC_NS)
        )
        held.add(verdict(2, Result.NOT_INSPECTED, reason=Reason.NO_SCORE))
        held.end()
        held.close()
        with closing(sqlite3.connect(ledger)) as db:
            path.write_text("\n".join([*db.iterdump(), f"PRAGMA user_version={RECORD_SCHEMA};", ""]), encoding="utf-8")


def threshold_card(path: Path) -> None:
    """Of forty frames with three lanes."""
    scores = 1 / (1 + np.exp(-np.random.default_rng(0).gumbel(-5, 0.5, (40, 3))))
    model = Model(weights_sha="w" * 64, engine_sha="e" * 64, backbone="b", engine="e", score_definition=DEFINITION)
    frames = [GoodFrame(each.astype(np.float32)) for each in scores]
    card = calibrate(frames, model, Budget(per_1000_frames=1.0), "good cloth")
    path.write_text(card.model_dump_json(indent=1, by_alias=True) + "\n", encoding="utf-8")


def camera_card(path: Path) -> None:
    """Of a flat field of eight columns."""
    FlatfieldCard.measured(
        camera="left", serial="", source="white", width_px=8, valid_days=30, dark=(1.5,) * 8, gain=(1.25,) * 8,
        level=180.0, unevenness=0.2, structure=0.01, saturated=0.0,
    ).save(path)  # fmt: skip


def run(path: Path) -> None:
    """A model's two files."""
    save_model(path, TENSORS, INFO)


def bundle(path: Path) -> None:
    """The same with golden tiles and a manifest."""
    run(path)
    tiles, cells = np.arange(4096, dtype=np.uint8).reshape(1, 64, 64), np.full((1, 8, 8), 0.25, np.float32)
    seal(path, INFO, "torch", "fp32", tiles, cells, 0.01, {}, (MODEL_FILE,))


def recording(path: Path) -> None:
    """Two frames of a camera."""
    writer = McapWriter(path, "loom-1", "sha", {"left": {"name": "left", "source": "weave"}})
    for seq in range(2):
        place = {"start_mm": seq * 2.7, "end_mm": seq * 2.7 + 2.7, "encoder_count": seq * 27, "block_id": seq}
        time = {"t_mono_ns": seq, "t_utc_ns": UTC_NS + seq}
        facts = {"camera": "left", "boot_id": "b", "seq": seq, "shape": (9, 14), "pixel_format": "Mono8"}
        writer.write_frame(Frame.model_validate({**facts, **place, **time}), bytes(range(126)), 0, UTC_NS + seq)
    writer.close()


PRESENT: dict[str, Callable[[Path], None]] = {
    f"record-{RECORD_SCHEMA}.sql": record,
    f"threshold-card-{ThresholdCard.model_fields['schema_version'].default}.json": threshold_card,
    f"camera-card-{Sealed.model_fields['schema_version'].default}.json": camera_card,
    f"run-{ModelInfo.model_fields['schema_version'].default}": run,
    f"bundle-{Sealed.model_fields['schema_version'].default}": bundle,
    f"recording-{MCAP_SCHEMA}.mcap": recording,
}
"""By the specimen's name, which ends with its schema."""

if __name__ == "__main__":
    for name, write in PRESENT.items():
        if not (FOLDER / name).exists():
            write(FOLDER / name)
            print(FOLDER / name)
