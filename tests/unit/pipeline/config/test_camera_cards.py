"""Cards in a line: they are checked when it is read, and go on to hold while it runs."""

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import make_flatfield, scale_from_ruler
from calibration.alignment import AlignmentCard
from calibration.flatfield import FlatfieldCard
from glass_core.errors import InputError
from pipeline.cameras import make_camera
from pipeline.config.cards import load_config
from tests.references import lamp, picture

WHO: dict[str, Any] = {"camera": "left", "serial": "", "valid_days": 30.0}

LINE = """
cameras:
  - {name: left, source: replay, path: %s, flatfield: %s, lamp: {columns_px: [0, 8]}}
"""


def shading(folder: Path, **who: Any) -> FlatfieldCard:
    folder.mkdir(exist_ok=True)
    return make_flatfield(picture(folder / "white.png", lamp()), None, **who)[0]


def test_cards_are_checked_when_a_line_is_read(tmp_path: Path) -> None:
    path, config = tmp_path / "left.json", tmp_path / "line.yaml"
    config.write_text(LINE % (tmp_path, path))
    card = shading(tmp_path / "lamp", **WHO)
    card.save(path)
    read = load_config(config).cameras[0]
    assert read.flatfield_sha == card.sha and read.lamp is not None and read.lamp.level == card.level
    now = datetime.now(UTC)
    card.check(path, "left", "", now + timedelta(days=29))
    with pytest.raises(InputError, match=r"past its date, valid until \d{4}"):
        card.check(path, "left", "", now + timedelta(days=31))
    shading(tmp_path / "lamp", **{**WHO, "camera": "right", "serial": "4711"}).save(path)
    with pytest.raises(InputError, match=r"card of another camera, right \(4711\) instead of left"):
        load_config(config)
    bright = card.model_dump(exclude={"schema_version", "created", "sha"}, by_alias=False) | {"level": 255.0}
    FlatfieldCard.sealed(**bright).save(path)
    with pytest.raises(
        InputError, match=r"^settings that do not fit together \(level: it should be less than 255\), camera left"
    ):
        load_config(config)
    shading(tmp_path / "lamp", **WHO).save(path)
    path.write_text(path.read_text().replace('"saturated": 0', '"saturated": 1'))
    with pytest.raises(InputError, match="changed by hand"):
        load_config(config)
    path.write_text("{}")
    with pytest.raises(InputError, match="not a card of this kind"):
        load_config(config)
    path.unlink()
    with pytest.raises(InputError, match="card not readable"):
        load_config(config)


class Later(datetime):
    """The clock of two days from now."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=2)


def test_every_kind_of_card_is_held_against_its_date_and_another_kind_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.config.cards.datetime", Later)
    old = {**WHO, "valid_days": 1.0}
    path, config = tmp_path / "card.json", tmp_path / "line.yaml"
    grey = picture(tmp_path / "grey.png", np.full((40, 640), 99, np.uint8))
    aligned: dict[str, Any] = {"source": "drawn", "neighbour": "x", "right_mm": 1.0, "up_mm": 0.0, "fit": 1.0, "width_px": 9}
    cards = {
        "flatfield": shading(tmp_path / "lamp", **old),
        "scale": scale_from_ruler(grey, [(10, 5, 510, 8, 100.0)], True, **old)[0],
        "alignment": AlignmentCard.measured(**old, **aligned),
    }
    for kind, card in cards.items():
        card.save(path)
        config.write_text(f"cameras:\n  - {{name: left, source: replay, path: {tmp_path}, {kind}: {path}}}\n")
        with pytest.raises(InputError, match=r"card past its date, valid until .*, calibrate the camera again"):
            load_config(config)
        other = "scale" if kind == "flatfield" else "flatfield"
        config.write_text(config.read_text().replace(f"{kind}:", f"{other}:"))
        with pytest.raises(InputError, match="not a card of this kind"):
            load_config(config)


def test_a_line_that_runs_goes_on_with_its_card_past_the_date_but_not_with_another_card(tmp_path: Path) -> None:
    path, config = tmp_path / "card.json", tmp_path / "line.yaml"
    config.write_text(LINE % (tmp_path, path))
    picture(tmp_path / "0.png", lamp())
    shading(tmp_path / "lamp", **{**WHO, "valid_days": 1e-4}).save(path)
    (entry,) = load_config(config).cameras
    old = FlatfieldCard.load(path)
    past = old.model_copy(update={"valid_until": old.created - timedelta(days=1)})
    past.model_copy(update={"sha": past.content_sha()}).save(path)
    with pytest.raises(InputError, match=r"card is another one than when the line was started, .*, start the line again"):
        make_camera(entry)
    with pytest.raises(InputError, match="card past its date"):
        load_config(config)
    make_camera(entry.model_copy(update={"flatfield_sha": past.content_sha()}))  # as one whose date came while the line ran
