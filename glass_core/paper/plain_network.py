"""GLASS computed as the official code computes it: the slow form that the benchmark runs beside ours."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.backbones.resnet import BasicBlock, ResNet, residual_layer
from glass_core.errors import InputError
from glass_core.network.checkpoint import load_model
from glass_core.network.embedding import EMBED_DIM
from glass_core.network.model import Glass


class PlainGlass(nn.Module):
    """The whole trunk, layer4 and classifier included though nothing reads them; patches unfolded, then interpolated, then
    averaged (docs/explanation/glass.md#the-embedding); adaptor and discriminator layer by layer. Float32, and the scores are
    those of `Glass`.

    layer4 and the classifier are drawn at random: they cost time and change no score. Raises InputError for a trunk that is
    no ResNet.
    """

    def __init__(self, glass: Glass) -> None:
        super().__init__()
        if not isinstance(glass.backbone, ResNet):
            raise InputError(f"no official form of backbone {glass.arch}, backbone, use a ResNet")
        self.glass, self.trunk = glass, glass.backbone
        block = self.trunk.block
        channels = 256 * block.expansion
        self.layer4 = residual_layer(block, channels, 512, 2 if block is BasicBlock else 3, 2, self.trunk.base_width)
        self.fc = nn.Linear(512 * block.expansion, 1000)
        self.eval().requires_grad_(False)

    def features(self, tiles: Tensor) -> Tensor:
        """Embedding rows (B * H/c * W/c, 1536) of tiles (B, H, W) or (B, H, W, 3)."""
        levels = self.trunk(self.glass.normalise(tiles))
        rest = (self.trunk.layer2, self.trunk.layer3, self.layer4)[self.trunk.levels[-1] - 1 :]
        self.fc(nn.Sequential(*rest)(levels[-1]).mean(dim=(2, 3)))
        pooled = []
        for level in levels:
            patches = F.unfold(level, 3, padding=1).unflatten(2, level.shape[-2:])  # (B, 9C, h, w)
            if level is not levels[0]:
                patches = F.interpolate(patches, size=levels[0].shape[-2:], mode="bilinear", align_corners=False)
            rows = patches.flatten(2).transpose(1, 2).flatten(0, 1)  # (N, 9C)
            pooled.append(F.adaptive_avg_pool1d(rows.unsqueeze(1), EMBED_DIM))  # (N, 1, 1536)
        rows = F.adaptive_avg_pool1d(torch.stack(pooled, dim=1).flatten(1).unsqueeze(1), EMBED_DIM)  # (N, 1, 1536)
        return rows.squeeze(1)  # (N, 1536)

    def forward(self, tiles: Tensor) -> Tensor:
        """Cell scores (B, H/c, W/c) of tiles (B, H, W) or (B, H, W, 3)."""
        scores = self.glass.discriminator(self.glass.pre_projection(self.features(tiles)))  # (N, 1)
        return scores.view(-1, tiles.shape[1] // self.glass.cell_px, tiles.shape[2] // self.glass.cell_px)


def plain_form(model: Path, tiles: NDArray[np.uint8]) -> Callable[[], object]:
    """One batch by the official form, float32 and eager, waited for. Raises InputError for a trunk that is no ResNet."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = PlainGlass(load_model(model)[0]).to(device)
    batch = torch.from_numpy(tiles).to(device)

    @torch.inference_mode()
    def call() -> None:
        network(batch)
        if device == "cuda":
            torch.cuda.synchronize()

    return call
