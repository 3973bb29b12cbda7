"""Fits the heads of GLASS to good pictures alone, resumable after any finished epoch.

See docs/explanation/glass.md#the-course-of-a-training.
"""

import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.events import Pass
from glass_core.network.checkpoint import EpochFigures, ModelInfo, save_model, tensors_of, weights_sha
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import MIN_CARD_SCORES, split
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import find_textures
from glass_core.training.ahead import THREADS, ahead
from glass_core.training.averaging import WeightAverage
from glass_core.training.beginning import count_card_scores, find_repeat_px, method_of, optimisers_of, untrained
from glass_core.training.curves import CURVES_PICTURE, write_curves
from glass_core.training.events import Report, ShortCard, ShortTile, Start, Step
from glass_core.training.freed_memory import keep_freed_memory
from glass_core.training.good_features import GoodFeatures
from glass_core.training.iteration import iterate, recalibrate
from glass_core.training.judge import average_picture, judge, write_judgement
from glass_core.training.selection import best, held_out
from glass_core.training.training_state import STATE_FILE, heads_of, identity, resume, save_state

JUDGE_PICTURE = "judge.png"
LOGGED = ("loss", "p_true", "p_fake", "clamped")
"""Figures of an iteration whose mean over an epoch is kept."""


def fit(images: Sequence[Path], config: TrainConfig, out: Path, report: Report) -> Path:
    """Fit adaptor and discriminator on good `images`, and leave a model in the folder `out`, which is returned.

    The model is the epoch that tells synthetic defects in held-out good tiles apart best, or the last one (`select`); the
    state keeps the heads of both.
    A state left there by the same config and pictures is taken up after its last finished epoch, and the weights come out
    as without the interruption; meanwhile `epochs` may have grown, and `minutes` and `select` changed. In GLASS-j the judge's
    picture is left in `out`, too. Raises InputError for pictures or a state that cannot be used and for a training that
    diverges, MissingError without the trunk's weights. The process keeps what memory it has had (freed_memory).
    """
    keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False  # held-out tiles are scored in float32, as engines score
    fitting = _Fitting(images, config, out, report)
    fitting.begin()
    fitting.catch_up()
    while len(fitting.curve) < fitting.planned:
        fitting.learn(len(fitting.curve))
    fitting.finish()
    return out


class _Fitting:
    """One training: what it learns from, the network, and how far it has come."""

    def __init__(self, images: Sequence[Path], config: TrainConfig, out: Path, report: Report) -> None:
        self._config, self._out, self._report = config, out, report
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._parts = split(images, config.split, config.seed)
        textures = find_textures(config.textures)
        self._textures = textures.name
        self._tiles = TileSource([image.path for image in self._parts.train], config, textures)
        self._selection = TileSource([image.path for image in self._parts.selection], config, textures, self._tiles.room)
        self._card_scores = count_card_scores(self._parts, config)  # a damaged picture is better known before hours are spent
        self._glass, self._origin = untrained(config, self._device)
        self._optimisers = optimisers_of(self._glass, config)
        self._average_picture = (
            average_picture(read_image(image.path) for image in self._parts.train) if config.distribution == "j" else None
        )
        self._judgement = None if self._average_picture is None else judge(self._average_picture)
        self._hypersphere = config.distribution == "h" if self._judgement is None else self._judgement.hypersphere
        self._method = method_of(config, self._hypersphere)
        self._identity = identity(config, self._parts, self._textures, self._origin)
        self._averaged = WeightAverage(self._glass, config.averaging)
        self._good: GoodFeatures | None = None
        state = out / STATE_FILE
        self.curve, self._selected = resume(state, self._glass, self._averaged.glass, self._optimisers, self._identity)
        self.planned = config.epochs
        """Epochs in all; with `minutes` as many as were when this began, and will fit in as fast as those since."""
        self._began_s, self._before = time.monotonic(), len(self.curve)
        if config.minutes is not None:
            self.planned = max(self.planned, self._before + 1)
        if len(self.curve) > self.planned:
            raise InputError(f"{len(self.curve)} epochs are done, {out}, ask for as many at least or choose another --out")

    def begin(self) -> None:
        """Says what it begins with, and writes down the split and the judge's picture."""
        repeat_px = find_repeat_px(self._parts, self._config)
        self._report(
            Start(
                self._config.backbone, self._origin, self._textures, str(self._device), self._parts, self._card_scores,
                len(self._tiles), len(self.curve), self._hypersphere, self._judgement, repeat_px,
            )
        )  # fmt: skip
        longest = max((px for px in repeat_px if px is not None), default=0)
        if longest > self._config.tile_px:
            self._report(ShortTile(longest, self._config.tile_px))
        wants_card = self._config.split.calibration and self._config.input != "crop"  # models of crops have none
        if wants_card and self._card_scores < MIN_CARD_SCORES:
            self._report(ShortCard(len(self._parts.calibration) + len(self._parts.selection), self._card_scores))
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            self._parts.save(self._out)
            if self._judgement is not None and self._average_picture is not None:
                write_judgement(self._out / JUDGE_PICTURE, self._average_picture, self._judgement)
        except OSError as error:
            raise InputError(f"cannot write ({error.strerror}), {self._out}, choose another --out") from error

    def catch_up(self) -> None:
        """Evaluates an epoch that is the last only now: the training was to be longer when it was learned."""
        done = len(self.curve)
        if done and done == self.planned and done % self._config.evaluate_every:
            self.curve[-1] = self.curve[-1].model_copy(update=self._evaluate(done))
            self._keep()
            self._draw()

    def learn(self, epoch: int) -> None:
        """One epoch, counted from 0, with its figures; saved before it is reported."""
        self._glass.train()  # good rows are computed as those of the batches
        good = self._good = self._good or self._look_at_good()
        figures = self._iterate(epoch, good)
        self._refuse_diverged([*heads_of(self._glass).values(), *heads_of(self._averaged.glass).values()], epoch)
        self.planned = self._plan(epoch + 1)
        evaluated = epoch + 1 == self.planned or (epoch + 1) % self._config.evaluate_every == 0
        if evaluated:
            figures |= self._evaluate(epoch + 1)
        self.curve.append(EpochFigures(epoch=epoch + 1, **figures))
        self._keep()
        if evaluated:
            self._draw()
        self._report(self.curve[-1])

    def finish(self) -> None:
        """Writes the model: the trunk, and the heads of the chosen epoch."""
        config, curve = self._config, self.curve
        selected = config.select != "last" and best(curve) is not None
        tensors = tensors_of(self._glass) | (self._selected if selected else heads_of(self._averaged.glass))
        info = ModelInfo(
            arch=config.backbone,
            levels=config.levels,
            weights_sha=weights_sha(tensors),
            score=ScoreDefinition(tiling=config.tiling, inspect_x_px=config.inspect_x_px),
            config=config,
            split_digest=self._parts.digest,
            weights=self._origin,
            textures=self._textures,
            curve=tuple(curve),
            selected_epoch=self._chosen,
            distribution="h" if self._hypersphere else "m",
            versions={"torch": torch.__version__, "numpy": np.__version__},
        )
        save_model(self._out, tensors, info)

    def _plan(self, done: int) -> int:
        """How many epochs there will be, after so many: the pace of this process tells what still fits in."""
        if self._config.minutes is None:
            return self._config.epochs
        gone_s = time.monotonic() - self._began_s
        left_s = 60 * self._config.minutes - gone_s
        return done + max(0, math.floor(left_s * (done - self._before) / gone_s))

    def _draw(self) -> None:
        write_curves(self._out / CURVES_PICTURE, self.curve, self._chosen)

    @property
    def _chosen(self) -> int:
        """The epoch that is the model as things stand, counted from 1."""
        chosen = None if self._config.select == "last" else best(self.curve)
        return chosen.epoch if chosen else len(self.curve)

    def _look_at_good(self) -> GoodFeatures:
        total = len(self._tiles)
        return GoodFeatures(
            self._glass, self._tiles, self._config, self._hypersphere, self._out,
            lambda done: self._report(Pass("looking at good tiles", done, total)),
        )  # fmt: skip

    def _iterate(self, epoch: int, good: GoodFeatures) -> dict[str, float]:
        """All iterations of an epoch; the means of their figures."""
        config, per_epoch = self._config, self._tiles.iterations
        centre = good.centre()  # of the adaptor as it is now, for the whole epoch
        logs = []
        with ThreadPoolExecutor(THREADS) as pool:
            for iteration, batch in enumerate(ahead(pool, partial(self._tiles.draw, epoch), range(per_epoch))):
                seed = np.random.SeedSequence((config.seed, epoch, iteration))
                log = iterate(self._glass, self._optimisers, batch, good, centre, config, self._method, seed)
                self._refuse_diverged([log["loss"]], epoch)
                done = epoch * per_epoch + iteration + 1
                self._averaged.update(done)
                self._report(Step(done, self.planned * per_epoch, epoch + 1, self.planned, log))
                logs.append(log)
        return {name: float(np.nanmean([log[name] for log in logs])) for name in LOGGED if name in logs[0]}

    def _evaluate(self, epochs: int) -> dict[str, float]:
        """Figures of held-out tiles after so many epochs, with the batch norm recalibrated; the same each time."""
        glass = self._averaged.glass
        if self._config.recalibrate_bn:
            recalibrate(glass, self._tiles, self._config, epochs)
        figures = held_out(glass, self._selection)
        self._refuse_diverged([*heads_of(glass).values(), figures.get("selection_good_q99", 0.0)], epochs - 1)
        return figures

    def _keep(self) -> None:
        """Saves the state; the heads as they are now are the selected ones where the last epoch is the best."""
        if best(self.curve) in (None, self.curve[-1]):
            self._selected = heads_of(self._averaged.glass)
        save_state(
            self._out / STATE_FILE, self._glass, self._averaged.glass, self._optimisers, self._identity, self.curve,
            self._selected,
        )  # fmt: skip

    def _refuse_diverged(self, values: Iterable[ArrayLike], epoch: int) -> None:
        """Before anything of it is saved; epochs count from 0."""
        if not all(np.isfinite(value).all() for value in values):
            advice = f"give a smaller lr than {self._config.lr:g}" + (" and another --out" if epoch else "")
            raise InputError(f"training diverged, epoch {epoch + 1}, {advice}")
