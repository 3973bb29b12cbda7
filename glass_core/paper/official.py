"""Checkpoints of the official GLASS code, both ways: heads only, without trunk, geometry or threshold.

See docs/explanation/glass.md#checkpoints.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from glass_core.network.checkpoint import ModelInfo, load_model, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.network.official_trunk import batch_norms, make_official
from glass_core.network.weights import load_trunk
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling, stride_px

PARTS = ("pre_projection", "discriminator")
_MAX_BYTES = 1 << 30
_TRUNK_MARK = "layer3.0.conv1.weight"


def import_official(checkpoint: Path, arch: str, weights: Path | None, out: Path) -> ModelInfo:
    """Makes a run of an official ckpt*.pth, of levels 2 and 3 of the ImageNet trunk named `arch`: the file does not tell.

    The trunk is as the official program leaves it, and tiles are the official picture, 288 px. Raises InputError for a file
    of another kind, size or trunk, and for a trunk whose batch norm was folded, MissingError without the trunk's weights.
    """
    heads = read_heads(checkpoint)
    glass = Glass(arch)
    _check_trunk(heads, glass, checkpoint)
    if origin := load_trunk(glass, weights):
        make_official(glass, origin.path)
    for part in PARTS:
        _load(getattr(glass, part), heads, part, checkpoint)
    tensors = tensors_of(glass.eval())
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    info = ModelInfo(
        arch=arch,
        weights_sha=weights_sha(tensors),
        score=ScoreDefinition(tiling=Tiling(tile_px=288)),
        config=None,
        split_digest=None,
        weights=origin,
        textures=None,
        curve=(),
        origin=f"official checkpoint {checkpoint.name}, sha256 {digest[:16]}; ckpt_best is the best on the test set",
        versions={"torch": torch.__version__, "numpy": np.__version__},
    )
    save_model(out, tensors, info)
    return info


def export_official(run: Path, checkpoint: Path) -> None:
    """Writes the heads of a run as a file that the official code loads; whole or not at all.

    Raises InputError where the official code would compute other scores with them, and where nothing can be written.
    """
    glass, info = load_model(run)
    if info.levels != (2, 3):
        raise InputError(f"a model of levels {list(info.levels)}, which its file could not say, {run}, export it to ONNX")
    if info.score.tiling.cell_px > stride_px(info.levels):
        raise InputError(f"a model that shrinks pictures, which the official code does not, {run}, export it to ONNX")
    if info.config is not None and info.config.trunk == "clean" and batch_norms(glass):
        advice = "train with trunk: as_official, or export it to ONNX"
        raise InputError(f"a model of the clean trunk, which the official code does not have, {run}, {advice}")
    heads = {part: getattr(glass, part).state_dict() for part in PARTS}
    content = io.BytesIO()
    torch.save(heads, content)  # into a file, a full disk would be torch's RuntimeError, which tells no reason
    try:
        with whole_file(checkpoint) as part:
            part.write_bytes(content.getbuffer())
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror}), {checkpoint}, free space or choose another place") from None


def read_heads(checkpoint: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint under `pre_projection.` and `discriminator.`, from either form that the code writes.

    Raises InputError when it is unreadable or no such checkpoint.
    """
    try:
        if checkpoint.stat().st_size > _MAX_BYTES:
            raise InputError(f"over {_MAX_BYTES} bytes, {checkpoint}, give an official ckpt_best_*.pth")
        content = checkpoint.read_bytes()
    except OSError as error:
        raise InputError(f"not readable ({error.strerror}), {checkpoint}, give an official ckpt_best_*.pth") from None
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a bad file
        raise InputError(f"not a file of tensors, {checkpoint}, give an official ckpt_best_*.pth") from None
    if isinstance(found, Mapping) and all(isinstance(found.get(part), Mapping) for part in PARTS):
        found = {f"{part}.{key}": value for part in PARTS for key, value in found[part].items()}
    flat = isinstance(found, Mapping) and all(isinstance(value, Tensor) for value in found.values())
    if not flat or not all(any(str(key).startswith(f"{part}.") for key in found) for part in PARTS):
        raise InputError(f"no {' and '.join(PARTS)} in it, {checkpoint}, give an official ckpt_best_*.pth")
    return dict(found)


def _load(module: torch.nn.Module, heads: Mapping[str, Tensor], part: str, checkpoint: Path) -> None:
    given = {key.removeprefix(f"{part}."): value for key, value in heads.items() if key.startswith(f"{part}.")}
    wanted = module.state_dict()
    for key in sorted(wanted.keys() | given.keys()):
        if key not in given or key not in wanted:
            state = "missing" if key not in given else "unknown"
            raise InputError(f"{part}.{key} is {state}, {checkpoint}, it is of a GLASS with other heads")
        if given[key].shape != wanted[key].shape:
            shapes = f"{tuple(given[key].shape)}, not {tuple(wanted[key].shape)}"
            raise InputError(f"{part}.{key} is {shapes}, {checkpoint}, it is of a GLASS of other dimensions")
    module.load_state_dict(given)


def _check_trunk(heads: Mapping[str, Tensor], glass: Glass, checkpoint: Path) -> None:
    """A file of the whole network shows its trunk, which must be the one asked for; one of heads alone does not."""
    own = glass.backbone.state_dict().get(_TRUNK_MARK)
    theirs = next((value for key, value in heads.items() if key.endswith(_TRUNK_MARK)), None)
    if theirs is not None and (own is None or own.shape != theirs.shape):
        raise InputError(f"a checkpoint from another backbone than {glass.arch}, {checkpoint}, name its own by --backbone")
