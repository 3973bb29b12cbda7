"""anomalib's GLASS or PatchCore on the very pictures that one of our runs has learned from; `evaluate` then does the sums.

In an environment of its own, from the root of this tree, since anomalib asks for libraries that do not go beside ours:

    python -m venv ENV
    ENV/bin/pip install anomalib==2.7.0 torch==2.13.0 torchvision==0.28.0 pydantic safetensors pyyaml pyzmq msgpack
    ENV/bin/python -m tools.studies.run_anomalib RUN DATA --model glass --out SCORES
    glassline evaluate SCORES DATA

RUN says which pictures are for training, which of their columns, which levels of which backbone with which weights, the batch
and how many iterations; both systems are published with levels 2 and 3. Pictures are cut into tiles of --px side by side, for
training and for scoring. No epoch is chosen, the last is taken, as by `select: last`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from glass_core.errors import InputError, MissingError
from glass_core.evaluation.kept_apart import refuse_seen
from glass_core.evaluation.measure import Scored
from glass_core.evaluation.score_folder import MAPS, SCORES_FILE, ScoreFolder
from glass_core.evaluation.scores import Scores
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import ModelInfo, read_info
from glass_core.network.weights import load_weights
from glass_core.pictures.datasets import list_test_images
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import load_split
from glass_core.pictures.tiling import Tiling
from tools.cli import one_line
from tools.verbs.out import add_out, claimed_out

BATCH = 16

Network = Callable[[torch.Tensor], Any]
"""Of pictures (B, 3, H, W) in 0..1: an object with `pred_score` (B,) and `anomaly_map` (B, H, W)."""


def import_anomalib() -> tuple[Any, Any, Any]:
    """anomalib's models, data modules and engine; MissingError where it is not installed.

    PyPI's torchvision is made for a CUDA build of torch; beside a CPU build it has no operators and cannot be imported. Two are
    asked for by name alone; of the others anomalib needs the reading of pictures, which we then do.
    """
    try:
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            for name in ("nms", "qnms"):
                torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            importlib.import_module("torchvision.io").read_image = read_planes  # type: ignore[attr-defined]
        models, data, engine = (importlib.import_module(f"anomalib.{name}") for name in ("models", "data", "engine"))
    except ImportError as error:
        raise MissingError(f"anomalib cannot be imported ({error}), this environment, make the one that --help shows") from None
    return models, data, engine


def read_planes(path: str, *_: object, **__: object) -> torch.Tensor:
    """A picture as torchvision reads it, (3, H, W) uint8."""
    picture = read_image(Path(path))
    return torch.from_numpy(picture).permute(2, 0, 1) if picture.ndim == 3 else torch.from_numpy(picture).expand(3, -1, -1)


def use_weights(info: ModelInfo, run: Path) -> None:
    """Has anomalib take the trunk's weights from our run's file instead of a download of another training."""
    if info.weights is None:
        raise InputError(f"its backbone {info.arch} is none of anomalib's, {run}, give a run on a ResNet")
    path = Path(info.weights.path)
    state, origin = load_weights(info.arch, path)
    if origin.sha256 != info.weights.sha256:
        raise InputError(f"not the weights that the run was trained with, {path}, restore them")
    timm: Any = importlib.import_module("timm")
    create = timm.create_model

    @functools.wraps(create)
    def created(name: str, pretrained: bool = False, **settings: Any) -> torch.nn.Module:
        network: torch.nn.Module = create(name, pretrained=False, **settings)
        if pretrained:
            missing = network.load_state_dict({k: v for k, v in state.items() if k in network.state_dict()}, strict=False)[0]
            if absent := [key for key in missing if not key.endswith("num_batches_tracked")]:
                raise InputError(f"weight {absent[0]} is missing, {path}, give a torchvision file of this backbone")
        return network

    timm.create_model = created


def cut(pictures: Sequence[Path], definition: ScoreDefinition, folder: Path) -> int:
    """Writes the tiles of pictures as PNG and returns how many they are."""
    count = 0
    for path in pictures:
        picture = read_image(path)
        height, width = picture.shape[:2]
        for tile in definition.tiling.layout(height, width, definition.inspect_x_px).cut(picture):
            if not cv2.imwrite(str(folder / f"{count:06}.png"), tile[..., ::-1] if tile.ndim == 3 else tile):
                raise InputError(f"cannot write tiles, {folder}, free space there")
            count += 1
    return count


def fit(
    name: str, run: Path, info: ModelInfo, definition: ScoreDefinition, iterations: int, textures: Path | None
) -> tuple[Network, int]:
    """The trained system, by anomalib's own loop and data module, and the iterations that it made of its epochs."""
    models, data, engines = import_anomalib()
    use_weights(info, run)
    assert info.config is not None
    torch.manual_seed(info.config.seed)
    px, batch = definition.tiling.tile_px, info.config.batch_tiles
    made = models.Glass if name == "glass" else models.Patchcore
    settings: dict[str, Any] = {"backbone": info.arch, "layers": [f"layer{level}" for level in info.levels]}
    settings |= {"pre_processor": made.configure_pre_processor(image_size=(px, px))}
    settings |= dict.fromkeys(("post_processor", "evaluator", "visualizer"), False)
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        good.mkdir()
        per_epoch = -(-cut([image.path for image in load_split(run).train], definition, good) // batch)
        epochs = 1
        if name == "glass":
            settings |= {"input_shape": (px, px), "anomaly_source_path": textures and str(textures)}
            epochs = -(-iterations // per_epoch)
        model = made(**settings)
        folder = data.Folder(
            name="split", root=place, normal_dir="good", train_batch_size=batch, num_workers=0,
            test_split_mode="none", val_split_mode="none",
        )  # fmt: skip
        engine = engines.Engine(max_epochs=epochs, logger=False, default_root_dir=place, limit_val_batches=0)
        engine.fit(model=model, datamodule=folder)
    model.eval()
    return model, epochs * per_epoch


@torch.no_grad()
def scores(network: Network, picture: NDArray[np.uint8], definition: ScoreDefinition) -> Scores:
    """Of one picture: the highest score of its tiles, and their maps put together, by maximum where they overlap."""
    height, width = picture.shape[:2]
    layout, side = definition.tiling.layout(height, width, definition.inspect_x_px), definition.tiling.tile_px
    tiles = torch.from_numpy(layout.cut(picture)).float() / 255  # (T, p, p[, 3])
    planes = tiles[:, None].expand(-1, 3, -1, -1) if tiles.dim() == 3 else tiles.permute(0, 3, 1, 2)  # (T, 3, p, p)
    found = [network(part.contiguous()) for part in planes.split(BATCH)]
    whole = np.full((layout.tile_rows_px[-1] + side, layout.tile_cols_px[-1] + side), -np.inf, np.float32)
    maps = torch.cat([part.anomaly_map.reshape(-1, side, side) for part in found]).float().cpu().numpy()  # (T, p, p)
    for one, (y, x) in zip(maps, layout.tiles, strict=True):
        window = whole[y : y + side, x : x + side]
        np.maximum(window, one, out=window)
    pixels = np.full((height, width), np.nan, np.float32)
    pixels[:, layout.x0_px : layout.x1_px] = whole[:height, : layout.x1_px - layout.x0_px]
    return Scores(max(float(part.pred_score.max()) for part in found), (), pixels)


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 with the scores in DIR; prints one JSON object with what was done."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, metavar="RUN")
    p.add_argument("data", type=Path, metavar="DATA", help="test set in MVTec layout, or a class of VisA")
    p.add_argument("--model", choices=("glass", "patchcore"), required=True)
    add_out(p, "DIR", "scores and maps", required=True)
    p.add_argument(
        "--textures", type=Path, metavar="DIR", help="for GLASS: pictures to paste, as DTD has them (default: noise)"
    )
    p.add_argument("--iterations", type=int, metavar="N", help="for GLASS, rounded up to epochs (default: those of RUN)")
    p.add_argument(
        "--px", type=int, choices=range(64, 1025, 32), default=256, metavar="PX", help="side of a tile (default: 256)"
    )
    args = p.parse_args(arguments)
    info, test = read_info(args.run), list_test_images(args.data)
    if info.config is None:
        raise InputError(f"not trained here, {args.run}, give a run of `glassline train`")
    refuse_seen(args.run, args.data, test)
    asked = info.config.epochs * (info.config.iterations_per_epoch or 0) if args.iterations is None else args.iterations
    if args.model == "glass" and asked < 1:
        raise InputError(f"no number of iterations, {args.run} or --iterations, give one of at least 1")
    definition = ScoreDefinition(tiling=Tiling(tile_px=args.px, overlap_px=0), inspect_x_px=info.score.inspect_x_px)
    with claimed_out(args, SCORES_FILE, MAPS), refused_writes(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):  # its loop prints there
            network, iterations = fit(args.model, args.run, info, definition, asked, args.textures)
        seconds, scored, folder = time.monotonic() - started, [], ScoreFolder(args.out, args.data)
        for image in track(test, "scoring", console=Console(stderr=True), transient=True):
            of_picture = scores(network, read_image(image.path), definition)
            folder.write(image, of_picture)
            scored.append(Scored(image, of_picture.score, None))
        folder.close(scored)
    facts = {"schema": 1, "model": args.model, "iterations": iterations, "seconds_with_start": round(seconds, 1)}
    print(json.dumps({**facts, "out": str(args.out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
