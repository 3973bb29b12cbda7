"""The patch embedding of GLASS in its fused form: two grouped convolutions instead of unfolding (glass.md 1.3-1.5)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBED_DIM = 1536
LEVEL_DIM = EMBED_DIM // 2


class Embedding(nn.Module):
    """Two feature levels to one row of 1536 numbers for each cell of the finer level.

    Each 3x3 patch of C channels, flattened (c, ky, kx), is averaged to 1536 and then, pair by pair, to 768 numbers. Both
    averages repeat every 9C/g elements with g = gcd(C, 768), so they are one convolution with g groups of equal weights.
    The coarser level is averaged before it is interpolated, not after: both are linear and commute.
    """

    def __init__(self, level_channels: tuple[int, int]) -> None:
        super().__init__()
        self.groups = tuple(math.gcd(channels, LEVEL_DIM) for channels in level_channels)
        for level, channels in enumerate(level_channels):
            weight = _patch_average(channels, self.groups[level])
            self.register_buffer(f"weight{level}", weight, persistent=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Rows (B * h * w, 1536), image-major then row-major, of levels (B, C2, h, w) and (B, C3, h/2, w/2)."""
        both = torch.cat([self.fine(fine), self.upsample(self.coarse(coarse), fine)], dim=1)  # (B, 1536, h, w)
        return both.permute(0, 2, 3, 1).flatten(0, 2)  # (B * h * w, 1536)

    def fine(self, level: Tensor) -> Tensor:
        """The first 768 numbers, (B, 768, h, w)."""
        return F.conv2d(level, self.get_buffer("weight0").to(level.dtype), padding=1, groups=self.groups[0])

    def coarse(self, level: Tensor) -> Tensor:
        """The last 768 numbers before interpolation, (B, 768, h/2, w/2)."""
        return F.conv2d(level, self.get_buffer("weight1").to(level.dtype), padding=1, groups=self.groups[1])

    @staticmethod
    def upsample(coarse: Tensor, like: Tensor) -> Tensor:
        """Interpolate to the grid of the finer level."""
        return F.interpolate(coarse, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _patch_average(channels: int, groups: int) -> Tensor:
    """Weights of both averages over flattened 3x3 patches, as of a convolution with `groups` groups."""
    inputs, outputs = channels // groups, LEVEL_DIM // groups
    identity = torch.eye(inputs * 9).unsqueeze(0)  # (1, 9C/g, 9C/g)
    average = F.adaptive_avg_pool1d(F.adaptive_avg_pool1d(identity, 2 * outputs), outputs)  # (1, 9C/g, 768/g)
    return average[0].T.reshape(outputs, inputs, 3, 3).repeat(groups, 1, 1, 1)  # (768, C/g, 3, 3)
