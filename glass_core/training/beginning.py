"""What a training begins with: the untrained network, its optimisers, and what its pictures tell."""

import torch

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.checkpoint import WeightsOrigin
from glass_core.network.model import Glass
from glass_core.network.official_trunk import make_official
from glass_core.network.weights import load_trunk
from glass_core.pictures.reading import read_image
from glass_core.pictures.split import Split
from glass_core.synthesis.repeat_length import repeat_length
from glass_core.training.gas import Method
from glass_core.training.training_state import Optimisers

REPEAT_PICTURES = 4


def untrained(config: TrainConfig, device: torch.device) -> tuple[Glass, WeightsOrigin | None]:
    """The network with a pretrained trunk and heads drawn at random, and where the trunk is from (None: it needs no file)."""
    glass = Glass(config.backbone, config.shrink, config.levels)
    origin = load_trunk(glass, config.weights)
    if origin and config.trunk == "as_official":
        make_official(glass, origin.path)
    glass.init_heads(torch.Generator().manual_seed(config.seed))
    if not config.adaptor:
        glass.leave_adaptor_out()
    if config.precision == "bf16":
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError(f"no bf16, {torch.cuda.get_device_name()}, set precision: fp32")
        glass.multiply_in_bf16()
    return glass.to(device), origin


def method_of(config: TrainConfig, hypersphere: bool) -> Method:
    """The settings of the loss."""
    names = ("mining", "step", "radius", "p", "gas", "las", "projection")
    return Method(hypersphere=hypersphere, **{name: getattr(config, name) for name in names})


def optimisers_of(glass: Glass, config: TrainConfig) -> Optimisers:
    """Adam with L2 for the adaptor, AdamW at twice the rate for the discriminator (docs/explanation/glass.md#the-heads)."""
    return (
        torch.optim.Adam(glass.pre_projection.parameters(), lr=config.lr, weight_decay=1e-5),
        torch.optim.AdamW(glass.discriminator.parameters(), lr=2 * config.lr, weight_decay=0.01),
    )


def count_card_scores(parts: Split, config: TrainConfig) -> int:
    """Scores that the pictures put aside will give to a card: one for each lane of each, of a crop one.

    Opens every one of these pictures: raises InputError for one that cannot be used."""
    shapes = [read_image(image.path).shape for image in (*parts.calibration, *parts.selection)]
    if config.input == "crop":
        return len(shapes)
    return sum(config.tiling.layout(shape[0], shape[1], config.inspect_x_px).lanes for shape in shapes)


def find_repeat_px(parts: Split, config: TrainConfig) -> tuple[int | None, int | None]:
    """How long the pattern is, along and across the cloth, by a few pictures of all over the training part.

    None where it is not clear, and for crops.
    """
    if config.input == "crop":
        return None, None
    first, last = config.inspect_x_px or (0, None)
    return repeat_length(
        read_image(image.path)[:, first:last] for image in parts.train[:: -(-len(parts.train) // REPEAT_PICTURES)]
    )
