"""The one graph of inference: camera bytes to cell scores, equal to the trained network and several times cheaper."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from glass_core.network.model import LEAKY_SLOPE, Glass
from glass_core.pictures.anomaly_map import smoothing


class ScoreGraph(nn.Module):
    """`Glass` for inference only: no batch norms, no 1536-wide rows, one affine map for the head.

    Batch norms are in the convolutions before them. Adaptor, first layer and its batch norm are one matrix, which acts on
    each level by itself: on a coarser one before interpolation, where there are fewer cells; both maps are linear in space
    and channels and commute. Trunk and matrix compute in `dtype`; the last layer and the sigmoid are always
    float32, since in half precision neighbouring scores near 1 would become equal. See
    docs/explanation/glass.md#the-graph-of-inference.
    """

    def __init__(self, glass: Glass, dtype: torch.dtype = torch.float32, map_px: tuple[int, int] | None = None) -> None:
        """`map_px` (h, w) of the tiles adds the smoothed map to the outputs."""
        super().__init__()
        self.dtype = dtype
        self.cell_px = glass.cell_px
        self.normalise, self.embedding = glass.normalise, copy.deepcopy(glass.embedding).to(dtype)
        self.backbone = _without_norms(copy.deepcopy(glass.backbone)).to(dtype)
        adaptor, linear, norm = glass.pre_projection.linear, glass.discriminator.linear, glass.discriminator.norm
        with torch.no_grad():
            mean, var = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
            gain = norm.weight.double() / (var + norm.eps).sqrt()  # (hidden,)
            weight = gain.unsqueeze(1) * (linear.weight.double() @ adaptor.weight.double())  # (hidden, 1536)
            offset = linear.weight.double() @ adaptor.bias.double() + linear.bias.double()  # (hidden,)
            bias = gain * (offset - mean) + norm.bias.double()  # (hidden,)
        for place, part in enumerate(weight.split(self.embedding.level_dim, dim=1)):
            self.register_buffer(f"level{place}", part.to(dtype)[..., None, None])  # (hidden, D, 1, 1)
        self.register_buffer("bias", bias.to(dtype))
        self.register_buffer("direction", glass.discriminator.direction.detach().clone()[..., None, None])
        self.maps = map_px is not None
        if map_px is not None:
            for axis, length_px in zip(("rows", "columns"), map_px, strict=True):
                matrix = torch.from_numpy(smoothing(length_px // self.cell_px, self.cell_px))  # (length, length / c)
                self.register_buffer(axis, matrix.to(self.get_buffer("direction").dtype))
        self.eval().requires_grad_(False)

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Of tiles (B, H, W) or (B, H, W, 3), grey levels 0..255: cell scores (B, H/c, W/c) in (0, 1), the highest of each
        tile (B,), and with `map_px` the smoothed maps (B, H, W)."""
        first, *others = self.backbone(self.normalise(tiles).to(self.dtype))
        hidden = F.conv2d(self.embedding.average(0, first), self.get_buffer("level0"), self.get_buffer("bias"))
        for place, level in enumerate(others, 1):
            part = F.conv2d(self.embedding.average(place, level), self.get_buffer(f"level{place}"))
            hidden = hidden + self.embedding.upsample(part, first)  # (B, hidden, H/c, W/c)
        hidden = F.leaky_relu(hidden, LEAKY_SLOPE)
        direction = self.get_buffer("direction")
        cells = F.conv2d(hidden.to(direction.dtype), direction).sigmoid().squeeze(1)  # (B, H/c, W/c)
        highest = cells.amax(dim=(1, 2))  # (B,)
        if not self.maps:
            return cells, highest
        return cells, highest, self.get_buffer("rows") @ cells @ self.get_buffer("columns").T  # (B, H, W)


def _without_norms(module: nn.Module) -> nn.Module:
    """Folds each batch norm into the convolution before it; names pair them, conv1 with bn1, 0 with 1."""
    for name, child in list(module.named_children()):
        pair = {"0": "1"}.get(name, name.replace("conv", "bn"))
        norm = getattr(module, pair, None)
        if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, norm))
            setattr(module, pair, nn.Identity())
        elif not isinstance(child, nn.BatchNorm2d):
            _without_norms(child)
    return module
