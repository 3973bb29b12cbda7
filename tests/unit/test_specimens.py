"""Files of every schema that is read are kept, and are read still; a schema that is changed shows here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from calibration.flatfield import FlatfieldCard
from calibration.threshold import read_card
from glass_core.engines.bundle import check_files, load_manifest
from glass_core.network.checkpoint import read_info, read_tensors
from pipeline.ledger.reading import read_rolls, read_runs, read_verdicts
from pipeline.ledger.tables import BEFORE, SCHEMA
from pipeline.recording.reading import McapRecording
from pipeline.supervision.identification import identify
from tests.specimens import FOLDER, build_record
from tests.specimens.__main__ import PRESENT, TENSORS

KINDS = {
    "record": "record", "threshold-card": "threshold card", "camera-card": "camera card", "run": "run", "bundle": "bundle",
    "recording": "recording (MCAP)",
}  # fmt: skip
NAMES = sorted(path.name for path in FOLDER.iterdir() if not path.name.startswith("_"))


def laid_out(name: str, folder: Path) -> Path:
    """The specimen as it lies on a disk, in a folder that may be written to."""
    kind, _, end = name.partition(".")[0].rpartition("-")
    if kind == "record":
        return build_record(int(end), folder / "record" / "ledger.sqlite").parent
    source = FOLDER / name
    folder.mkdir(exist_ok=True)
    return Path(shutil.copytree(source, folder / name) if source.is_dir() else shutil.copyfile(source, folder / name))


def test_the_present_schema_of_every_kind_is_kept() -> None:
    missing = PRESENT.keys() - set(NAMES)
    assert not missing, "a schema is new: keep the old specimens, read them, and run `python -m tests.specimens`"
    assert {f"record-{BEFORE}.sql", f"record-{SCHEMA}.sql"} <= set(NAMES)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 200_000


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_file_is_known_and_read(name: str, tmp_path: Path) -> None:
    kind, _, schema = name.partition(".")[0].rpartition("-")
    found = identify(laid_out(name, tmp_path))
    assert (found.kind, found.file_schema, found.reads) == (KINDS[kind], int(schema), True), found.text


@pytest.mark.parametrize("schema", [BEFORE, SCHEMA])
def test_what_a_kept_record_says(schema: int, tmp_path: Path) -> None:
    ledger = build_record(schema, tmp_path / "ledger.sqlite")
    assert list(read_runs(ledger)) == ["20251122T082640.000000Z"]
    said = [(v.result, v.score, v.lanes, v.start_mm, v.roll_id) for v in read_verdicts(ledger)]
    assert said == [
        ("PASS", 0.25, (0.25, 0.125), 0.0, "R-0007"), ("DEFECT", 0.75, (0.125, 0.75), 25.6, "R-0007"),
        ("NOT_INSPECTED", None, (), 51.2, "R-0007"),
    ]  # fmt: skip
    assert [roll.roll_id for roll in read_rolls(ledger)] == ([] if schema == BEFORE else ["R-0007"])


def test_what_the_kept_cards_say() -> None:
    card = read_card(FOLDER / "threshold-card-3.json")
    assert card.per == "1000 frames" and card.lane_samples == (40, 40, 40) and card.sha == card.content_sha()
    flat = FlatfieldCard.load(FOLDER / "camera-card-1.json")
    assert (flat.camera, flat.dark, flat.gain) == ("left", (1.5,) * 8, (1.25,) * 8)


@pytest.mark.parametrize("name", ["run-1", "bundle-1"])
def test_what_a_kept_model_says(name: str) -> None:
    info = read_info(FOLDER / name)
    assert (info.arch, info.score.tiling.tile_px, info.origin) == ("embedded", 64, "a specimen")
    tensors, _ = read_tensors(FOLDER / name / "model.safetensors")
    assert tensors["weight"].tolist() == TENSORS["weight"].tolist()


def test_what_the_kept_bundle_says() -> None:
    manifest = load_manifest(FOLDER / "bundle-1")
    check_files(FOLDER / "bundle-1", manifest)
    assert (manifest.backend, manifest.precision, manifest.tile_shape, manifest.tolerance) == ("torch", "fp32", (64, 64), 0.01)


def test_what_the_kept_recording_says() -> None:
    recording = McapRecording(FOLDER / "recording-1.mcap")
    shown = list(recording.frames(recording.files[0], "left"))
    assert [(each.frame.seq, each.frame.start_mm) for each in shown] == [(0, 0.0), (1, 2.7)]
    assert all(each.pixels is not None and each.pixels.ravel().tolist() == list(range(126)) for each in shown)
