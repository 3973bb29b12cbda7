"""What a file or folder is told to be: by its content, whatever it is called, and in one line where it is not read."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.ledger.black_box import Opening
from pipeline.supervision.identification import identify
from tests.fuzz.mutation import broken_bytes
from tests.shared_data import ROOT
from tests.specimens import FOLDER
from tests.unit.test_specimens import NAMES, laid_out


@pytest.mark.parametrize("name", ["threshold-card-3.json", "camera-card-1.json", "recording-1.mcap"])
def test_a_file_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    known = identify(FOLDER / name)
    assert identify(Path(shutil.copyfile(FOLDER / name, tmp_path / "renamed"))) == known


def test_a_file_of_a_later_schema_is_named_and_not_read(tmp_path: Path) -> None:
    card = json.loads((FOLDER / "threshold-card-3.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"schema": 4}))
    ledger = laid_out("record-2.sql", tmp_path) / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA user_version=9")
    for path, kind, schema in ((tmp_path / "card.json", "threshold card", 4), (ledger, "record", 9)):
        found = identify(path)
        assert (found.kind, found.file_schema, found.reads) == (kind, schema, False)
        assert str(path) in found.text


def test_what_is_damaged_is_named_by_its_file(tmp_path: Path) -> None:
    for name in ("card.json", "manifest.json", "model.json", "recording.json", "ledger.sqlite"):
        (tmp_path / name).write_bytes(b"\0\xff{cut")
        found = identify(tmp_path / name)
        assert not found.reads and found.file_schema is None and str(tmp_path) in found.text


def test_a_run_whose_weights_are_anothers_is_not_read(tmp_path: Path) -> None:
    run = laid_out("run-1", tmp_path)
    (run / "model.safetensors").write_bytes((FOLDER / "bundle-1/goldens.safetensors").read_bytes())
    found = identify(run)
    assert found.kind == "run" and not found.reads and "model.safetensors" in found.text


@pytest.mark.parametrize("name", ["line.yaml", "paper_mpdd.yaml"])
def test_configurations_have_no_number(name: str) -> None:
    found = identify(ROOT / "configs" / name)
    assert (found.kind, found.file_schema, found.reads) == ("configuration", None, True)


def test_a_configuration_with_an_unknown_key_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text("line: {name: loom-1, colour: red}\n")
    found = identify(tmp_path / "line.yaml")
    assert not found.reads and "colour" in found.text


def test_a_folder_of_pictures_is_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6), np.uint8))
    assert identify(tmp_path).text == "1 pictures of good cloth"
    assert identify(tmp_path / "a.png").kind == "picture"


def test_a_black_box_that_was_cut_is_named(tmp_path: Path) -> None:
    box = tmp_path / "box.jsonl"
    opening = Opening(line="loom-1", supervisor_pid=1, config_sha="a" * 64, t_mono_ns=1, t_utc_ns=1)
    box.write_text(opening.model_dump_json() + "\n")
    found = identify(box)
    assert (found.kind, found.file_schema, found.reads) == ("black box", 1, False) and "cut" in found.text


def test_what_is_none_of_ours_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear sirs")
    (tmp_path / "deep.json").write_text('{"a":' + "[" * 100_000)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("link")
    for name in ("letter.txt", "deep.json", "pipe", "empty", "link", "absent", "nul\0byte"):
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            identify(tmp_path / name)


def test_names_in_a_file_lead_nowhere_else(tmp_path: Path) -> None:
    run = laid_out("bundle-1", tmp_path)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"files": {"../../../etc/passwd": "0"}, "sha": ""}))
    found = identify(run)
    assert not found.reads and "etc" not in found.text.replace(str(tmp_path), "")


def test_what_a_file_says_reaches_no_terminal_as_control_characters(tmp_path: Path) -> None:
    ledger = laid_out("record-2.sql", tmp_path) / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("INSERT INTO run VALUES ('other', 'version', ?)", (json.dumps("\x1b[2J\n"),))
    assert identify(ledger).text.isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_broken_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    for turn in range(25):
        place = laid_out(name, tmp_path / str(turn))
        files = sorted(f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]
        file = rng.choice(files)
        file.write_bytes(broken_bytes(file.read_bytes(), rng))
        with suppress(InputError):
            assert identify(place).text.isprintable()
