"""Cuts the tiles of a fixed split into a data set in MVTec layout.

`python -m tools.studies.make_tiles TILES.json CLASS --out DIR`

TILES.json: {"tile_px": N, "fabrics": {CLASS: {"train": [[file, x], ...], "test_good": ..., "test_defect": ...}}}, with files
relative to the folder CLASS beside it, x the left edge of a tile of full height, and masks of the same name in mask/.
With --strips, training tiles that touch stay one picture: the same pixels, of which a training can cut tiles anywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.progress import track

from glass_core.errors import InputError
from glass_core.pictures.reading import read_image
from tools.cli import one_line
from tools.verbs.out import add_out, claimed_out

_MAX_BYTES = 64 << 20


class Parts(BaseModel):
    """Places (file, x of the left edge in px) of the tiles of one class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: tuple[tuple[str, int], ...]
    test_good: tuple[tuple[str, int], ...]
    test_defect: tuple[tuple[str, int], ...]


class TileList(BaseModel):
    """A fixed split of several classes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tile_px: int = Field(ge=32)
    fabrics: dict[str, Parts]


def read_tile_list(path: Path) -> TileList:
    """Raises InputError when the file is missing, too large or of another form."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"over {_MAX_BYTES} bytes, {path}, give a list of tiles")
        return TileList.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"not readable ({error.strerror}), {path}, give a list of tiles") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"no list of tiles ({first['loc']}: {first['msg']}), {path}, see `--help`") from None


def cut(root: Path, parts: Parts, tile_px: int, out: Path, strips: bool) -> None:
    """Writes every tile, and the same window of the mask of each defective one. Raises InputError for a bad place."""
    into = {"train": "train/good", "test_good": "test/good", "test_defect": "test/defect"}
    places = [(part, file, x, tile_px) for part in into for file, x in getattr(parts, part) if not strips or part != "train"]
    places += [("train", *strip) for strip in joined(parts.train, tile_px)] if strips else []
    names = Counter((into[part], _tile_name(file, x)) for part, file, x, _ in places)
    if twice := [f"{folder}/{name}" for (folder, name), count in names.items() if count > 1]:
        raise InputError(f"two tiles would be called {twice[0]}, {root}, name their pictures differently")
    for part, file, x, width_px in track(places, "cutting", console=Console(stderr=True), transient=True):
        name = _tile_name(file, x)
        _write(out / into[part] / name, root / file, x, width_px)
        if part == "test_defect":
            _write(out / "ground_truth" / "defect" / name, root / "mask" / Path(file).name, x, width_px)


def _tile_name(file: str, x: int) -> str:
    return f"{Path(file).stem}_x{x:04d}.png"


def joined(tiles: Sequence[tuple[str, int]], tile_px: int) -> list[tuple[str, int, int]]:
    """Tiles of a file that touch, as strips (file, x, width in px)."""
    strips: list[tuple[str, int, int]] = []
    for file, x in sorted(tiles):
        if strips and strips[-1][0] == file and sum(strips[-1][1:]) == x:
            strips[-1] = (file, strips[-1][1], strips[-1][2] + tile_px)
        else:
            strips.append((file, x, tile_px))
    return strips


def _write(path: Path, source: Path, x: int, width_px: int) -> None:
    image = read_image(source)
    if not 0 <= x <= image.shape[1] - width_px:
        raise InputError(f"a tile at x {x} of {width_px} px does not fit, {source}, correct the list")
    path.parent.mkdir(parents=True, exist_ok=True)
    tile = image[:, x : x + width_px]
    if not cv2.imwrite(str(path), tile if tile.ndim == 2 else cv2.cvtColor(tile, cv2.COLOR_RGB2BGR)):
        raise InputError(f"cannot write, {path}, make room or choose another --out")


@one_line
def main() -> int:
    """Exit 0 with the data set in DIR; prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tiles", type=Path)
    p.add_argument("name", metavar="CLASS")
    add_out(p, "DIR", "folder for the data set", required=True)
    p.add_argument("--strips", action="store_true", help="leave training tiles that touch in one picture")
    args = p.parse_args()
    tiles = read_tile_list(args.tiles)
    if args.name not in tiles.fabrics:
        raise InputError(f"no class {args.name}, {args.tiles}, use one of {', '.join(tiles.fabrics)}")
    parts = tiles.fabrics[args.name]
    with claimed_out(args, "train/good"):
        cut(args.tiles.parent / args.name, parts, tiles.tile_px, args.out, args.strips)
    print(json.dumps({"schema": 1, **{part: len(getattr(parts, part)) for part in Parts.model_fields}, "out": str(args.out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
