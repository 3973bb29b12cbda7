"""The patch embedding of GLASS in its fused form: two grouped convolutions instead of unfolding.

See docs/explanation/glass.md#the-embedding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBED_DIM = 1536


class Embedding(nn.Module):
    """One to three levels of features, finest first, to one row of 1536 numbers for each cell of the finest.

    Of L levels each gives D = 1536 / L numbers. Its 3x3 patches of C channels, flattened (c, ky, kx), are averaged to 1536 and
    then, L by L, to D numbers. Both averages repeat every 9C/g elements with g = gcd(C, D), so they are one convolution with
    g groups of equal weights. Coarser levels are averaged before they are interpolated, not after: both are linear and commute.
    """

    def __init__(self, level_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.level_dim = EMBED_DIM // len(level_channels)
        self.groups = tuple(math.gcd(channels, self.level_dim) for channels in level_channels)
        for level, (channels, groups) in enumerate(zip(level_channels, self.groups, strict=True)):
            weight = _patch_average(channels, groups, self.level_dim)
            self.register_buffer(f"weight{level}", weight, persistent=False)

    def forward(self, *levels: Tensor, cells: Tensor | None = None) -> Tensor:
        """Rows (B * h * w, 1536), image-major then row-major, of levels (B, C, h, w), (B, C', h/2, w/2) and so on; or those
        (n, 1536) of such numbers `cells` (n,) alone."""
        first, *others = (self.average(place, level) for place, level in enumerate(levels))
        if cells is not None:
            return torch.cat([_at(level, cells, first) for level in (first, *others)], dim=1)  # (n, 1536)
        whole = torch.cat([first, *(self.upsample(other, first) for other in others)], dim=1)  # (B, 1536, h, w)
        return whole.permute(0, 2, 3, 1).flatten(0, 2)  # (B * h * w, 1536)

    def average(self, place: int, level: Tensor) -> Tensor:
        """The numbers of one level in its own grid: (B, C, h, w) to (B, D, h, w)."""
        weight = self.get_buffer(f"weight{place}").to(level.dtype)
        return F.conv2d(level, weight, padding=1, groups=self.groups[place])

    @staticmethod
    def upsample(level: Tensor, like: Tensor) -> Tensor:
        """Interpolate to the grid of the finest level."""
        return F.interpolate(level, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _at(level: Tensor, cells: Tensor, like: Tensor) -> Tensor:
    """What `Embedding.upsample` gives of a level (B, D, h', w') in numbered cells (n,) of the finest level's grid: (n, D)."""
    height, width = like.shape[-2:]
    image, y, x = cells // (height * width), cells // width % height, cells % width  # (n,) each
    above, below, down = _between(y.to(level.dtype), height, level.shape[-2])
    left, right, along = _between(x.to(level.dtype), width, level.shape[-1])
    upper = torch.lerp(level[image, :, above, left], level[image, :, above, right], along)  # (n, D)
    lower = torch.lerp(level[image, :, below, left], level[image, :, below, right], along)
    return torch.lerp(upper, lower, down)


def _between(place: Tensor, length: int, coarse: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of places (n,) on an axis of `length` cells: the two of `coarse` cells around each, and how far on it is, (n, 1)."""
    at = ((place + 0.5) * (coarse / length) - 0.5).clamp(min=0)
    first = at.long()
    return first, (first + 1).clamp(max=coarse - 1), (at - first).unsqueeze(1)


def _patch_average(channels: int, groups: int, level_dim: int) -> Tensor:
    """Weights of both averages over flattened 3x3 patches, as of a convolution with `groups` groups."""
    inputs, outputs = channels // groups, level_dim // groups
    identity = torch.eye(inputs * 9).unsqueeze(0)  # (1, 9C/g, 9C/g)
    pooled = F.adaptive_avg_pool1d(identity, EMBED_DIM // groups)  # (1, 9C/g, 1536/g)
    average = F.adaptive_avg_pool1d(pooled, outputs)  # (1, 9C/g, D/g)
    return average[0].T.reshape(outputs, inputs, 3, 3).repeat(groups, 1, 1, 1)  # (D, C/g, 3, 3)
