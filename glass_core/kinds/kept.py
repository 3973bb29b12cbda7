"""Learned kinds on disk: kinds.safetensors with the numbers, kinds.json with what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.files.kept_json import read_json, write_json
from glass_core.files.whole_file import refused_writes
from glass_core.kinds.classifier import MIN_KINDS, SIDES, Classifier
from glass_core.network.checkpoint import Tensors, read_tensors, weights_sha, write_tensors

INFO_FILE, NUMBERS_FILE = "kinds.json", "kinds.safetensors"
MAX_BYTES = 256 << 20
MAX_KINDS = 1000
PARTS = ("centre", "scale", "means", "axes", "damping")
ADVICE = "learn the kinds again with `glassline kinds LEDGER --model RUN --out DIR`"

Finite = Annotated[float, Field(allow_inf_nan=False)]
NotEmpty = Annotated[str, Field(min_length=1, max_length=64)]


class KindsInfo(BaseModel):
    """Contents of kinds.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    model_sha: str
    """Of the model whose trunk gave the features."""
    numbers_sha: str
    """Of the tensors in kinds.safetensors."""
    kinds: tuple[NotEmpty, ...] = Field(min_length=MIN_KINDS, max_length=MAX_KINDS)
    limit: Finite
    slope: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    level: Finite


def save_kinds(folder: Path, classifier: Classifier, model_sha: str) -> None:
    """Both files; kinds.json, which vouches for the other, comes last. Raises InputError when that cannot be done."""
    if len(classifier.kinds) > MAX_KINDS:
        raise InputError(f"over {MAX_KINDS} kinds, {folder}, learn from fewer ledgers")
    tensors: Tensors = {name: getattr(classifier, name) for name in PARTS}
    info = KindsInfo(
        model_sha=model_sha, numbers_sha=weights_sha(tensors), kinds=classifier.kinds, limit=classifier.limit,
        slope=classifier.slope, level=classifier.level,
    )  # fmt: skip
    write_tensors(folder / NUMBERS_FILE, tensors, {})
    with refused_writes(folder):
        write_json(folder / INFO_FILE, info.model_dump(mode="json", by_alias=True))


def load_kinds(folder: Path, model_sha: str) -> Classifier:
    """What was learned with the model of that hash. Raises InputError where it is absent, damaged or of another model."""
    info = read_json(folder / INFO_FILE, KindsInfo, ADVICE)
    if info is None:
        raise InputError(f"no learned kinds, {folder}, {ADVICE}")
    if info.model_sha != model_sha:
        raise InputError(f"learned with another model, {folder}, {ADVICE}")
    path = folder / NUMBERS_FILE
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise InputError(f"over {MAX_BYTES} bytes, {path}, {ADVICE}")
    tensors, _ = read_tensors(path)
    if weights_sha(tensors) != info.numbers_sha or not _in_domain(tensors, len(info.kinds)):
        raise InputError(f"not the numbers that {INFO_FILE} describes, {path}, {ADVICE}")
    numbers = {name: tensors[name] for name in PARTS}
    return Classifier(info.kinds, **numbers, limit=info.limit, slope=info.slope, level=info.level)


def _in_domain(tensors: Tensors, kinds: int) -> bool:
    if tensors.keys() != set(PARTS) or any(t.dtype != np.float64 or not np.isfinite(t).all() for t in tensors.values()):
        return False
    centre, scale, means, axes, damping = (tensors[name] for name in PARTS)
    size, ways = centre.size, damping.size
    return (
        size > SIDES
        and (centre.shape, scale.shape, damping.shape) == ((size,), (size,), (ways,))
        and (means.shape, axes.shape) == ((kinds, size), (ways, size))
        and bool((scale > 0).all() and (damping >= 0).all() and (damping <= 1).all() and (np.abs(axes) <= 1 + 1e-6).all())
    )
