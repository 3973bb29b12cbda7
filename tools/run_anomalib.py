"""anomalib's GLASS or PatchCore on the very pictures that one of our runs has learned from; `evaluate` then does the sums.

In an environment of its own, from the root of this tree, since anomalib asks for libraries that do not go beside ours:

    python -m venv ENV
    ENV/bin/pip install anomalib==2.7.0 torch==2.13.0 torchvision==0.28.0 pydantic safetensors pyyaml pyzmq msgpack
    ENV/bin/python -m tools.run_anomalib RUN DATA --model glass --out SCORES
    glassline evaluate SCORES DATA

RUN says which pictures are for training, which backbone with which weights, the batch and how many iterations. Pictures are cut
into tiles of --px side by side, for training and for scoring. No epoch is chosen, the last is taken, as by `select: last`.
"""

from __future__ import annotations

import argparse
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

from glass_core.checkpoint import ModelInfo, read_info
from glass_core.data import read_image
from glass_core.datasets import list_test_images
from glass_core.errors import InputError, MissingError
from glass_core.evaluate import Scored, Scores
from glass_core.score_folder import ScoreFolder
from glass_core.split import file_sha256, load_split
from glass_core.tiling import Tiling
from tools.cli import one_line
from tools.train import refused_writes

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
            library = torch.library.Library("torchvision", "FRAGMENT")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            import_anomalib.operators = library  # type: ignore[attr-defined]  # they go with it
            importlib.import_module("torchvision.io").read_image = read_planes  # type: ignore[attr-defined]
        models, data, engine = (importlib.import_module(f"anomalib.{name}") for name in ("models", "data", "engine"))
    except ImportError as error:
        raise MissingError(f"anomalib cannot be imported ({error}), this environment, make the one that --help shows") from None
    return models, data, engine


def read_planes(path: str, *_: object, **__: object) -> torch.Tensor:
    """A picture as torchvision reads it, (3, H, W) uint8."""
    picture = read_image(Path(path))
    return torch.from_numpy(picture).permute(2, 0, 1) if picture.ndim == 3 else torch.from_numpy(picture).expand(3, -1, -1)


def use_weights(info: ModelInfo) -> None:
    """Has anomalib take the trunk's weights from our run's file instead of a download of another training."""
    if info.weights is None:
        raise InputError(f"a run on backbone {info.arch}, RUN, give one of a ResNet")
    path = Path(info.weights.path)
    if file_sha256(path) != info.weights.sha256:
        raise InputError(f"not the weights that the run was trained with, {path}, restore them")
    state = torch.load(path, map_location="cpu", weights_only=True)
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


def cut(pictures: Sequence[Path], tiling: Tiling, folder: Path) -> int:
    """Writes the tiles of pictures as PNG and returns how many they are."""
    count = 0
    for path in pictures:
        picture = read_image(path)
        for tile in tiling.layout(*picture.shape[:2]).cut(picture):
            cv2.imwrite(str(folder / f"{count:06}.png"), tile[..., ::-1] if tile.ndim == 3 else tile)
            count += 1
    return count


def fit(name: str, info: ModelInfo, pictures: Sequence[Path], iterations: int, textures: Path | None, px: int) -> Network:
    """The trained system, by anomalib's own loop and data module."""
    models, data, engines = import_anomalib()
    use_weights(info)
    config = info.config
    assert config is not None
    torch.manual_seed(config.seed)
    plain = {"backbone": info.arch, "post_processor": False, "evaluator": False, "visualizer": False}
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        good.mkdir()
        tiles = cut(pictures, Tiling(tile_px=px, overlap_px=0), good)
        epochs = 1
        if name == "glass":
            seen = {"pre_processor": models.Glass.configure_pre_processor(image_size=(px, px)), "input_shape": (px, px)}
            model = models.Glass(**plain, **seen, anomaly_source_path=textures and str(textures))
            epochs = -(-iterations // -(-tiles // config.batch_tiles))
        else:
            model = models.Patchcore(**plain, pre_processor=models.Patchcore.configure_pre_processor(image_size=(px, px)))
        folder = data.Folder(
            name="split", root=place, normal_dir="good", train_batch_size=config.batch_tiles, num_workers=0,
            test_split_mode="none", val_split_mode="none",
        )  # fmt: skip
        engine = engines.Engine(max_epochs=epochs, logger=False, default_root_dir=place, limit_val_batches=0)
        engine.fit(model=model, datamodule=folder)
    model.eval()
    return model


@torch.no_grad()
def scores(network: Network, picture: NDArray[np.uint8], tiling: Tiling) -> Scores:
    """Of one picture: the highest score of its tiles, and their maps put together, by maximum where they overlap."""
    layout = tiling.layout(*picture.shape[:2])
    tiles = torch.from_numpy(layout.cut(picture)).float() / 255  # (T, p, p[, 3])
    planes = tiles[:, None].expand(-1, 3, -1, -1) if tiles.dim() == 3 else tiles.permute(0, 3, 1, 2)  # (T, 3, p, p)
    found = network(planes.contiguous())
    maps = found.anomaly_map.reshape(len(tiles), tiling.tile_px, tiling.tile_px).float().cpu().numpy()
    side, (height, width) = tiling.tile_px, picture.shape[:2]
    whole = np.full((layout.tile_rows_px[-1] + side, layout.tile_cols_px[-1] + side), -np.inf, np.float32)
    for one, (y, x) in zip(maps, layout.tiles, strict=True):
        window = whole[y : y + side, x : x + side]
        np.maximum(window, one, out=window)
    return Scores(float(found.pred_score.max()), (), np.ascontiguousarray(whole[:height, :width]))


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 with the scores in DIR; prints one JSON object with what was done."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, metavar="RUN")
    p.add_argument("data", type=Path, metavar="DATA", help="test set in MVTec layout, or a class of VisA")
    p.add_argument("--model", choices=("glass", "patchcore"), required=True)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="scores and maps")
    p.add_argument(
        "--textures", type=Path, metavar="DIR", help="for GLASS: pictures to paste, in DTD's layout (default: Perlin noise)"
    )
    p.add_argument("--iterations", type=int, metavar="N", help="for GLASS (default: as many as RUN had)")
    p.add_argument("--px", type=int, default=256, help="side of a tile (default: %(default)s)")
    args = p.parse_args(arguments)
    info, pictures = read_info(args.run), [image.path for image in load_split(args.run).train]
    if info.config is None:
        raise InputError(f"not trained here, {args.run}, give a run of `glassline train`")
    iterations = args.iterations or info.config.epochs * (info.config.iterations_per_epoch or 0)
    if args.model == "glass" and not iterations:
        raise InputError(f"it has no fixed number of iterations, {args.run}, give --iterations")
    test, tiling, console = list_test_images(args.data), Tiling(tile_px=args.px, overlap_px=0), Console(stderr=True)
    started = time.monotonic()
    network = fit(args.model, info, pictures, iterations, args.textures, args.px)
    seconds, scored, folder = time.monotonic() - started, [], ScoreFolder(args.out, args.data)
    with refused_writes(args.out):
        for image in track(test, "scoring", console=console, transient=True):
            of_picture = scores(network, read_image(image.path), tiling)
            folder.write(image, of_picture)
            scored.append(Scored(image, of_picture.image, None))
        folder.close(scored)
    facts = {
        "schema": 1,
        "model": args.model,
        "pictures": len(pictures),
        "iterations": iterations,
        "training_s": round(seconds, 1),
    }
    print(json.dumps({**facts, "out": str(args.out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
