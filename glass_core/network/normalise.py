"""Grey levels of a camera as the planes that a trunk takes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """ImageNet normalisation of grey levels 0..255: (B, H, W) mono or (B, H, W, 3) RGB to (B, 3, H/s, W/s) float32, each px
    the mean of s x s of the camera's, with s = `shrink`."""

    def __init__(self, shrink: int = 1) -> None:
        super().__init__()
        self.shrink = shrink
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        planes = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)  # (B, 1 or 3, H, W)
        planes = planes.to(torch.float32)
        if self.shrink > 1:
            planes = F.avg_pool2d(planes, self.shrink)  # (B, 1 or 3, H/s, W/s)
        planes = (planes - self.get_buffer("mean")) / self.get_buffer("std")  # (B, 3, H/s, W/s)
        # Channels last is twice as fast on processors, and most of all in the grouped convolutions of the embedding.
        return planes.contiguous(memory_format=torch.channels_last)
