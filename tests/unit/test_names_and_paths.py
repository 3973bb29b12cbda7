"""A name that comes from outside never becomes a path to somewhere else: each place where one could, and each bad name."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from glass_core.engines.bundle import Manifest
from glass_core.errors import InputError
from glass_core.evaluation.score_folder import ScoreFolder
from glass_core.pictures.datasets import TestImage, list_images
from glass_core.pictures.reading import PictureError, read_content
from pipeline.cameras.recording import INDEX, Recording, RecordingWriter
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_runs, read_verdicts
from pipeline.ledger.store import Ledger
from pipeline.link.keys import make_keys
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

BAD = ("../x", "..", "/etc/passwd", "a/b", "a\0b", "")


def camera_of_a_config(name: str, folder: Path) -> None:
    """It is part of file names and sockets."""
    LineConfig.model_validate({"cameras": [{"name": name, "source": "replay", "path": "."}]})


def line_of_a_config(name: str, folder: Path) -> None:
    """It is part of the folder of sockets."""
    LineConfig.model_validate({"line": {"name": name}})


def wire_of_a_config(name: str, folder: Path) -> None:
    """It is part of file names, too."""
    LineConfig.model_validate({"outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "127.0.0.1", "name": name}]})


def camera_of_a_message(name: str, folder: Path) -> None:
    """It is part of a picture's name in the album."""
    Verdict(number=0, generation=0, camera=name, boot_id="b", seq=0, result=Result.PASS, t_mono_ns=0, t_utc_ns=0)


def camera_of_a_recording(name: str, folder: Path) -> None:
    """It is a folder of the recording."""
    with RecordingWriter(folder / "r", "", 0) as writer:
        writer.add_camera("a", {})
    index = json.loads((folder / "r" / INDEX).read_text())
    index["cameras"] = {name: index["cameras"]["a"]}
    (folder / "r" / INDEX).write_text(json.dumps(index))
    Recording(folder / "r")


def run_of_a_ledger(name: str, folder: Path) -> None:
    """It is a folder of the album."""
    renamed(name, folder)
    list(read_verdicts(folder / "ledger.sqlite"))


def runs_of_a_ledger(name: str, folder: Path) -> None:
    """So it is where all of them are read."""
    renamed(name, folder)
    read_runs(folder / "ledger.sqlite")


def renamed(name: str, folder: Path) -> None:
    """A ledger with a run of that name."""
    Ledger(folder / "ledger.sqlite", run_id="good").close()
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db, db:
        db.execute("UPDATE run SET run_id = ?", (name,))


def file_of_a_bundle(name: str, folder: Path) -> None:
    """Its hash is taken."""
    bare: dict[str, Any] = {}
    Manifest.__pydantic_validator__.validate_assignment(Manifest.model_construct(**bare), "files", {name: "0" * 64})


def picture_of_a_split_file(name: str, folder: Path) -> None:
    """It is read for training. Here a picture in a folder below, or none, is no fault."""
    (folder / "split_csv").mkdir()
    (folder / "candle").mkdir()
    name = name if name not in ("", "a/b") else "/x"
    rows = f"object,split,label,image,mask\ncandle,train,normal,{name},\n"
    (folder / "split_csv" / "1cls.csv").write_text(rows)
    list_images(folder / "candle")


def client_of_the_keys(name: str, folder: Path) -> None:
    """It is the name of a file."""
    make_keys(folder / "keys", [name])


PLACES = (
    camera_of_a_config, line_of_a_config, wire_of_a_config, camera_of_a_message, camera_of_a_recording, run_of_a_ledger,
    runs_of_a_ledger, file_of_a_bundle, picture_of_a_split_file, client_of_the_keys,
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_leads_elsewhere_is_refused(place: Callable[[str, Path], None], name: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, ValidationError)):
        place(name, tmp_path)


@pytest.mark.parametrize("place", [p for p in PLACES if p is not picture_of_a_split_file])
def test_a_good_name_is_taken(place: Callable[[str, Path], None], tmp_path: Path) -> None:
    place("left_2", tmp_path)


def test_the_map_of_a_linked_picture_lies_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "set" / "test" / "good").mkdir(parents=True)
    (tmp_path / "elsewhere.png").touch()
    picture = tmp_path / "set" / "test" / "good" / "a.png"
    picture.symlink_to(tmp_path / "elsewhere.png")
    place = ScoreFolder(tmp_path / "out", tmp_path / "set")._map_of(TestImage(picture, "good", None))
    assert place == tmp_path / "out" / "maps" / "test" / "good" / "a.safetensors"


def test_what_is_no_file_of_a_recording_holds_nobody_up(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "r", "", 0) as writer:
        writer.add_camera("a", {})
    for name in ("a/frames.jsonl", INDEX):
        (tmp_path / "r" / name).unlink()
        os.mkfifo(tmp_path / "r" / name)  # opening it would wait for ever
        with pytest.raises(InputError, match="not readable"):
            Recording(tmp_path / "r").extent("a")
    os.mkfifo(tmp_path / "000000000.png")
    with pytest.raises(PictureError, match="not a file"):
        read_content(tmp_path / "000000000.png")
