"""`glassline calibrate` makes cards that the cameras' pictures are seen through, and that place them."""

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.alignment import AlignmentCard
from calibration.flatfield import FlatfieldCard
from calibration.scale import ScaleCard
from glass_core.errors import InputError
from pipeline.cameras import make_camera
from pipeline.config.cards import load_config
from tests.references import board, lamp, picture, two_views
from tools.cli import main


def test_the_verbs_make_cards_that_the_cameras_pictures_are_seen_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, footage = tmp_path / "line.yaml", tmp_path / "footage"
    config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {footage}}}\n")
    for folder in ("footage", "white"):
        (tmp_path / folder).mkdir()
        picture(tmp_path / folder / "0.png", lamp())
    picture(tmp_path / "board.png", board(bend=8.0))
    shade, scale = tmp_path / "shade.json", tmp_path / "scale.json"
    where = [str(config), "left", "--json", "--out"]
    assert main(["calibrate", "flatfield", *where, str(shade), "--white", str(tmp_path / "white")]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1 and Path(made["picture"]).is_file() and made["sha"] == FlatfieldCard.load(shade).sha
    words = [str(tmp_path / "board.png"), "--board", "11x8", "--square-mm", "12.5"]
    assert main(["calibrate", "scale", *where, str(scale), *words]) == 0
    card = ScaleCard.load(scale)
    assert json.loads(capsys.readouterr().out)["mm_per_px_x"] == card.mm_per_px_x and scale.with_suffix(".png").is_file()

    config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {footage}, flatfield: {shade}, scale: {scale}}}\n")
    (entry,) = load_config(config).cameras
    assert (entry.mm_per_px_x, entry.mm_per_px_y) == (card.mm_per_px_x, card.mm_per_px_y)
    camera = make_camera(entry)
    assert camera.open()["cards"] == {"flatfield": entry.flatfield_sha, "scale": entry.scale_sha}
    (shot,) = camera.shots()
    camera.close()
    assert shot is not None and shot.pixels is not None and np.ptp(shot.pixels[:, 20:-20].mean(axis=0)) < 3.0
    picture(footage / "0.png", lamp()[:, 1:])
    narrow = make_camera(entry)
    narrow.open()
    with pytest.raises(InputError, match="gives 639 px"):
        list(narrow.shots())
    config.write_text(config.read_text().replace("scale:", "mm_per_px_x: 1, scale:"))
    assert main(["calibrate", "scale", *where, str(scale), *words]) == 2
    assert "mm_per_px_x differs from the card's" in capsys.readouterr().err


def test_the_encoders_verb_and_its_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "encoder", "500", "64536", "100", "--bits", "16"]) == 0
    assert capsys.readouterr().out.startswith("counts_per_mm: -15")
    config = tmp_path / "line.yaml"
    config.write_text("cameras:\n  - {name: left, source: replay, path: .}\n")
    for words, expected in [
        (["scale", str(config), "left", "no.png", "--out", "x"], "board not understood"),
        (["scale", str(config), "left", "no.png", "--out", "x", "--board", "9x6"], "no size of a square"),
        (["scale", str(config), "left", "no.png", "--out", "x", "--ruler", *"00909"], "unreadable picture"),
        (["scale", str(config), "middle", "no.png", "--out", "x"], "no such camera middle"),
        (["flatfield", str(config), "left", "--white", str(tmp_path), "--out", "x"], "no pictures"),
    ]:
        assert main(["calibrate", *words]) == 2
        assert expected in capsys.readouterr().err


def test_an_alignment_card_places_the_right_camera_and_stands_in_its_facts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seen in zip(("left", "right"), two_views(), strict=True):
        (tmp_path / name).mkdir()
        picture(tmp_path / name / "0.png", seen)
    config, path = tmp_path / "line.yaml", tmp_path / "aligned.json"
    cameras = f"""
cameras:
  - {{name: left, source: replay, path: {tmp_path}/left, mm_per_px_x: 0.2, mm_per_px_y: 0.2, x_offset_mm: 30, y_offset_mm: 7}}
  - {{name: right, source: replay, path: {tmp_path}/right, mm_per_px_x: 0.2, mm_per_px_y: 0.2}}
"""
    config.write_text(cameras)
    pictures = [str(tmp_path / name / "0.png") for name in ("left", "right")]
    words = ["calibrate", "align", str(config), "left", "right", *pictures, "--overlap-px", "90"]
    assert main([*words, "--out", str(path), "--json"]) == 0
    told, card = json.loads(capsys.readouterr().out), AlignmentCard.load(path)
    assert (told["schema"], told["sha"], Path(told["picture"]).is_file()) == (1, card.sha, True)
    assert (card.camera, card.neighbour) == ("right", "left")
    assert (card.right_mm, card.up_mm) == (pytest.approx(84, abs=0.05), pytest.approx(-1, abs=0.05))
    config.write_text(cameras[:-2] + f", alignment: {path}}}\n")
    right = load_config(config).cameras[1]
    assert (right.x_offset_mm, right.y_offset_mm) == (30 + card.right_mm, 7 + card.up_mm)
    assert right.alignment_sha == card.sha and make_camera(right).open()["cards"] == {"alignment": card.sha}
    for change, said in [
        (("{name: right,", "{name: right, x_offset_mm: 100,"), "x_offset_mm differs from the card's"),
        (("name: left", "name: other"), "no camera left before right"),
        (("name: right", "name: third"), "card of another camera, right instead of third"),
    ]:
        config.write_text((cameras[:-2] + f", alignment: {path}}}\n").replace(*change))
        with pytest.raises(InputError, match=said):
            load_config(config)
