"""A finished training run on disk: model.safetensors with every tensor, model.json with what it is; no torch at import."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glass_core.config import TrainConfig, check_levels
from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import stride_px

if TYPE_CHECKING:
    from glass_core.network.model import Glass

MODEL_FILE = "model.safetensors"
INFO_FILE = "model.json"
MAX_INFO_BYTES = 16 << 20
MAX_MODEL_BYTES = 2 << 30

Tensors = dict[str, NDArray[Any]]


class WeightsOrigin(BaseModel):
    """Which file a trunk came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str
    path: str
    sha256: str


class EpochFigures(BaseModel):
    """One row of the training curve: means over the epoch, and held-out figures where the epoch has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    loss: float
    p_true: float
    p_fake: float
    clamped: float | None = None
    """Share of the synthetic rows that the first truncated projection moved; none without an ascent."""
    selection_good_q99: float | None = None
    selection_auroc: float | None = None


class ModelInfo(BaseModel):
    """Contents of model.json; the tensors are those of `selected_epoch`.

    `weights` is null for a backbone that needs no file. A model that was not trained here has an `origin`
    in words, and no config, split, textures or epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=1, alias="schema")
    arch: str
    levels: tuple[Literal[1, 2, 3], ...] = (2, 3)
    weights_sha: str
    score: ScoreDefinition
    config: TrainConfig | None
    split_digest: str | None
    weights: WeightsOrigin | None
    textures: str | None
    curve: tuple[EpochFigures, ...]
    selected_epoch: int | None = None
    distribution: Literal["m", "h"] | None = None
    """GLASS-m or -h, as configured or as the judge chose."""
    origin: str | None = None
    versions: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_trained(cls, data: Any) -> Any:
        """A file older than these settings is not given what profiles make of them since."""
        if isinstance(data, dict) and isinstance(config := data.get("config"), dict):
            return {**data, "config": {"levels": (2, 3), "light": 0, "trunk": "clean", **config}}
        return data

    @model_validator(mode="after")
    def _cells_fit(self) -> Self:
        check_levels(self.levels, self.arch)
        if self.score.tiling.cell_px % stride_px(self.levels):
            raise ValueError(f"cells of {self.score.tiling.cell_px} px are none of levels {list(self.levels)}")
        return self

    @property
    def selection(self) -> str:
        """How the epoch was chosen, in words."""
        if self.origin:
            return f"not known: {self.origin}"
        rated = any(figures.selection_auroc is not None for figures in self.curve)
        if not rated or self.selected_epoch is None or self.config is None or self.config.select == "last":
            return "last epoch"
        return f"held-out good pictures and synthetic defects (epoch {self.selected_epoch} of {len(self.curve)})"


def weights_sha(tensors: Mapping[str, NDArray[Any]]) -> str:
    """sha256 over key, type, shape and bytes of each tensor, in key order."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        value = np.ascontiguousarray(tensors[key])
        digest.update(f"{key}|{value.dtype.str}|{tensors[key].shape}|".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def tensors_of(glass: "Glass") -> Tensors:
    """All that `Glass` keeps, trunk included, as arrays on the CPU."""
    return {key: value.detach().cpu().contiguous().numpy() for key, value in glass.state_dict().items()}


def save_model(run: Path, tensors: Tensors, info: ModelInfo) -> None:
    """Write both files; model.json, which vouches for the other, comes last. Raises InputError when that cannot be done."""
    write_tensors(run / MODEL_FILE, tensors, {})
    _replace(run / INFO_FILE, f"{info.model_dump_json(indent=1, by_alias=True)}\n".encode())


def read_info(run: Path) -> ModelInfo:
    """What the model of a run is. Raises InputError when it is absent, damaged or of another schema."""
    path = run / INFO_FILE
    try:
        if path.stat().st_size > MAX_INFO_BYTES:
            raise InputError(f"model.json over {MAX_INFO_BYTES} bytes, {path}, train again")
        return ModelInfo.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"no trained model, {run}, name a run folder or train one to its end") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"model.json not readable ({error}), {path}, check the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the text'}: {first['msg']}"
        raise InputError(f"model.json damaged or of another version ({what}), {path}, train again") from error


def load_model(run: Path) -> tuple["Glass", ModelInfo]:
    """The network in eval mode and what it is. Raises InputError when a file is absent, damaged or of another model."""
    import torch

    from glass_core.network.model import Glass

    info = read_info(run)
    tensors, _ = read_tensors(run / MODEL_FILE)
    if weights_sha(tensors) != info.weights_sha:
        raise InputError(f"model.safetensors is not the one model.json describes, {run}, train again or restore both")
    glass = Glass(info.arch, info.score.tiling.cell_px // stride_px(info.levels), info.levels)
    try:
        glass.load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
    except RuntimeError as error:
        raise InputError(f"tensors do not fit {info.arch}, {run / MODEL_FILE}, train again") from error
    return glass.eval().requires_grad_(False), info


def write_tensors(path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all. Raises InputError when that cannot be done."""
    _replace(path, safetensors.numpy.save(tensors, metadata))


def read_tensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises InputError when it is absent or damaged."""
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise InputError(f"over {MAX_MODEL_BYTES} bytes, {path}, this is no model of ours")
        with safetensors.safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise InputError(f"not readable ({error.strerror or error}), {path}, restore the file or train again") from error
    except (safetensors.SafetensorError, TypeError, ValueError) as error:
        raise InputError(f"damaged, {path}, restore the file or train again") from error


def _replace(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror}), {path}, free space or choose another folder") from error
