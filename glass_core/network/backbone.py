"""The frozen trunk: ResNets cut after layer3, with torchvision's key names, and the filter bank behind one door."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.errors import InputError
from glass_core.network.filterbank import FilterBank

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_NOT_IN_TRUNK = re.compile(r"(layer4|fc)\.")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int, base_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 (carrying the stride), 1x1 convolutions beside a shortcut; `base_width` 128 makes the wide form."""

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int, base_width: int) -> None:
        super().__init__()
        inner, channels_out = width * base_width // 64, width * self.expansion
        self.conv1 = nn.Conv2d(channels_in, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample = _shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """conv1 to layer3 of a torchvision ResNet; always in eval mode, never trained. `levels` says whose outputs are wanted."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int],
        base_width: int,
        levels: tuple[int, ...] = (2, 3),
    ) -> None:
        super().__init__()
        self.levels = levels
        self.level_channels = tuple((32 << level) * block.expansion for level in levels)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = residual_layer(block, 64, 64, depths[0], 1, base_width)
        self.layer2 = residual_layer(block, 64 * block.expansion, 128, depths[1], 2, base_width)
        self.layer3 = residual_layer(block, 128 * block.expansion, 256, depths[2], 2, base_width)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "ResNet":
        """Stay in eval mode whatever is asked: the trunk's batch statistics are frozen (glass.md 1.1)."""
        return super().train(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The levels of normalised pictures (B, 3, H, W), finest first: of level n (B, C, H/2^(n+1), W/2^(n+1))."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)  # (B, 64, H/4, W/4)
        found = {}
        for level, layer in ((1, self.layer1), (2, self.layer2), (3, self.layer3)):
            if level <= self.levels[-1]:
                found[level] = x = layer(x)
        return tuple(found[level] for level in self.levels)


def build_backbone(arch: str, levels: tuple[int, ...] = (2, 3)) -> ResNet | FilterBank:
    """The trunk named `arch`: a ResNet (weights still to be loaded) or "embedded", which has levels 2 and 3 alone."""
    if arch == "resnet18":
        return ResNet(BasicBlock, (2, 2, 2), 64, levels)
    if arch in ("resnet50", "resnet101", "wide_resnet50_2"):
        return ResNet(Bottleneck, (3, 4, 23 if arch == "resnet101" else 6), 128 if arch.startswith("wide") else 64, levels)
    if arch == "embedded":
        return FilterBank()
    raise InputError(f"unknown backbone {arch!r}, backbone, use resnet18, resnet50, resnet101, wide_resnet50_2 or embedded")


def load_trunk(backbone: ResNet, state: Mapping[str, Tensor], source: str) -> None:
    """Copy a torchvision state dict into the trunk; layer4 and fc are left out by name, all else must match.

    Raises InputError naming `source` and the first key that is missing, unknown, or of another shape.
    """
    state = {key: value for key, value in state.items() if not _NOT_IN_TRUNK.match(key)}
    wanted = backbone.state_dict()
    for key in sorted(wanted.keys() | state.keys()):
        advice = "give the torchvision file of this backbone"
        if key not in state:
            if key.endswith("num_batches_tracked"):  # older torchvision files are without, and eval mode does not ask
                continue
            raise InputError(f"weight {key} is missing, {source}, {advice}")
        if key not in wanted:
            raise InputError(f"weight {key} is unknown, {source}, {advice}")
        if state[key].shape != wanted[key].shape:
            shapes = f"{tuple(state[key].shape)}, not {tuple(wanted[key].shape)}"
            raise InputError(f"weight {key} is {shapes}, {source}, {advice}")
    backbone.load_state_dict(state, strict=False)


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


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))


def residual_layer(
    block: type[BasicBlock] | type[Bottleneck], channels_in: int, width: int, depth: int, stride: int, base_width: int
) -> nn.Sequential:
    """`depth` blocks, the first of which changes stride and channels."""
    first = block(channels_in, width, stride, base_width)
    rest = (block(width * block.expansion, width, 1, base_width) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)
