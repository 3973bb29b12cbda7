"""Test pictures are kept apart from those that had a part in making a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from glass_core.errors import InputError
from glass_core.files.kept_json import read_json
from glass_core.network.checkpoint import read_info
from glass_core.pictures.datasets import TestImage
from glass_core.pictures.split import SPLIT_FILE, file_sha256, own_split

_MAX_BYTES = 16 << 20


class _Made(BaseModel):
    """A picture of a set of weak defects, and the sha256 of the good picture it was made of."""

    picture: str
    sha256: str


class _Manifest(BaseModel):
    """What `tools.reproduce.make_mad_sys` writes beside its sets."""

    pictures: tuple[_Made, ...]


def refuse_seen(run: Path, data: Path, images: Sequence[TestImage]) -> None:
    """Raises InputError for a test picture that had a part in making the model or its card, or was made of one that had.

    Either would flatter them. InputError too where split.json is not that of the model, so that nobody can tell. The
    paper's own weak defects were probably made of training pictures: `tools.reproduce`, which repeats it, does not ask.
    """
    if not (run / SPLIT_FILE).exists():
        return
    parts = own_split(run, read_info(run).split_digest)
    seen = {image.sha256 for image in (*parts.train, *parts.calibration, *parts.selection)}
    sources = _sources(data.resolve())
    for image in images:
        if file_sha256(image.path) in seen:
            raise InputError(f"a test picture that training has used, {image.path}, keep it for one of the two")
        if sources.get(image.path.name) in seen:
            raise InputError(f"made of a picture that training has used, {image.path}, make the set of others")


def _sources(data: Path) -> dict[str, str]:
    """By name, the sha256 of what each picture of DIR/Beta_<beta>/<class> was made of; none known without its manifest."""
    if not data.parent.name.startswith("Beta_"):
        return {}
    found = read_json(data.parent.parent / f"{data.name}.json", _Manifest, "make the set and its manifest again", _MAX_BYTES)
    return {made.picture: made.sha256 for made in found.pictures} if found else {}
