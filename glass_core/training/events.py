"""What a training tells its caller while it goes on; each event that has words says them by `str`."""

from collections.abc import Callable
from dataclasses import dataclass

from glass_core.backbones import BACKBONES
from glass_core.events import LeftOut, Note, Pass
from glass_core.network.checkpoint import EpochFigures, WeightsOrigin
from glass_core.pictures.split import MIN_CARD_SCORES, Split
from glass_core.training.judge import Judgement

MULTIPLE_PX = 32
"""Sides of tiles are multiples of this."""


@dataclass(frozen=True)
class Start:
    """What training begins with."""

    backbone: str
    weights: WeightsOrigin | None
    textures: str
    device: str
    split: Split
    card_scores: int
    """Scores that the pictures put aside for a card will give: one for each lane of each."""
    tiles: int
    resumed_epochs: int
    hypersphere: bool
    judgement: Judgement | None
    repeat_px: tuple[int | None, int | None]
    """Of the pattern, along and across the cloth; none where none is clear, nor for crops."""

    def __str__(self) -> str:
        if self.weights:
            backbone = f"backbone {self.weights.arch} from {self.weights.path}"
        else:
            backbone = f"backbone {self.backbone}: the {BACKBONES[self.backbone].title}, not a trained network"
        counts = " + ".join(f"{len(getattr(self.split, part))} {part}" for part in ("train", "calibration", "selection"))
        method = f"GLASS-{'h' if self.hypersphere else 'm'}"
        if self.judgement:
            method += f" by the judge ({self.judgement.points} points, radius {self.judgement.radius:.1f}; see judge.png)"
        resumed = f", taken up after epoch {self.resumed_epochs}" if self.resumed_epochs else ""
        return f"{method}; {backbone}; textures {self.textures}; {counts} pictures, {self.tiles} tiles; {self.device}{resumed}"


@dataclass(frozen=True)
class ShortTile:
    """A tile that is smaller than a repeat never shows the whole pattern."""

    repeat_px: int
    tile_px: int

    def __str__(self) -> str:
        wanted = -(-self.repeat_px // MULTIPLE_PX) * MULTIPLE_PX
        return f"warning: the pattern repeats after {self.repeat_px} px, a tile has {self.tile_px} px: set tile_px to {wanted}"


@dataclass(frozen=True)
class ShortCard:
    """The pictures put aside for a threshold card are too few for one."""

    pictures: int
    scores: int

    def __str__(self) -> str:
        plural = "" if self.pictures == 1 else "s"
        kept = f"{self.pictures} picture{plural} kept for the threshold card give {self.scores} scores"
        return f"warning: {kept}, it needs {MIN_CARD_SCORES}: give more good pictures, or raise split.calibration"


@dataclass(frozen=True)
class Step:
    """Where training is: iterations done of all, and the figures of the latest."""

    done: int
    total: int
    epoch: int
    """The present one, counted from 1, of so many `epochs`."""
    epochs: int
    figures: dict[str, float]


Event = Note | LeftOut | Start | ShortTile | ShortCard | Step | EpochFigures | Pass
Report = Callable[[Event], None]
