"""What scores tiles on this machine; importing this imports no torch, loading an engine may."""

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glass_core.engines.backend import Runner, Tiles, backend, check_precision, choose
from glass_core.engines.bundle import Bundle, Manifest, is_bundle
from glass_core.engines.cache import EngineCache, Wanted
from glass_core.engines.canary import Canary, drawn_tiles
from glass_core.errors import InputError
from glass_core.events import keep_quiet
from glass_core.network.checkpoint import read_info
from glass_core.pictures.scoring import ScoreDefinition

BackendChoice = Literal["auto", "torch", "openvino", "tensorrt"]
PrecisionChoice = Literal["auto", "fp32", "fp16", "bf16", "int8"]


class Engine(Protocol):
    """One model made ready on one backend; `sha` changes with all that may change a score."""

    sha: str
    weights_sha: str
    definition: ScoreDefinition
    backend: str
    precision: str
    device: str
    pixel_format: str | None
    """The only one it takes, Mono8 or RGB8; None: both."""

    @property
    def canary(self) -> Canary | None:
        """Tiles whose scores are known, to be scored again now and then."""
        ...

    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw cell scores (B, h/c, w/c) in (0, 1) of tiles (B, h, w) mono or (B, h, w, 3) RGB."""
        ...


def load_engine(
    model: Path,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    report: Callable[[object], None] = keep_quiet,
) -> Engine:
    """The engine of a BUNDLE, proven by its golden tiles; or one made ready now for the model of a RUN.

    Of a run, "auto" is torch on a CUDA device, else OpenVINO if it can be had, else torch; fp32. Half precision is never
    chosen by itself: it moves scores, and a threshold card with them. `threads` limits the CPU threads (None: the backend's
    choice). `cache` is a folder for engines, which are then converted or compiled only once on a machine; `report` hears why
    one is not kept. Raises InputError for a folder without a sound model, an engine of another machine, or a bundle that is
    not what is asked for; MissingError when the backend is absent.
    """
    kept = EngineCache(cache, report) if cache else None
    if not is_bundle(model):
        return RunEngine(model, backend, precision, threads, kept)

    if kept is None:
        return Bundle(model, backend, precision, threads)
    used: list[Wanted] = []

    def read(bundle: Manifest) -> Runner:
        wanted = Wanted(
            model, read_info(model), bundle.sha, bundle.backend, bundle.precision, bundle.tile_shape, threads, built=True
        )  # fmt: skip
        if kept.has(wanted):
            used.append(wanted)
        return kept.runner(wanted)

    try:
        return Bundle(model, backend, precision, threads, read)
    except InputError:
        if not used:
            raise
        kept.drop(used[0])
    return Bundle(model, backend, precision, threads)  # its own files decide


class RunEngine:
    """See Engine: a run's model, made ready for each size and colour of tiles when they first come."""

    pixel_format: str | None = None
    precision: str

    def __init__(
        self,
        run: Path,
        asked: BackendChoice,
        precision: PrecisionChoice,
        threads: int | None,
        cache: EngineCache | None = None,
    ) -> None:
        self._info = info = read_info(run)  # the cheap refusal first
        self.backend, self.reason = choose(asked, built_ahead=False)
        self.precision = "fp32" if precision == "auto" else precision
        check_precision(self.backend, self.precision)
        self._run, self._threads, self._runners = run, threads, dict[tuple[int, ...], Runner]()
        self._backend = backend(self.backend)
        self._cache = cache
        self.weights_sha, self.definition = info.weights_sha, info.score
        device = self._backend.device()
        self.device = device.kind
        on = f"{self.backend}-{device.kind}" if self.backend == "torch" else self.backend
        parts = (info.weights_sha, on, self.precision, self._backend.version())
        self.sha = hashlib.sha256("|".join(parts).encode()).hexdigest()

    @cached_property
    def canary(self) -> Canary | None:
        tiles = drawn_tiles((self.definition.tiling.tile_px,) * 2)
        return Canary(tiles, self.score(tiles))

    def score(self, tiles: Tiles) -> NDArray[np.float32]:
        shape = tiles.shape[1:]
        if shape not in self._runners:
            self._runners[shape] = self._make(shape)
        return self._runners[shape](tiles)

    def _make(self, shape: tuple[int, ...]) -> Runner:
        wanted = Wanted(self._run, self._info, self.sha, self.backend, self.precision, shape, self._threads)
        return wanted.make() if self._cache is None else self._cache.runner(wanted)
