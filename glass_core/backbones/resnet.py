"""ResNets cut after layer3, with torchvision's key names."""

from torch import Tensor, nn
from torch.nn import functional as F

from glass_core.backbones.trunk import Trunk


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


class ResNet(Trunk):
    """conv1 to layer3 of a torchvision ResNet. `levels` says whose outputs are wanted."""

    unread = ("layer4.", "fc.")

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int],
        base_width: int,
        levels: tuple[int, ...] = (2, 3),
    ) -> None:
        super().__init__()
        self.block, self.base_width, self.levels = block, base_width, levels
        self.level_channels = tuple((32 << level) * block.expansion for level in levels)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = residual_layer(block, 64, 64, depths[0], 1, base_width)
        self.layer2 = residual_layer(block, 64 * block.expansion, 128, depths[1], 2, base_width)
        self.layer3 = residual_layer(block, 128 * block.expansion, 256, depths[2], 2, base_width)
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The levels of normalised pictures (B, 3, H, W), finest first: of level n (B, C, H/2^(n+1), W/2^(n+1))."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)  # (B, 64, H/4, W/4)
        found = {}
        for level, layer in ((1, self.layer1), (2, self.layer2), (3, self.layer3)):
            if level <= self.levels[-1]:
                found[level] = x = layer(x)
        return tuple(found[level] for level in self.levels)


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
