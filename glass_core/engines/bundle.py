"""A BUNDLE: a run's model with its engine built ahead, golden tiles, and a manifest that says for what machine.

The folder holds what a RUN holds too (model, split, exclusions), so that a new card can be made of it, and a new engine.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from glass_core.engines.backend import Backend, BackendName, Device, PrecisionName, Runner, Tiles, backend
from glass_core.engines.canary import MIN_TOLERANCE, Canary, EngineFault
from glass_core.errors import InputError
from glass_core.files.sealed import ChangedByHand, Sealed
from glass_core.network.checkpoint import ModelInfo, read_info, read_tensors, write_tensors
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import MAX_TILE_PX

MANIFEST_FILE = "manifest.json"
GOLDENS_FILE = "goldens.safetensors"
MAX_BUCKET = 1024
_MAX_MANIFEST_BYTES = 1 << 20


class ForeignDevice(InputError):
    """The engine was built for another device or by another library; to be compiled again."""


class Manifest(Sealed):
    """What an engine is, for which machine, and the hashes of its files; `sha` is over all of this."""

    weights_sha: str
    backend: BackendName
    version: str
    device: Device
    precision: PrecisionName
    buckets: tuple[Annotated[int, Field(ge=1, le=MAX_BUCKET)], ...] = Field(min_length=1, max_length=16)
    tile_shape: tuple[Annotated[int, Field(ge=1, le=MAX_TILE_PX)], ...] = Field(min_length=2, max_length=3)
    """(h, w) mono or (h, w, 3) RGB, uint8."""
    score: ScoreDefinition
    tolerance: float = Field(ge=MIN_TOLERANCE, le=1)
    """How far a golden tile's cells may move."""
    guard: dict[str, float]
    """How the engine's scores differ from those of the trained model in float32."""
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")], str]
    """sha256 of each; they lie in the bundle's own folder."""


def is_bundle(folder: Path) -> bool:
    """Whether a model's folder is a bundle rather than a run."""
    return (folder / MANIFEST_FILE).exists()


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle. Raises InputError when it is damaged or was changed by hand."""
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise InputError(f"manifest too large to be one, {path}, compile the bundle again")
        return Manifest.opened(path.read_bytes())
    except OSError as error:
        raise InputError(f"unreadable manifest ({error.strerror}), {path}, check its permissions") from None
    except ValidationError as error:
        raise InputError(f"damaged manifest ({error.errors()[0]['msg']}), {path}, compile the bundle again") from None
    except ChangedByHand:
        raise InputError(f"manifest changed by hand, {path}, compile the bundle again") from None


class Bundle:
    """See glass_core.engines.Engine. Raises ForeignDevice on another machine, InputError for another backend, precision or
    thread of files than the manifest's, EngineFault when a golden tile's score does not come out again. `read` makes its files
    ready; they are read here where there is none."""

    backend: str
    precision: str
    pixel_format: str | None
    canary: Canary | None

    def __init__(
        self,
        folder: Path,
        asked: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        read: Callable[[Manifest], Runner] | None = None,
    ) -> None:
        self._folder, manifest = folder, load_manifest(folder)
        for what, wish, has in (("backend", asked, manifest.backend), ("precision", precision, manifest.precision)):
            if wish not in ("auto", has):
                raise InputError(f"{what} {wish} is asked for, {folder} is {has}, leave worker.{what} at auto or compile again")
        if read_info(folder).weights_sha != manifest.weights_sha:
            raise InputError(f"the engine is of another model than model.json, {folder}, compile the bundle again")
        check_files(folder, manifest)
        module = backend(manifest.backend)
        check_device(folder, manifest, module)
        self.backend, self.precision, self.device = manifest.backend, manifest.precision, manifest.device.kind
        self.sha, self.weights_sha, self.definition = manifest.sha, manifest.weights_sha, manifest.score
        self.pixel_format = "RGB8" if len(manifest.tile_shape) == 3 else "Mono8"
        self._shape = manifest.tile_shape
        self.canary = canary = _canary(folder, manifest)
        self._runner = read(manifest) if read else module.read(folder, self._shape, self.precision, threads)
        for bucket in manifest.buckets:
            try:
                cells = self.score(np.resize(canary.tiles, (bucket, *self._shape)))
                for row, scored in enumerate(cells):
                    canary.check(row % len(canary.tiles), scored)
            except EngineFault as fault:
                raise InputError(f"{fault} at batch {bucket}, {folder}, compile the bundle again on this machine") from None

    def score(self, tiles: Tiles) -> NDArray[np.float32]:
        if tiles.shape[1:] != self._shape:
            has, takes = ("x".join(map(str, shape)) for shape in (tiles.shape[1:], self._shape))
            raise InputError(f"tiles of {has}, {self._folder} takes {takes} ({self.pixel_format}), compile for these pictures")
        return self._runner(tiles)


def _canary(folder: Path, manifest: Manifest) -> Canary:
    goldens, _ = read_tensors(folder / GOLDENS_FILE)
    tiles, cells = (goldens.get(name, np.empty(0)) for name in ("tiles", "cells"))
    if tiles.dtype != np.uint8 or tiles.shape[1:] != manifest.tile_shape or not len(tiles) == len(cells) > 0:
        raise InputError(f"no golden tiles of {manifest.tile_shape} px, {folder / GOLDENS_FILE}, compile the bundle again")
    return Canary(tiles, cells, manifest.tolerance)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises InputError unless all files are those of the manifest."""
    for name, sha in manifest.files.items():
        if _sha256(folder / name) != sha:
            raise InputError(f"{name} is damaged or cut short, {folder}, restore the file or compile again")


def check_device(folder: Path, manifest: Manifest, module: Backend) -> None:
    """Raises ForeignDevice unless this machine is the one that the bundle was compiled for."""
    here = (module.device(), module.version())
    if here != (manifest.device, manifest.version):
        built, found = (f"{version} on {device}" for device, version in ((manifest.device, manifest.version), here))
        raise ForeignDevice(
            f"the engine was built for {manifest.backend} {built}; this is {found}, {folder}, "
            "run `glassline compile` here or set worker.on_foreign_device to recompile"
        )


def seal(
    folder: Path,
    info: ModelInfo,
    name: str,
    precision: str,
    tiles: Tiles,
    cells: NDArray[np.float32],
    tolerance: float,
    guard: dict[str, float],
    files: tuple[str, ...],
) -> Manifest:
    """Makes a bundle of a folder with a model and its engine's files: adds golden `tiles`, their `cells`, and a manifest."""
    module = backend(name)
    write_tensors(folder / GOLDENS_FILE, {"tiles": tiles, "cells": cells}, {})
    manifest = Manifest.sealed(
        weights_sha=info.weights_sha,
        backend=name,
        version=module.version(),
        device=module.device(),
        precision=precision,
        buckets=module.BUCKETS,
        tile_shape=tiles.shape[1:],
        score=info.score,
        tolerance=tolerance,
        guard=guard,
        files={name: _sha256(folder / name) for name in (*files, GOLDENS_FILE)},
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1, by_alias=True) + "\n")
    return manifest


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"not readable ({error.strerror}), {path}, restore the file or compile the bundle again") from None
