"""The state of an unfinished training on disk, so that it goes on after its last finished epoch."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.checkpoint import EpochFigures, Tensors, WeightsOrigin, read_tensors, tensors_of, write_tensors
from glass_core.network.model import Glass
from glass_core.pictures.split import Split

STATE_FILE = "state.safetensors"
OPTIMISER_NAMES = ("adaptor", "discriminator")
SELECTED, AVERAGE = "selected/", "average/"

Optimisers = tuple[torch.optim.Optimizer, torch.optim.Optimizer]


def identity(config: TrainConfig, parts: Split, textures: str, origin: WeightsOrigin | None) -> str:
    """What must be the same for a state to be taken up: all that shapes the weights but the number of epochs.

    Which of the epochs becomes the model shapes none: the state has the heads of both.
    """
    return json.dumps(
        {
            "config": config.model_dump(mode="json", exclude={"epochs", "minutes", "weights", "textures", "select"}),
            "split": parts.digest,
            "textures": textures,
            "weights": origin and origin.sha256,
        },
        sort_keys=True,
    )


def heads_of(glass: Glass) -> Tensors:
    """The trained tensors: all but the trunk's."""
    return {key: value.copy() for key, value in tensors_of(glass).items() if not key.startswith("backbone.")}


def save_state(
    path: Path,
    glass: Glass,
    average: Glass,
    optimisers: Optimisers,
    identity: str,
    curve: list[EpochFigures],
    selected: Tensors,
) -> None:
    """Write the heads in training and their `average`, optimisers, the curve and the `selected` heads, whole or not at all."""
    tensors = heads_of(glass) | {SELECTED + key: value for key, value in selected.items()}
    tensors |= {AVERAGE + key: value for key, value in heads_of(average).items()}
    for name, optimiser in zip(OPTIMISER_NAMES, optimisers, strict=True):
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{key}": value.cpu().numpy() for key, value in state.items()}
    write_tensors(path, tensors, {"identity": identity, "curve": json.dumps([row.model_dump() for row in curve])})


def resume(
    path: Path, glass: Glass, average: Glass, optimisers: Optimisers, identity: str
) -> tuple[list[EpochFigures], Tensors]:
    """Take up the state at `path` if there is one: the curve of the epochs it has, and the selected epoch's heads.

    Raises InputError for a damaged state or that of another training.
    """
    if not path.exists():
        return [], {}
    tensors, metadata = read_tensors(path)
    if metadata.get("identity") != identity:
        raise InputError(f"a training with other settings or pictures lies there, {path.parent}, choose another --out")
    state = {key: torch.from_numpy(value) for key, value in tensors.items() if not key.startswith(SELECTED)}
    try:
        curve = [EpochFigures.model_validate(row) for row in json.loads(metadata["curve"])]
        averaged = {key.removeprefix(AVERAGE): value for key, value in state.items() if key.startswith(AVERAGE)}
        average.load_state_dict(averaged, strict=False)
        glass.load_state_dict({key: value for key, value in state.items() if "/" not in key}, strict=False)
        for name, optimiser in zip(OPTIMISER_NAMES, optimisers, strict=True):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                if key.startswith(f"{name}/"):
                    _, index, slot = key.split("/")
                    slots.setdefault(int(index), {})[slot] = value
            optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"state damaged, {path}, delete it and train again") from error
    return curve, {key.removeprefix(SELECTED): value for key, value in tensors.items() if key.startswith(SELECTED)}


def digest(path: Path, epochs: int) -> str:
    """Tells trainings apart: sha256 of the identity in a sound state and of the curve of its first `epochs`.

    Raises InputError for a damaged file.
    """
    _, metadata = read_tensors(path)
    return hashlib.sha256(json.dumps([metadata["identity"], json.loads(metadata["curve"])[:epochs]]).encode()).hexdigest()
