"""What every card of one camera has: whose it is, until when it holds, and a hash over its content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from glass_core.errors import InputError
from glass_core.files.sealed import ChangedByHand, Sealed
from glass_core.files.whole_file import whole_file
from glass_core.pictures.drawn import write_png

Picture = NDArray[np.uint8]

VALID_DAYS = 180
"""Lamps age, screws work loose, lenses gather dust."""
MAX_VALID_DAYS = 3650
MAX_SIDE_PX = 1 << 16
"""Of a picture; no camera gives a wider one."""
_MAX_CARD_BYTES = 1 << 22


class CameraCard(Sealed):
    """A measurement of one camera; subclasses say of what."""

    kind: str
    camera: str
    serial: str
    """Empty where the source has none."""
    valid_until: datetime
    source: str
    """The pictures it was made from."""
    width_px: int = Field(ge=1, le=MAX_SIDE_PX)

    @classmethod
    def measured(cls, valid_days: float = VALID_DAYS, **fields: object) -> Self:
        """A card made now that holds for so long, with the hash over its own content filled in.

        InputError for a measurement or a number of days that no card may have.
        """
        if not 0 < valid_days <= MAX_VALID_DAYS:
            raise InputError(f"a card for {valid_days:g} days, --valid-days, give a number up to {MAX_VALID_DAYS}")
        now = datetime.now(UTC).replace(microsecond=0)
        try:
            return cls.sealed(created=now, valid_until=now + timedelta(days=valid_days), **fields)
        except ValidationError as e:
            fault = e.errors(include_url=False)[0]
            what = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            raise InputError(f"measured what no camera has ({what}), {fields.get('source')}, measure again") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """The card in a file; InputError where there is none, or it was changed by hand."""
        again = "calibrate the camera again"
        try:
            if path.stat().st_size > _MAX_CARD_BYTES:
                raise InputError(f"too large to be a card, {path}, {again}")
            return cls.opened(path.read_bytes())
        except OSError as e:
            raise InputError(f"card not readable ({e.strerror}), {path}, {again}") from None
        except ValidationError as e:
            raise InputError(f"not a card of this kind ({e.errors()[0]['msg']}), {path}, {again}") from None
        except ChangedByHand:
            raise InputError(f"card changed by hand, {path}, {again}") from None

    def save(self, path: Path, picture: Picture | None = None) -> None:
        """Write it, and beside it the picture (H, W, 3) BGR that shows what was measured; InputError where that fails.

        Both are whole or not there, and there is no card whose picture could not be written. A picture that was measured is
        not written over.
        """
        if picture is not None and str(picture_path(path)) in self.source.split(", "):
            raise InputError(f"the card's picture would replace the one it was made from, {path}, choose another --out")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if picture is not None:
                write_png(picture_path(path), picture)
            with whole_file(path) as part:
                part.write_text(self.model_dump_json(indent=1, by_alias=True) + "\n")
        except OSError as e:
            raise InputError(f"card not written ({e.strerror}), {path}, choose another --out") from None

    def check(self, path: Path, camera: str, serial: str, now: datetime | None) -> None:
        """InputError unless it is this camera's and still holds; `now` null: its date does not matter."""
        if (self.camera, self.serial) != (camera, serial):
            mine, theirs = (
                f"{name} ({number})" if number else name for name, number in ((camera, serial), (self.camera, self.serial))
            )
            raise InputError(f"card of another camera, {theirs} instead of {mine}, {path}, calibrate this camera")
        if now is not None and now > self.valid_until:
            raise InputError(f"card past its date, valid until {self.valid_until:%Y-%m-%d}, {path}, calibrate the camera again")


def picture_path(card: Path) -> Path:
    """Where the picture of a card's file lies."""
    return card.with_suffix(".png")


def check_width(card: CameraCard, width_px: int) -> None:
    """InputError where a picture is not as wide as those that the card was made from."""
    if width_px != card.width_px:
        raise InputError(
            f"the {card.kind} card is for pictures {card.width_px} px wide, camera {card.camera} gives {width_px} px, "
            "calibrate it again"
        )
