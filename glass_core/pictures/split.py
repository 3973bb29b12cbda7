"""Divides good pictures by content into parts for training, calibration and selection, and writes that down."""

import hashlib
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from glass_core.settings.section import Section

SPLIT_FILE = "split.json"
MIN_CARD_SCORES = 8
"""A threshold card asks for so many scores of good cloth."""


class SplitFractions(Section):
    """Shares of the good images: heads are fitted on `train`, the card on `calibration`, figures on `selection`."""

    train: float = Field(default=0.8, gt=0, le=1)
    calibration: float = Field(default=0.1, ge=0, lt=1)
    selection: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.calibration + self.selection
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train + calibration + selection must be 1, not {total:g}")
        return self


class SplitImage(BaseModel):
    """A picture and the sha256 of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    sha256: str


class Split(BaseModel):
    """Which picture belongs to which part; `digest` is a hash over all contents and their parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    seed: int
    train: tuple[SplitImage, ...]
    calibration: tuple[SplitImage, ...]
    selection: tuple[SplitImage, ...]
    digest: str

    def verify(self) -> None:
        """Raises InputError when a picture is in two parts, or the record was edited."""
        parts = [{image.sha256 for image in part} for part in (self.train, self.calibration, self.selection)]
        if len(set().union(*parts)) != sum(len(part) for part in parts):
            raise InputError("a picture is in two parts of the split, split.json, train again")
        if self.digest != _digest(self.train, self.calibration, self.selection):
            raise InputError("the record does not match its own digest, split.json, train again")

    def save(self, folder: Path) -> None:
        """Writes split.json into a folder, whole or not at all."""
        with whole_file(folder / SPLIT_FILE) as part:
            part.write_text(self.model_dump_json(indent=1, by_alias=True))


def split(images: Sequence[Path], fractions: SplitFractions, seed: int) -> Split:
    """Divides pictures in the order of a hash of (seed, file content), so names and their order do not matter.

    Equal files always land in the same part. With as many different pictures as parts, no part that has a share is empty.
    Raises InputError when a file is unreadable, or there are too few different pictures for the parts asked for.
    """
    hashed = [SplitImage(path=path.resolve(), sha256=file_sha256(path)) for path in images]
    contents = sorted({image.sha256 for image in hashed}, key=lambda sha: _key(seed, sha))
    sizes = _part_sizes(len(contents), fractions)
    ends = (sizes[0], sizes[0] + sizes[1])
    parts: tuple[list[SplitImage], ...] = ([], [], [])
    part_of = {sha: (rank >= ends[0]) + (rank >= ends[1]) for rank, sha in enumerate(contents)}
    for image in sorted(hashed, key=lambda image: image.path):
        parts[part_of[image.sha256]].append(image)
    train, calibration, selection = (tuple(part) for part in parts)
    digest = _digest(train, calibration, selection)
    return Split(seed=seed, train=train, calibration=calibration, selection=selection, digest=digest)


def load_split(folder: Path) -> Split:
    """Reads a folder's split.json; InputError when it is missing, damaged, or its parts overlap."""
    path = folder / SPLIT_FILE
    try:
        found = Split.model_validate_json(path.read_bytes())
    except OSError:
        raise InputError(f"no split.json, {folder}, train the model again or name good pictures") from None
    except ValidationError as error:
        raise InputError(f"damaged split.json ({error.errors()[0]['msg']}), {folder}, train the model again") from None
    found.verify()
    return found


def own_split(run: Path, digest: str | None) -> Split:
    """The split of a run, whose model tells its `digest`; InputError as of load_split, and for that of another training."""
    parts = load_split(run)
    if parts.digest != digest:
        raise InputError(f"split.json is not that of the model, {run}, train again or name good pictures")
    return parts


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes; InputError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"unreadable picture ({error.strerror}), {path}, check the file and its permissions") from None


def _part_sizes(count: int, fractions: SplitFractions) -> tuple[int, int, int]:
    least = 1 + (fractions.calibration > 0) + (fractions.selection > 0)
    if count < least:
        raise InputError(f"only {count} different good pictures, the training data, give at least {least}")
    selection = min(max(round(count * fractions.selection), 1), count - least + 1) if fractions.selection else 0
    calibration = min(max(round(count * fractions.calibration), 1), count - selection - 1) if fractions.calibration else 0
    return count - calibration - selection, calibration, selection


def _key(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def _digest(*parts: tuple[SplitImage, ...]) -> str:
    listed = sorted(set(chain.from_iterable(((n, image.sha256) for image in part) for n, part in enumerate(parts))))
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
