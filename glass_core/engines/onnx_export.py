"""A run as an ONNX file for other runtimes: normalisation, trunk and folded heads, of any batch, height and width."""

import json
import logging
import warnings
from pathlib import Path

import torch

from glass_core.errors import InputError, MissingError
from glass_core.files.whole_file import whole_file
from glass_core.network.checkpoint import load_model
from glass_core.network.graph import ScoreGraph


def export_onnx(run: Path, path: Path) -> None:
    """Writes the model with input `tiles`, uint8 RGB (batch, height, width, 3), outputs `cells` (batch, height/c, width/c) and
    `highest` (batch,), for cells of c px.

    Height and width are multiples of a cell of the coarsest level (2 c for levels 2 and 3). Cells are raw scores in (0, 1);
    a picture's score is the highest. Normalisation is inside, so no preparation can differ from training's. The metadata
    hold weights_sha and the score definition.
    Raises MissingError without the package onnxscript, InputError when the file cannot be written.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingError("ONNX export needs the package onnxscript, this machine, pip install 'glassline[onnx]'") from None
    glass, info = load_model(run)
    network = ScoreGraph(glass).eval()
    unit = glass.unit_px
    sizes = {0: torch.export.Dim("batch"), 1: unit * torch.export.Dim("rows"), 2: unit * torch.export.Dim("cols")}
    example = torch.zeros((2, 4 * unit, 6 * unit, 3), dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            verbose=False,
            dynamic_shapes=(sizes,),
            input_names=["tiles"],
            output_names=["cells", "highest"],
        )
    assert program is not None
    program.model.metadata_props.update(
        weights_sha=info.weights_sha, arch=info.arch, score=json.dumps(info.score.model_dump(mode="json"))
    )
    try:
        with whole_file(path) as part:
            program.save(str(part), include_initializers=True)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror}), {path}, free space or choose another place") from None
