"""Makes test sets of weak defects from good pictures.

`python -m tools.reproduce.make_mad_sys GOOD --out DIR [--beta 0.1 0.3 0.5 0.7]`

As the paper's MAD-sys: for each transparency a data set in MVTec layout, DIR/Beta_<beta>/<class>, of which a quarter stays good
and the rest gets a texture blended into a random mask, with beta the weight of the original (larger is weaker). The defects are
of the kind that training synthesises, so such a set favours models trained so; take pictures that training has not seen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from glass_core.pictures.split import file_sha256
from glass_core.synthesis.las import fuse
from glass_core.synthesis.perlin import draw_mask
from glass_core.synthesis.texture import TextureSource, find_textures
from glass_core.synthesis.texture_ops import luminance, random_ops
from tools.cli import one_line
from tools.verbs.out import add_out, claimed_out

BETAS = (0.1, 0.3, 0.5, 0.7)
GOOD_SHARE = 0.25
"""320 of the paper's 1266 pictures."""
_STEP_PX = 32


def weaken(
    picture: NDArray[np.uint8], beta: float, textures: TextureSource, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A copy of a picture (H, W[, 3]) with a defect of the given transparency, and its mask (H, W), which is not empty."""
    height, width = picture.shape[:2]
    side = -(-max(height, width) // _STEP_PX) * _STEP_PX
    inside = np.zeros((side, side), dtype=bool)
    inside[:height, :width] = True
    mask = np.zeros((height, width), dtype=bool)
    while not mask.any():  # in a long picture a draw can miss it
        mask = draw_mask(side, rng, inside)[0][:height, :width]
    texture = random_ops(textures.draw(side, rng), rng)[:height, :width]
    if picture.ndim == 2:
        texture = luminance(texture)
    return fuse(picture, texture, mask, beta).round().astype(np.uint8), mask


def make(images: Sequence[Path], name: str, betas: Sequence[float], seed: int, textures: TextureSource, out: Path) -> None:
    """Writes a set for each beta, and the manifest NAME.json; the same masks and textures at every beta, all drawn from `seed`.

    Raises InputError for pictures that cannot be read and a folder that cannot be written.
    """
    made: list[dict[str, Any]] = []
    good = set(np.random.default_rng(seed).permutation(len(images))[: max(round(GOOD_SHARE * len(images)), 1)].tolist())
    for index, path in enumerate(track(images, "making weak defects", console=Console(stderr=True), transient=True)):
        picture = read_image(path)
        entry: dict[str, Any] = {"picture": f"{index:04d}.png", "source": path.name, "sha256": file_sha256(path)}
        for beta in betas:
            root = out / f"Beta_{beta:g}" / name
            if index in good:
                _write(root / "test" / "good" / entry["picture"], picture)
                continue
            weak, mask = weaken(picture, beta, textures, np.random.default_rng((seed, index)))
            _write(root / "test" / "weak" / entry["picture"], weak)
            _write(root / "ground_truth" / "weak" / entry["picture"], np.where(mask, 255, 0).astype(np.uint8))
            entry["share_of_pixels"] = round(float(mask.mean()), 6)
        made.append({**entry, "label": "good" if index in good else "weak"})
    # glass_core.evaluation.kept_apart reads names and hashes, so that no model is evaluated on what it has learned
    manifest = {"schema": 1, "class": name, "betas": list(betas), "seed": seed, "textures": textures.name, "pictures": made}
    with whole_file(out / f"{name}.json") as part:
        part.write_text(json.dumps(manifest, indent=1) + "\n")


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise InputError(f"cannot write, {path}, make room or choose another --out")


def _beta(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError
    return value


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 with the sets in DIR; prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("good", type=Path, metavar="GOOD", help="good pictures, a data set in MVTec layout, or a recording")
    add_out(p, "DIR", "folder for the sets", required=True, adds="add a class to the sets that lie there")
    p.add_argument("--class", dest="name", metavar="NAME", help="name of the class (default: that of the folder GOOD)")
    p.add_argument("--beta", type=_beta, nargs="+", default=BETAS, metavar="B", help="transparencies, 0 <= B < 1")
    p.add_argument("--seed", type=int, default=0, metavar="N")
    p.add_argument("--textures", type=Path, metavar="DIR", help="DTD's layout (default: $GLASSLINE_TEXTURES, else built in)")
    args = p.parse_args(arguments)
    try:
        images = list_images(args.good)
        name = args.name or args.good.resolve().name
        if not args.replace and ((args.out / f"{name}.json").exists() or any(args.out.glob(f"*/{name}"))):
            raise InputError(f"{name} is there already, {args.out}, choose another --out or --class")
        if len(images) < 2:
            raise InputError(f"only {len(images)} good picture, {args.good}, give at least 2")
        with claimed_out(args, *(path.name for path in args.out.glob("Beta_*")), f"Beta_{args.beta[0]:g}"):
            make(images, name, args.beta, args.seed, find_textures(args.textures), args.out)
    except OSError as e:
        raise InputError(f"not writable ({e.strerror}), {e.filename or args.out}, make room") from None
    print(json.dumps({"schema": 1, "pictures": len(images), "betas": list(args.beta), "out": str(args.out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
