"""Settings of one training run, read from the `train:` section of a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from glass_core.backbones import BACKBONES
from glass_core.errors import InputError
from glass_core.pictures.split import SplitFractions
from glass_core.pictures.tiling import Tiling, stride_px
from glass_core.settings.document import read_document
from glass_core.settings.explanation import checked
from glass_core.settings.section import Section

# What a profile changes against the field defaults below. `paper` is docs/explanation/glass.md#the-profile-paper.
PROFILES: dict[str, dict[str, Any]] = {
    # Chosen on AITEX fabric 02 and synthetic defects (docs/measurements/models.md): level 1 sees specks of 10 px, and in some
    # hundred iterations global synthesis raises good cells more than defects.
    "cloth": {"gas": False, "levels": (1, 2, 3), "light": 0.1, "weave_share": 0.3},
    "quick": {"mining": False, "rows_per_tile": 96, "lr": 3e-4, "epochs": 4, "iterations_per_epoch": 25, "evaluate_every": 1},
    "paper": {
        "distribution": "j",
        "backbone": "wide_resnet50_2",
        "trunk": "as_official",
        "input": "crop",
        "border_px": 0,
        "weave_share": 0.0,
        "split": {"train": 1.0, "calibration": 0.0, "selection": 0.0},
        "epochs": 640,
        "iterations_per_epoch": None,
        "rows_per_tile": None,
        "averaging": 0.0,
        "select": "last",
        "recalibrate_bn": False,
    },
}

if TYPE_CHECKING:
    BackboneName = str
else:
    BackboneName = Literal[tuple(BACKBONES)]

MIN_TILE_PX = 64


class TrainConfig(Section):
    """One training run; names and defaults of the method are those of GLASS (docs/explanation/glass.md#the-profile-paper).

    `profile` sets the defaults: `cloth` (local synthesis alone, three levels), `quick` (with Gaussian noise, few iterations,
    some cells of each tile) or `paper` (what the official scripts have in common; configs/paper_*.yaml are the scripts).
    """

    profile: Literal["cloth", "quick", "paper"] = "cloth"
    distribution: Literal["m", "h", "j"] = "m"
    """GLASS-m (manifold), GLASS-h (hypersphere), or -j: the judge decides by the good pictures' average."""
    backbone: BackboneName = "resnet18"
    levels: tuple[Literal[1, 2, 3], ...] = (2, 3)
    """Levels of the trunk that features are taken from, finest first (table 8); cells are as fine as the first."""
    weights: Path | None = None
    trunk: Literal["clean", "as_official"] = "clean"
    """The published trunk as it is, or as the official program leaves it (glass_core.network.official_trunk)."""
    textures: Path | None = None
    seed: int = Field(default=0, ge=0)

    input: Literal["tiles", "crop"] = "tiles"
    """Tiles of the whole inspected range, or the paper's view: short side resized, one square of tile_px from the middle."""
    resize_px: int = Field(default=288, ge=64, le=4096)
    """The short side of pictures and textures before the crop; tiles do not use it."""
    foreground: Literal["none", "generated", "fg_mask"] | Path = "none"
    """Where pasted defects may lie: everywhere, on what differs from the border, in <data>/fg_mask/<class> or a folder."""
    tile_px: int = Field(default=288, ge=MIN_TILE_PX, le=2048, multiple_of=32)
    overlap_px: int = Field(default=32, ge=0, multiple_of=8)
    border_px: int = Field(default=16, ge=0, multiple_of=8)
    """Outermost part of a tile that is context, neither learned nor scored (glass_core.pictures.tiling)."""
    shrink: Literal[1, 2, 3, 4] = 1
    """Px of the picture, along each side, that become one of the model's, inside its graph; all sizes stay the picture's px."""
    light: float = Field(default=0.0, ge=0, lt=0.5)
    """Tiles are learned up to this share brighter or darker than they are, so that a lamp's drift is no defect."""
    inspect_x_px: tuple[int, int] | None = None
    split: SplitFractions = SplitFractions()

    epochs: int = Field(default=8, ge=1)
    minutes: float | None = Field(default=None, gt=0, le=10_080)
    """Instead of a number of epochs: whole ones are learned as long as another fits into this time, at least one."""
    iterations_per_epoch: int | None = Field(default=25, ge=1)
    """Null: as the official code, once over the training tiles, the last batch short, or until more than 392 are seen."""
    batch_tiles: int = Field(default=8, ge=1)
    rows_per_tile: int | None = Field(default=128, ge=16)
    """Cells of each tile that an iteration uses, drawn at random; null: all, as in the paper (many times slower)."""
    evaluate_every: int = Field(default=2, ge=1)
    select: Literal["synthetic", "last"] = "synthetic"
    """Which evaluated epoch becomes the model: the best on held-out tiles with synthetic defects, or the last."""
    averaging: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the moving average of the heads, which becomes the model; 0: the weights as the last iteration left them."""
    recalibrate_bn: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"
    """What the ResNet and the heads' products, those of the ascent among them, compute in while learning; losses, weights and
    scoring are float32 in either case. bf16 is meant for GPUs and processors with AMX or AVX512_BF16; others are slower."""

    lr: float = Field(default=1e-4, gt=0)
    las: bool = True
    gas: bool = True
    mining: bool = True
    projection: bool = True
    adaptor: bool = True
    """The switches of the paper's table 4: losses of local and global synthesis, gradient ascent (GA), truncated projection
    (TP), adaptor. What is off is left out of the loss or the ascent; all passes are made, as the authors did it, unless only
    the batch norm's running statistics would see them, and `recalibrate_bn` measures those anew."""
    noise: float = Field(default=0.015, gt=0)
    radius: float = Field(default=0.75, gt=0, lt=1)
    p: float = Field(default=0.5, ge=0, lt=1)
    step: int = Field(default=20, ge=5, multiple_of=5)
    beta_mean: float = Field(default=0.5, ge=0.2, le=0.8)
    beta_std: float = Field(default=0.1, ge=0)
    weave_share: float = Field(default=0.6, ge=0, le=1)
    """Share of synthetic defects that are faults of weaving made from the cloth itself; the others are GLASS's textures."""

    @property
    def tiling(self) -> Tiling:
        sizes = {"tile_px": self.tile_px, "overlap_px": self.overlap_px, "border_px": self.border_px}
        return Tiling.model_validate({**sizes, "cell_px": stride_px(self.levels) * self.shrink})

    @model_validator(mode="before")
    @classmethod
    def _profile_defaults(cls, data: Any) -> Any:
        profile = data.get("profile", "cloth") if isinstance(data, dict) else None
        if not isinstance(profile, str) or profile not in PROFILES:
            return data
        defaults = dict(PROFILES[profile])
        name = {**defaults, **data}.get("backbone")
        row = BACKBONES.get(name) if isinstance(name, str) else None
        if row and row.levels:
            defaults["levels"] = row.levels
        if data.get("input") == "crop":
            defaults.pop("light", None)
        return {**defaults, **data}

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_levels(self.levels, self.backbone)
        unit = self.shrink * stride_px(self.levels[-1:])  # else a coarser level's cells do not lie on those of the finest
        if self.tile_px % unit:
            raise ValueError(f"tile_px ({self.tile_px}) must be a multiple of {unit} with shrink: {self.shrink}")
        try:
            _ = self.tiling
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        if self.tile_px < MIN_TILE_PX * self.shrink:
            raise ValueError(f"tile_px must be at least {MIN_TILE_PX * self.shrink} with shrink: {self.shrink}")
        if self.resize_px < self.tile_px and self.input == "crop":
            raise ValueError(f"resize_px ({self.resize_px}) must be at least tile_px ({self.tile_px})")
        if self.input == "tiles" and self.foreground != "none":
            raise ValueError("foreground masks need input: crop")
        if self.input == "crop" and (self.inspect_x_px is not None or self.border_px or self.shrink > 1):
            raise ValueError(
                "input: crop sees the middle of the picture, leave inspect_x_px and shrink out and set border_px: 0"
            )
        if self.input == "crop" and self.light:
            raise ValueError("input: crop learns pictures as they are, leave light out")
        if self.distribution != "m" and not self.gas:
            raise ValueError(f"distribution {self.distribution} is one of global synthesis, set gas: true")
        if not self.las and not self.gas:
            raise ValueError("las and gas are both false, nothing is left to learn from")
        if self.inspect_x_px is not None and not 0 <= self.inspect_x_px[0] < self.inspect_x_px[1]:
            raise ValueError(f"inspect_x_px must be [left, right], 0 <= left < right, not {list(self.inspect_x_px)}")
        return self


def check_levels(levels: tuple[int, ...], backbone: str) -> None:
    """Raises ValueError for levels that this trunk does not have."""
    if not levels or list(levels) != sorted(set(levels)):
        raise ValueError(f"levels must be one to three of 1, 2, 3 in this order, not {list(levels)}")
    row = BACKBONES.get(backbone)
    if row and row.levels and levels != row.levels:
        raise ValueError(f"the {row.title} has levels: {list(row.levels)} alone")


class TrainingFile(Section):
    """What a file may have at its top that a training is read from; it may be a line's, whose own reader checks the rest."""

    train: dict[str, Any] | None = None
    line: Any = None
    styles: Any = None
    model: Any = None
    motion: Any = None
    cameras: Any = None
    worker: Any = None
    decision: Any = None
    grading: Any = None
    cut: Any = None
    actions: Any = None
    inputs: Any = None
    outputs: Any = None
    ledger: Any = None
    recording: Any = None
    metrics: Any = None


def load_train_config(path: Path, base: TrainConfig | None = None, instead: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read the `train:` section of a YAML file.

    What it does not name is as in `base`, where one is given (its profile then changes nothing), or as its profile has it.
    What stands in `instead` (the command line) goes before both.

    Raises InputError naming file, key, value and what is allowed.
    """
    document = read_document(path)
    section = checked(document, TrainingFile, document.body).train or {}
    if "epochs" in section and section.get("minutes") is not None:
        raise InputError(f"epochs and minutes both say when training ends, {path}, give one of them")
    body = {**(base.model_dump() if base else {}), **section, **(instead or {})}
    return checked(document, TrainConfig, body, under=("train",))
